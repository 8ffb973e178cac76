"""Which files of a run an exported network is described by, and whether they are those of one run."""

from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

from erkt.deploy.describe import Run
from erkt.errors import ErktError
from erkt.pipeline import paths, recorded
from erkt.pipeline.cells import Cell, cells_up_to
from erkt.pipeline.git import commit_of

_MADE = ("data", "metrics", "dvc.lock")


def run_files(
    root: Path, seed: int, dataset: str, teacher: str | None = None, inputs: str | None = None
) -> Run:
    """Return the files of the student of a seed, or of one ``teacher``, of the repository at ``root``.

    ``inputs`` is the digest of what a stage was given; without one it is the commit that says where all is
    from. A stage has to make the same bytes wherever it runs, and the same inputs are in many commits.

    A teacher has no teachers of its own, and no figures beside its own.
    """
    network = paths.student(seed) if teacher is None else paths.teacher(seed, teacher)
    return Run(
        network=root / network,
        prepared=root / paths.PREPARED,
        train=root / paths.split_list(seed, "train"),
        val=root / paths.split_list(seed, "val"),
        unlabelled=root / paths.split_list(seed, "unlabelled"),
        ensemble=None if teacher else root / paths.ensemble(seed),
        teachers=root / paths.teachers(seed),
        metrics=None if teacher else root / paths.metrics("evaluate", str(seed)),
        dataset=dataset,
        seed=seed,
        commit=None if inputs else commit_of(root, _MADE),
        inputs=inputs,
    )


def require_one_run(root: Path, seed: int, params: Mapping[str, Any], teacher: str | None) -> None:
    """Raise ErktError if the files that ``run_files`` names are not those of one run by ``params``.

    A student would be calibrated on images that it has learned from, for example, if lists were drawn anew.
    Code may have changed since. What has not been evaluated goes without figures. Without a dvc.lock nothing
    is known, and nothing is said.
    """
    if not (root / paths.LOCK).is_file():
        return
    alone = {**params, "seeds": [seed]}
    reader = Cell("export", {"seed": str(seed)})
    if teacher is not None:
        if teacher not in params["teachers"]:
            raise ErktError(f"{teacher}: params.yaml has no such teacher, so nothing is known of its run")
        alone["teachers"] = {teacher: params["teachers"][teacher]}
        reader = Cell("evaluate_teacher", {"seed": str(seed), "teacher": teacher})
    evaluated = (root / paths.metrics("evaluate", str(seed))).is_file()
    left_out = {reader.stage} if evaluated else {reader.stage, "evaluate", "evaluate_teacher"}
    with chdir(root):
        cells = cells_up_to(alone, [reader.stage])
        cells = [cell for cell in cells if cell.stage not in left_out]
        recorded.require_one_run(cells, reader, alone, code=False)
