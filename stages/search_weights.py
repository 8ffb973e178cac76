"""search_weights: the ensemble's weights, searched on the validation part or taken as given."""

from erkt.data.images import open_parts
from erkt.ensemble.search import search
from erkt.files.csv_file import write_csv
from erkt.files.json_file import write_json
from erkt.networks import logits
from erkt.params.ensemble import Ensemble
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tidy import keep_named_teachers


def main(job: Job) -> str:
    """Choose the weights; keep every candidate beside them."""
    settings, names = job.settings("ensemble", Ensemble), list(job.value("teachers"))
    (val,) = open_parts(paths.PREPARED, paths.split_list(job.seed, "val"))
    scores = logits.load_teachers(paths.all_logits("val", job.seed), paths.teachers(job.seed), names, val)
    sweep = search(scores, val.labels, settings)
    write_json(paths.ensemble(job.seed), {"weights": sweep.weights, "space": settings.space})
    write_csv(paths.sweep(job.seed), sweep.rows())
    job.run.artifact(paths.sweep(job.seed))
    job.note({"weights": sweep.weights})
    return ", ".join(f"{name} {weight:g}" for name, weight in sweep.weights.items())


STAGE = Stage(main, tidy=keep_named_teachers)
