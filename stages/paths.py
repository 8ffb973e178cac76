"""Where everything lies, relative to the root of the repository; dvc.yaml declares the same places."""

from pathlib import Path

from erkt.artifacts import ENSEMBLE

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
RUNNING = Path(".dvc/tmp/erkt")
PRESETS = Path("presets")
EXPERIMENTS = Path("experiments")
RESULTS = Path("results")
LITERATURE = RESULTS / "literature.csv"
ARCHIVE = Path("data/archive")
PREPARED = Path("data/prepared")
SUMMARY = Path("metrics/summary.json")
TRADEOFF = Path("data/figures/tradeoff.png")
METRICS = Path("metrics")


def split_list(seed: int, part: str) -> Path:
    """Return the list of ``part``: train, val or test."""
    return Path(f"data/splits/{seed}/{part}.txt")


def teachers(seed: int) -> Path:
    """Return the folder of all teachers of a seed, one folder each."""
    return Path(f"data/teachers/{seed}")


def logits(part: str, seed: int) -> Path:
    """Return the folder of the teachers' logits on ``part`` (val or test), one file a teacher."""
    return Path(f"data/{part}_logits/{seed}")


def views(seed: int) -> Path:
    """Return what distillation reads: ``ensemble.json``, and a folder a teacher with a folder a block."""
    return Path(f"data/views/{seed}")


def ensemble(seed: int) -> Path:
    """Return the file with the ensemble's weights."""
    return views(seed) / ENSEMBLE


def student(seed: int) -> Path:
    """Return the folder of the student."""
    return Path(f"data/students/{seed}")


def metrics(stage: str, cell: str) -> Path:
    """Return the metrics file of one cell of a stage."""
    return METRICS / stage / f"{cell}.json"


def curves(cell: str) -> Path:
    """Return the training curves of a cell, such as ``0-resnet50`` or ``0-student``."""
    return METRICS / "curves" / f"{cell}.csv"


def environment(name: str) -> Path:
    """Return the sidecar of a stage: versions, device, seconds. No stage depends on it."""
    return METRICS / "environment" / f"{name.replace('@', '-')}.json"


def sweep(cell: str) -> Path:
    """Return the table of every candidate of the weight search."""
    return METRICS / "sweep" / f"{cell}.csv"


def test_sweep(cell: str) -> Path:
    """Return the table of every candidate's accuracy on the test part: a report, from which nothing is chosen."""
    return METRICS / "test_sweep" / f"{cell}.csv"


def predictions(cell: str) -> Path:
    """Return the table of the student's and the ensemble's prediction for each test image."""
    return METRICS / "predictions" / f"{cell}.csv"


def per_class(cell: str) -> Path:
    """Return the table of precision, recall and F1 for each class."""
    return METRICS / "per_class" / f"{cell}.csv"


def pairs(name: str, cell: str) -> Path:
    """Return the table of pairs of classes that are ``confused``, or that ``overlap`` among features."""
    return METRICS / name / f"{cell}.csv"


def figures(cell: str) -> Path:
    """Return the folder of a seed's pictures."""
    return Path(f"data/figures/{cell}")


def confusion(cell: str) -> Path:
    """Return the picture of the student's confusion matrix."""
    return figures(cell) / "confusion.png"
