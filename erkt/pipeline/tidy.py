"""Folders that gather the outputs of many cells, without those that params no longer name."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from erkt.files.json_file import read_json
from erkt.files.replace import remove
from erkt.params.cache import Cache
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell, all_cells
from erkt.pipeline.job import Job


def remove_strays(params: Mapping[str, Any], cells: Collection[Cell]) -> list[Path]:
    """Remove from the folders that ``cells`` read what no cell of ``params`` makes; return what it was.

    The stages do so themselves, but only once DVC has looked for their runs, under the hash of a folder with
    strays. So where many look for a run that one of them made, this comes first.
    """
    outs = {out for cell in all_cells(params) for out in cell.outputs()}
    above = {folder for out in outs for folder in out.parents}
    folders = list({Path(dep) for cell in cells for dep in cell.entry()["deps"]} & above)
    strays = set()
    for folder in folders:  # grows while it is gone through
        inside = set(folder.iterdir()) if folder.is_dir() else set()
        folders += inside & above
        strays |= inside - above - outs
    for path in strays:
        remove(path)
    return sorted(strays)


def keep_teachers(job: Job) -> None:
    """Remove the seed's teachers that the ensemble no longer has."""
    job.keep_only(paths.teachers(job.seed), set(_members(job)))


def keep_teachers_and_views(job: Job) -> None:
    """Remove the seed's teachers and blocks of logits that params no longer name."""
    names = _members(job)
    blocks = {str(block) for block in job.settings("cache", Cache).blocks}
    job.keep_only(paths.teachers(job.seed), set(names))
    job.keep_only(paths.teaching(job.seed), {paths.ensemble(job.seed).name, *(names if blocks else ())})
    for name in names if blocks else ():
        job.keep_only(paths.teaching(job.seed) / name, blocks)


def keep_test_logits(job: Job) -> None:
    """Remove the test logits of teachers that the ensemble no longer has."""
    job.keep_only(paths.all_logits("test", job.seed), {f"{name}.safetensors" for name in _members(job)})


def keep_named_teachers(job: Job) -> None:
    """Remove the seed's teachers, and their validation logits, that params no longer name."""
    names = set(job.value("teachers"))
    job.keep_only(paths.all_logits("val", job.seed), {f"{name}.safetensors" for name in names})
    job.keep_only(paths.teachers(job.seed), names)


def keep_named_metrics(job: Job) -> None:
    """Remove the metrics of seeds and teachers that params no longer name."""
    seeds, names = list(job.value("seeds")), list(job.value("teachers"))
    job.keep_only(paths.METRICS / "evaluate", {f"{seed}.json" for seed in seeds})
    cells = {f"{seed}-{name}.json" for seed in seeds for name in names}
    job.keep_only(paths.METRICS / "evaluate_teacher", cells)


def keep_named_seeds(job: Job) -> None:
    """Remove what the page of a run reads, of seeds and teachers that params no longer name."""
    keep_named_metrics(job)
    seeds = [str(seed) for seed in job.value("seeds")]
    for stage in ("predictions", "robustness"):
        job.keep_only(paths.METRICS / stage, {f"{seed}.csv" for seed in seeds})
    job.keep_only(paths.EXPORTS, set(seeds))
    job.keep_only(paths.FIGURES, {*seeds, paths.TRADEOFF.name})


def _members(job: Job) -> list[str]:
    return list(read_json(paths.ensemble(job.seed))["weights"])
