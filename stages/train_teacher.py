"""train_teacher: one teacher, one seed, on ``base`` views, changed as params say, with its own recipe."""

from erkt.data.images import open_parts
from erkt.losses.supervised import Supervised
from erkt.machine.device import choose
from erkt.networks import logits, models
from erkt.networks.head_only import HeadOnly
from erkt.networks.inference import predict, validation
from erkt.params.teacher import Teacher
from erkt.params.views import ViewSettings
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.seeds import derive
from erkt.training.engine import fit
from erkt.views.batches import ViewBatches


def main(job: Job) -> str:
    """Train the teacher; keep it and its logits on the validation part, from which weights are searched."""
    settings = job.settings(f"teachers.{job.teacher}", Teacher)
    views = settings.views_beside(job.settings("base", ViewSettings))
    recipe, batch = settings.recipe, job.runtime.inference_batch
    seed, device = derive(job.seed, "teacher", job.teacher), choose(job.runtime)
    train, val = open_parts(paths.PREPARED, *paths.split_lists(job.seed, "train", "val"))

    model = models.build(settings.network, train.classes, train.side, seed, job.environment)
    if settings.train == "head":
        model = HeadOnly(model)
    data = ViewBatches(
        train,
        views,
        seed=seed,
        views=recipe.epochs,
        batch_size=recipe.batch_size,
        device=device,
        images=job.runtime.images,
        fused=job.runtime.fused_views,
    )
    epochs = fit(
        model,
        data,
        Supervised(),
        recipe=recipe,
        seed=seed,
        validate=validation(model, val, batch, device),
        on_step=job.progress("steps"),
        checkpoints=job.checkpoints,
        recompute=job.runtime.recompute and settings.train == "all",  # a frozen backbone keeps no activations
        ranks=job.ranks,
        graphs=job.runtime.graphs,
    )
    line = job.write_curve(paths.curves(job.seed, job.teacher), epochs)
    digest = models.save_folder(model, paths.teacher(job.seed, job.teacher))
    scores = predict(model, val, batch, device)
    logits.save(paths.logits("val", job.seed, job.teacher), scores, network=digest, part=val)
    return line


STAGE = Stage(main, long=True, recipe="teachers.{teacher}.recipe")
