"""Folders that gather the outputs of many cells, without those that params no longer name."""

from erkt.files import read_json
from erkt.params.cache import Cache
from stages import paths
from stages.common import Job


def keep_teachers(job: Job) -> None:
    """Remove the seed's teachers that the ensemble no longer has."""
    job.keep_only(paths.teachers(job.seed), set(read_json(paths.ensemble(job.seed))["weights"]))


def keep_teachers_and_views(job: Job) -> None:
    """Remove the seed's teachers and blocks of views that params no longer name."""
    names = set(read_json(paths.ensemble(job.seed))["weights"])
    blocks = {str(block) for block in job.settings("cache", Cache).blocks}
    job.keep_only(paths.teachers(job.seed), names)
    job.keep_only(paths.views(job.seed), {paths.ensemble(job.seed).name} | (names if blocks else set()))
    for name in names if blocks else ():
        job.keep_only(paths.views(job.seed) / name, blocks)
