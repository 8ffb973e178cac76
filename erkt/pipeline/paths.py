"""Where everything lies, relative to the root of the repository; dvc.yaml declares the same places."""

from pathlib import Path

from erkt.files.artifacts import ENSEMBLE

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
EXPORTS = Path("data/exports")
FIGURES = Path("data/figures")
TRADEOFF = FIGURES / "tradeoff.png"
METRICS = Path("metrics")
SUMMARY = METRICS / "summary.json"
REPORT = Path("data/report.html")


def split_list(seed: int, part: str) -> Path:
    """Return the list of ``part``: train, val, unlabelled or test."""
    return Path(f"data/splits/{seed}/{part}.txt")


def split_lists(seed: int, *parts: str) -> list[Path]:
    """Return the lists of several parts."""
    return [split_list(seed, part) for part in parts]


def teachers(seed: int) -> Path:
    """Return the folder of all teachers of a seed."""
    return Path(f"data/teachers/{seed}")


def teacher(seed: int, name: str) -> Path:
    """Return the folder of one teacher."""
    return teachers(seed) / name


def all_logits(part: str, seed: int) -> Path:
    """Return the folder of the teachers' logits on ``part`` (val or test)."""
    return Path(f"data/{part}_logits/{seed}")


def logits(part: str, seed: int, teacher: str) -> Path:
    """Return the file of one teacher's logits on ``part`` (val or test)."""
    return all_logits(part, seed) / f"{teacher}.safetensors"


def teaching(seed: int) -> Path:
    """Return what distillation reads: ``ensemble.json``, and the logits by teacher and block."""
    return Path(f"data/teaching/{seed}")


def ensemble(seed: int) -> Path:
    """Return the file with the ensemble's weights."""
    return teaching(seed) / ENSEMBLE


def student(seed: int) -> Path:
    """Return the folder of the student."""
    return Path(f"data/students/{seed}")


def export(seed: int) -> Path:
    """Return the folder of the student in the forms in which it leaves."""
    return EXPORTS / str(seed)


def figures(seed: int) -> Path:
    """Return the folder of a seed's pictures."""
    return FIGURES / str(seed)


def metrics(stage: str, label: str) -> Path:
    """Return the metrics file of a cell of ``stage``, whose coordinates ``label`` joins."""
    return METRICS / stage / f"{label}.json"


def environment(name: str) -> Path:
    """Return the sidecar of a cell: versions, device, seconds. No stage depends on it."""
    return METRICS / "environment" / f"{name.replace('@', '-')}.json"


def heat(seed: int) -> Path:
    """Return the picture of where student and ensemble look."""
    return figures(seed) / "heat.png"


def curves(seed: int, network: str) -> Path:
    """Return the training curves of a teacher, by its name, or of the ``student``."""
    return METRICS / "curves" / f"{seed}-{network}.csv"


def sweep(seed: int) -> Path:
    """Return the table of every candidate of the weight search."""
    return METRICS / "sweep" / f"{seed}.csv"


def test_sweep(seed: int) -> Path:
    """Return the table of every candidate's accuracy on the test part, a report alone."""
    return METRICS / "test_sweep" / f"{seed}.csv"


def predictions(seed: int) -> Path:
    """Return the table of the student's and the ensemble's prediction for each test image."""
    return METRICS / "predictions" / f"{seed}.csv"


def per_class(seed: int) -> Path:
    """Return the table of precision, recall and F1 for each class."""
    return METRICS / "per_class" / f"{seed}.csv"


def robustness(seed: int) -> Path:
    """Return the table of accuracy on corrupted images."""
    return METRICS / "robustness" / f"{seed}.csv"


def confused(seed: int) -> Path:
    """Return the table of pairs of classes that the student confuses."""
    return METRICS / "confused" / f"{seed}.csv"


def overlap(seed: int) -> Path:
    """Return the table of pairs of classes that overlap among the student's features."""
    return METRICS / "overlap" / f"{seed}.csv"
