"""search_weights: the ensemble's weights, searched on the validation part or taken as given."""

from erkt import artifacts, logits, weighting
from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.files import read_json, sha256_file, write_json
from erkt.params.ensemble import Ensemble
from erkt.tables import write_csv
from stages import paths
from stages.common import Job, run


def main(job: Job) -> str:
    """Choose the weights; keep every candidate beside them."""
    settings = job.settings("ensemble", Ensemble)
    names = list(job.value("teachers"))
    val_list = paths.split_list(job.seed, "val")
    val = open_images(paths.PREPARED).subset(read_list(val_list))
    folder, digest = paths.logits("val", job.seed), sha256_file(val_list)
    scores = {}
    for name in names:
        network = read_json(paths.teachers(job.seed) / name / artifacts.MANIFEST)["sha256"]
        scores[name] = logits.load(folder / f"{name}.safetensors", network, digest, val.classes)

    sweep = weighting.choose(scores, val.labels, settings)
    write_json(paths.ensemble(job.seed), {"weights": sweep.weights, "space": settings.space})
    write_csv(paths.sweep(job.label), weighting.rows(sweep, names))
    job.run.artifact(paths.sweep(job.label))
    job.note({"weights": sweep.weights})
    return ", ".join(f"{name} {weight:g}" for name, weight in sweep.weights.items())


def remove_stale(job: Job) -> None:
    """Remove the logits of teachers that params no longer name."""
    names = list(job.value("teachers"))
    job.keep_only(paths.logits("val", job.seed), {f"{name}.safetensors" for name in names})
    job.keep_only(paths.teachers(job.seed), set(names))


if __name__ == "__main__":
    run(main, ["seed"], remove_stale)
