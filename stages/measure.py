"""measure: how much the teachers vary over the views, how often they are right, how far the student is."""

import numpy as np

from erkt.data.images import open_training
from erkt.evaluation import variance
from erkt.evaluation.mean_probability import mean_probability_std, random_subsets
from erkt.evaluation.metrics import softmax
from erkt.evaluation.on_views import on_views
from erkt.machine.device import choose
from erkt.networks import models
from erkt.params.cache import Cache
from erkt.params.views import ViewSettings
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tidy import keep_teachers_and_views
from erkt.teachers import accuracy
from erkt.teachers.teaching import Source, as_networks, open_teachers
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
        images=job.runtime.images,
        fused=job.runtime.fused_views,
    )
    source = Source(teaching=paths.teaching(job.seed), networks=paths.teachers(job.seed), train=train)
    teach = open_teachers(source, data, cache, job.warn)
    seen = on_views(student, teach, data, numbers)
    larger, either = accuracy.of_views(seen.teacher.argmax(axis=2), seen.label_a, seen.label_b, seen.alpha)
    networks = as_networks(teach, source, data, cache.precision)
    whole = accuracy.of_whole_images(networks, data, np.arange(len(train)))
    right = accuracy.Accuracy(larger, either, whole)
    spread = mean_probability_std(softmax(seen.teacher), random_subsets(data, numbers))
    found = variance.report(seen) | {"teacher_mean_probability_std": spread} | right.figures
    job.write_records(paths.metrics(job.cell.stage, job.cell.label), [{"views": len(numbers), **found}])
    return f"{len(numbers)} views, student and teachers agree on {found['agreement']:.2f} %; {right.sentence}"


STAGE = Stage(main, tidy=keep_teachers_and_views)
