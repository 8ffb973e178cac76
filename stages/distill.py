"""distill: the student, from the teachers' cached logits or with the teachers beside it (Algorithm 1)."""

from erkt.data.images import open_training
from erkt.losses.objective import Objective
from erkt.machine.device import choose
from erkt.networks import inference, models
from erkt.params.cache import Cache
from erkt.params.distill import Distill
from erkt.params.network import Network
from erkt.params.views import ViewSettings
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tidy import keep_teachers_and_views
from erkt.seeds import derive
from erkt.teachers.teaching import Source, open_checked
from erkt.training.engine import fit
from erkt.views.batches import ViewBatches
from erkt.views.finish import Finish


def main(job: Job) -> str:
    """Train the student; the last epoch's is the result."""
    settings, cache = job.settings("distill", Distill), job.settings("cache", Cache)
    network, views = job.settings("student", Network), job.settings("vsm", ViewSettings)
    seed, device, recipe = derive(job.seed, "student"), choose(job.runtime), settings.recipe
    train, val = open_training(paths.PREPARED, *paths.split_lists(job.seed, "train", "unlabelled", "val"))
    model = models.build(network, train.classes, train.side, seed, job.environment)
    if views.erasing.fill not in ("black", model.card.mean):
        job.warn(f"vsm.erasing.fill is not the student's normalisation mean {list(model.card.mean)}")
    objective, count = Objective(settings), len(cache.views) or recipe.epochs
    data = ViewBatches(
        train,
        views,
        seed=job.seed,
        views=count,
        batch_size=recipe.batch_size,
        device=device,
        finish=Finish(settings.finish, job.settings("base", ViewSettings), cache.per_block(recipe.epochs)),
        images=job.runtime.images,
        fused=job.runtime.fused_views,
    )
    source = Source(teaching=paths.teaching(job.seed), networks=paths.teachers(job.seed), train=train)
    epochs = fit(
        model,
        data,
        objective,
        recipe=recipe,
        seed=seed,
        teach=open_checked(source, data, cache, job.warn, job.note) if objective.needs_teacher else None,
        validate=inference.validation(model, val, job.runtime.inference_batch, device),
        on_step=job.progress("steps"),
        checkpoints=job.checkpoints,
        recompute=job.runtime.recompute,
        ranks=job.ranks,
        graphs=job.runtime.graphs,
        resizing=settings.resizing,
        averaging=settings.averaging,
    )
    line = job.write_curve(paths.curves(job.seed, "student"), epochs)
    models.save_folder(model, paths.student(job.seed))
    return f"{line}, {train.unlabelled} of {len(train)} images unlabelled" if train.unlabelled else line


STAGE = Stage(main, tidy=keep_teachers_and_views, long=True, recipe="distill.recipe")
