"""distill: the student, from the teachers' cached logits or with the teachers beside it (Algorithm 1)."""

from erkt import models, teaching
from erkt.batches import ViewBatches
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.device import choose
from erkt.engine import fit
from erkt.files import sha256_file
from erkt.inference import validation
from erkt.losses.objective import Objective
from erkt.params.cache import Cache
from erkt.params.distill import Distill
from erkt.params.network import Network
from erkt.params.views import Views
from erkt.recompute import forget_activations
from erkt.seeds import derive
from erkt.tables import write_csv
from stages import paths
from stages.common import Job, run
from stages.gathered import keep_teachers_and_views


def main(job: Job) -> str:
    """Train the student; the last epoch's is the result."""
    settings, cache = job.settings("distill", Distill), job.settings("cache", Cache)
    seed, device = derive(job.seed, "student"), choose(job.runtime)
    images, train_list = open_images(paths.PREPARED), paths.split_list(job.seed, "train")
    train = images.subset(read_list(train_list))
    val = images.subset(read_list(paths.split_list(job.seed, "val")))

    model = models.build(job.settings("student", Network), images.classes, images.side, seed, job.environment)
    if job.runtime.recompute:
        forget_activations(model)
    views, recipe, objective = job.settings("vsm", Views), settings.recipe, Objective(settings)
    count = len(cache.views) or recipe.epochs
    if views.erasing.fill not in ("black", model.card.mean):
        job.warn(f"vsm.erasing.fill is not the student's normalisation mean {list(model.card.mean)}")
    data = ViewBatches(train, views, job.seed, count, recipe.batch_size, device)
    teach = None
    if objective.needs_teacher:
        teachers = paths.views(job.seed), paths.teachers(job.seed)
        source = teaching.Source(*teachers, images.sha256, sha256_file(train_list))
        teach = teaching.open_teachers(source, data, cache, job.warn)
    check = validation(model, val, job.runtime.inference_batch, device)
    steps, kept, economy = job.progress("steps"), job.checkpoints, settings.economy
    epochs = fit(model, data, objective, recipe, seed, teach, check, steps, kept, economy)
    rows = job.follow(epochs)

    models.save_folder(model, paths.student(job.seed))
    write_csv(paths.curves(f"{job.label}-student"), rows)
    job.run.artifact(paths.curves(f"{job.label}-student"))
    job.note(rows[-1])
    return ", ".join(f"{key} {value:.4g}" for key, value in rows[-1].items())


if __name__ == "__main__":
    run(main, ["seed"], keep_teachers_and_views, long=True)
