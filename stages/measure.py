"""measure: how much the teachers vary over the views, and how far the student is from them."""

from erkt.data.images import open_training
from erkt.evaluation import variance
from erkt.machine.device import choose
from erkt.networks import models
from erkt.params.cache import Cache
from erkt.params.views import ViewSettings
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tidy import keep_teachers_and_views
from erkt.teachers.teaching import Source, open_teachers
from erkt.views.batches import ViewBatches
from erkt.views.finish import Finish

VIEWS = 5  # the first ones are enough for means over all images


def main(job: Job) -> str:
    """Compare student and teachers on the first views that the student learned from."""
    cache, settings = job.settings("cache", Cache), job.settings("vsm", ViewSettings)
    base = job.settings("base", ViewSettings)
    (train,) = open_training(paths.PREPARED, *paths.split_lists(job.seed, "train", "unlabelled"))
    student = models.load_folder(paths.student(job.seed), train.classes)
    numbers = list(cache.views)[:VIEWS] or list(range(VIEWS))
    data = ViewBatches(
        train,
        settings,
        seed=job.seed,
        views=len(cache.views) or VIEWS,
        batch_size=job.runtime.inference_batch,
        device=choose(job.runtime),
        finish=Finish(job.value("distill.finish"), base, cache.per_block(job.value("distill.recipe.epochs"))),
    )
    source = Source(teaching=paths.teaching(job.seed), networks=paths.teachers(job.seed), train=train)
    teach = open_teachers(source, data, cache, job.warn)
    found = variance.report(*variance.on_views(student, teach, data, numbers), train.labels)
    job.write_records(paths.metrics(job.cell.stage, job.cell.label), [{"views": len(numbers), **found}])
    return (
        f"{len(numbers)} views, student and teachers agree on {found['agreement']:.2f} %, squared "
        f"distance of their probabilities {found['probabilities_distance']:.4f}"
    )


STAGE = Stage(main, tidy=keep_teachers_and_views)
