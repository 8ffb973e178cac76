"""draw: pictures of what the student confuses, how sure it is, where it looks, and what it learned from."""

from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.evaluation.predictions import Predictions
from erkt.evaluation.robustness_table import read_rows
from erkt.figures import run_figures
from erkt.figures.lettering import lettering
from erkt.figures.robustness import robustness_figure
from erkt.files.csv_file import write_csv
from erkt.files.json_file import read_json
from erkt.machine.device import choose
from erkt.networks.models import load_folder
from erkt.params.views import ViewSettings
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tidy import keep_teachers
from erkt.views.batches import ViewBatches


def main(job: Job) -> str:
    """Draw every figure; the test images are those that the stored predictions name."""
    images, folder, device = open_images(paths.PREPARED), paths.figures(job.seed), choose(job.runtime)
    predicted = Predictions.load(paths.predictions(job.seed), images.classes)
    test = images.subset(predicted.listed())
    train = images.subset(read_list(paths.split_list(job.seed, "train")))
    student = load_folder(paths.student(job.seed), images.classes)
    weights = read_json(paths.ensemble(job.seed))["weights"]
    teachers = {name: load_folder(paths.teacher(job.seed, name), images.classes) for name in weights}

    views = job.settings("vsm", ViewSettings)
    batches = ViewBatches(train, views, job.seed, views=1, batch_size=run_figures.BATCH, device=device)
    letters = lettering(images.classes)
    if letters.note:
        job.warn(letters.note)
    with letters.used():
        confused = run_figures.draw_predictions(folder, predicted)
        run_figures.draw_samples(folder, test, confused)
        overlap = run_figures.draw_features(folder, student, test, job.seed, device)
        run_figures.draw_heat(folder, test, predicted, student, teachers, weights)
        run_figures.draw_views(folder, batches)
        robustness_figure(folder / "robustness.png", read_rows(paths.robustness(job.seed)))
    nothing = {"confused": ("true", "predicted", "images", "percent"), "overlap": ("one", "other", "percent")}
    write_csv(paths.confused(job.seed), confused or [dict.fromkeys(nothing["confused"])])
    write_csv(paths.overlap(job.seed), overlap or [dict.fromkeys(nothing["overlap"])])
    return f"{len(confused)} confused pairs of classes, {len(overlap)} that overlap"


STAGE = Stage(main, tidy=keep_teachers)
