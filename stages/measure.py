"""measure: how much the teachers vary over the views, and how far the student is from them."""

from erkt import deviation, models, teaching
from erkt.batches import ViewBatches
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.device import choose
from erkt.files import sha256_file
from erkt.params.cache import Cache
from erkt.params.views import Views
from stages import paths
from stages.common import Job, run
from stages.gathered import keep_teachers_and_views

VIEWS = 5  # the first ones are enough for means over all images


def main(job: Job) -> str:
    """Compare student and teachers on the first views that the student learned from."""
    cache, train_list = job.settings("cache", Cache), paths.split_list(job.seed, "train")
    images = open_images(paths.PREPARED)
    train = images.subset(read_list(train_list))
    student = models.load_folder(paths.student(job.seed), images.classes)
    numbers = list(cache.views)[:VIEWS] or list(range(VIEWS))
    settings, batch = job.settings("vsm", Views), job.runtime.inference_batch
    data = ViewBatches(train, settings, job.seed, len(cache.views) or VIEWS, batch, choose(job.runtime))
    source = teaching.Source(
        paths.views(job.seed), paths.teachers(job.seed), images.sha256, sha256_file(train_list)
    )
    teach = teaching.open_teachers(source, data, cache, job.warn)
    found = deviation.report(*deviation.on_views(student, teach, data, numbers), train.labels)
    job.write_records(paths.metrics("measure", job.label), [{"views": len(numbers), **found}])
    return (
        f"{len(numbers)} views, student and teachers agree on {found['agreement']:.2f} %, squared distance of "
        f"their probabilities {found['probabilities_distance']:.4f}"
    )


if __name__ == "__main__":
    run(main, ["seed"], keep_teachers_and_views)
