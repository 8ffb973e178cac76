"""stress: what student, teachers and ensemble keep of their accuracy on corrupted test images."""

from erkt import models, robustness
from erkt.data.images import open_images
from erkt.device import choose
from erkt.exhibits import Predictions, first_of_each
from erkt.figures.robustness import robustness_figure
from erkt.files import read_json
from erkt.params.stress import Stress
from erkt.tables import write_csv
from stages import paths
from stages.common import Job, run
from stages.gathered import keep_teachers


def main(job: Job) -> str:
    """Corrupt the first images of each class that the stored predictions name."""
    images, settings = open_images(paths.PREPARED), job.settings("stress", Stress)
    predicted = Predictions.load(paths.predictions(job.label), images.classes)
    some = sorted(
        int(place)
        for places in first_of_each(predicted.labels, len(images.classes), settings.images_per_class)
        for place in places
    )
    test = images.subset([(predicted.keys[place], int(predicted.labels[place])) for place in some])
    mixture = read_json(paths.ensemble(job.seed))
    networks = {"student": models.load_folder(paths.student(job.seed), images.classes)}
    for name in mixture["weights"]:
        networks[name] = models.load_folder(paths.teachers(job.seed) / name, images.classes)
    names = [*mixture["weights"], "ensemble", "student"]
    rows = robustness.measure(
        networks,
        mixture["weights"],
        mixture["space"],
        test,
        job.seed,
        job.runtime.inference_batch,
        choose(job.runtime),
        job.progress("conditions"),
    )
    write_csv(paths.METRICS / "robustness" / f"{job.label}.csv", rows)
    robustness_figure(paths.figures(job.label) / "robustness.png", rows, names)
    kept = robustness.means(rows, names)
    job.write_records(paths.metrics("stress", job.label), kept)
    means = {row["network"]: row["oa"] for row in kept}
    return (
        f"mean OA on corrupted images: student {means['student']:.2f} %, ensemble {means['ensemble']:.2f} %"
    )


if __name__ == "__main__":
    run(main, ["seed"], keep_teachers)
