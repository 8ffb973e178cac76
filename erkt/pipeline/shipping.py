"""Which files of a run an exported network is described by."""

from pathlib import Path

from erkt.deploy.describe import Run
from erkt.pipeline import paths
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
