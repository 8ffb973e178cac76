"""download: get the dataset's images as one verified archive."""

from erkt.data import sources
from erkt.params.dataset import Dataset
from erkt.pipeline import paths
from erkt.pipeline.job import Job, Stage


def main(job: Job) -> str:
    """Fetch, render or pack the images, whole or not at all."""
    settings = job.settings("dataset", Dataset)
    halves = job.store / f"{job.name}-halves"
    facts = sources.fetch(settings, paths.ARCHIVE, job.environment, job.progress("B"), halves)
    job.note(facts)
    line = f"{settings.name}, {facts['bytes'] / 1e6:.1f} MB, sha256 {facts['sha256']}"
    unlabelled = [f"{facts['unlabelled']} images without a class"] if "unlabelled" in facts else []
    others = ", ".join(f"{count} {kind}" for kind, count in facts.get("left_out", {}).items())
    if others:
        job.warn(f"files left out, since no image ends so: {others}")
    return "; ".join([line, *unlabelled, *facts.get("remarks", ())])


STAGE = Stage(main)
