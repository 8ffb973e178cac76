"""stress: what student, teachers and ensemble keep of their accuracy on corrupted test images."""

from erkt.data.images import open_images
from erkt.evaluation import robustness, robustness_table
from erkt.evaluation.predictions import Predictions
from erkt.files.csv_file import write_csv
from erkt.files.json_file import read_json
from erkt.machine.device import choose
from erkt.networks import models
from erkt.params.stress import Stress
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tidy import keep_teachers


def main(job: Job) -> str:
    """Corrupt the first images of each class that the stored predictions name."""
    images, settings = open_images(paths.PREPARED), job.settings("stress", Stress)
    predicted = Predictions.load(paths.predictions(job.seed), images.classes)
    weights, space = read_json(paths.ensemble(job.seed)).values()
    folders = {"student": paths.student(job.seed)} | {name: paths.teacher(job.seed, name) for name in weights}
    rows = robustness.measure(
        {name: models.load_folder(folder, images.classes) for name, folder in folders.items()},
        weights=weights,
        space=space,
        images=images.subset(predicted.first_of_each(settings.images_per_class)),
        seed=job.seed,
        batch_size=job.runtime.inference_batch,
        device=choose(job.runtime),
        on_condition=job.progress("conditions"),
    )
    write_csv(paths.robustness(job.seed), rows)
    for name, gain in robustness_table.need_corners(rows, [*weights, "student"]).items():
        job.warn(
            f"{name} is {gain:.1f} points better on turned images, with black corners, than on whole ones; "
            "lower rotation.p in base and vsm, so that it sees whole images"
        )
    kept = robustness_table.means(rows, [*weights, "ensemble", "student"])
    job.write_records(paths.metrics(job.cell.stage, job.cell.label), kept)
    means = {row["network"]: row["oa"] for row in kept}
    return (
        f"mean OA on corrupted images: student {means['student']:.2f} %, ensemble {means['ensemble']:.2f} %"
    )


STAGE = Stage(main, tidy=keep_teachers)
