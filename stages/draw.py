"""draw: pictures of what the student confuses, how sure it is, where it looks, and what it learned from."""

from erkt import gallery, models
from erkt.batches import ViewBatches
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.device import choose
from erkt.exhibits import Predictions
from erkt.files import read_json
from erkt.params.views import Views
from erkt.tables import write_csv
from stages import paths
from stages.common import Job, run
from stages.gathered import keep_teachers


def main(job: Job) -> str:
    """Draw every figure; the test images are those that the stored predictions name."""
    images, folder = open_images(paths.PREPARED), paths.figures(job.label)
    classes, device, batch = images.classes, choose(job.runtime), job.runtime.inference_batch
    predicted = Predictions.load(paths.predictions(job.label), classes)
    test = images.subset(list(zip(predicted.keys, predicted.labels.tolist(), strict=True)))
    train = images.subset(read_list(paths.split_list(job.seed, "train")))
    student = models.load_folder(paths.student(job.seed), classes)
    weights = read_json(paths.ensemble(job.seed))["weights"]
    teachers = {name: models.load_folder(paths.teachers(job.seed) / name, classes) for name in weights}

    confused = gallery.draw_predictions(folder, predicted, classes)
    gallery.draw_samples(folder, test, confused)
    overlap = gallery.draw_features(folder, student, test, job.seed, batch, device)
    gallery.draw_heat(folder, test, predicted, student, teachers, weights)
    views = ViewBatches(train, job.settings("vsm", Views), job.seed, 1, gallery.BATCH, device)
    gallery.draw_views(folder, views)
    nothing = {"confused": ("true", "predicted", "images", "percent"), "overlap": ("one", "other", "percent")}
    for name, rows in (("confused", confused), ("overlap", overlap)):
        write_csv(paths.pairs(name, job.label), rows or [dict.fromkeys(nothing[name])])
    return f"{len(confused)} confused pairs of classes, {len(overlap)} that overlap"


if __name__ == "__main__":
    run(main, ["seed"], keep_teachers)
