"""train_teacher: one teacher, one seed, on ``base`` views with its own recipe."""

from erkt import logits, models
from erkt.batches import ViewBatches
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.device import choose
from erkt.engine import fit
from erkt.files import sha256_file
from erkt.inference import predict, validation
from erkt.losses.supervised import Supervised
from erkt.params.teacher import Teacher
from erkt.params.views import Views
from erkt.recompute import forget_activations
from erkt.seeds import derive
from erkt.tables import write_csv
from stages import paths
from stages.common import Job, run


def main(job: Job) -> str:
    """Train the teacher; keep it and its logits on the validation part, from which weights are searched."""
    name = job.cell["teacher"]
    settings = job.settings(f"teachers.{job.cell['teacher']}", Teacher)
    recipe = settings.recipe
    seed, device = derive(job.seed, "teacher", name), choose(job.runtime)
    images = open_images(paths.PREPARED)
    train = images.subset(read_list(paths.split_list(job.seed, "train")))
    val_list = paths.split_list(job.seed, "val")
    val = images.subset(read_list(val_list))

    model = models.build(settings.network, images.classes, images.side, seed, job.environment)
    if job.runtime.recompute:
        forget_activations(model)
    data = ViewBatches(train, job.settings("base", Views), seed, recipe.epochs, recipe.batch_size, device)
    check = validation(model, val, job.runtime.inference_batch, device)
    epochs = fit(model, data, Supervised(), recipe, seed, None, check, job.progress("steps"), job.checkpoints)
    rows = job.follow(epochs)

    digest = models.save_folder(model, paths.teachers(job.seed) / name)
    scores = predict(model, val, job.runtime.inference_batch, device)
    logits.save(
        paths.logits("val", job.seed) / f"{name}.safetensors",
        scores,
        digest,
        sha256_file(val_list),
        images.classes,
    )
    write_csv(paths.curves(job.label), rows)
    job.run.artifact(paths.curves(job.label))
    job.note(rows[-1])
    return ", ".join(f"{key} {value:.4g}" for key, value in rows[-1].items())


if __name__ == "__main__":
    run(main, ["seed", "teacher"], long=True)
