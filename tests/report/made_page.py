"""A run in miniature as its files, and what a page says, read without the code that made it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from erkt.data.index import Row, write_index
from erkt.deploy.card import FORMAT, Calibration, ModelCard, Training, Weights
from erkt.files.csv_file import write_csv
from erkt.files.json_file import write_json
from erkt.report.facts import RunFiles, SeedFiles
from erkt.report.lineage import Lineage

TEACHERS = ("one", "two")
LINEAGE = Lineage(
    "noise",
    {"split": {"group_duplicates": "none"}, "stress": {"images_per_class": 2}},
    True,
    inputs="ab" * 32,
)


def names(count: int) -> tuple[str, ...]:
    """Return ``count`` names of classes in order."""
    return tuple(f"class_{number:03d}" for number in range(count))


def made_run(
    root: Path, classes: Sequence[str], *, seeds: int = 1, tested: int = 6, side: int = 16, right: float = 0.8
) -> RunFiles:
    """Write the files of a run below ``root``: noise images, of each class ``tested`` and two that train.

    Student and ensemble are right by chance, with the probability ``right``; the rest is what follows.
    """
    rng = np.random.default_rng(0)
    _prepared(root / "prepared", classes, tested + 2, side, rng)
    keys = [
        (f"{name}/{number:02d}.png", label) for label, name in enumerate(classes) for number in range(tested)
    ]
    files = {seed: _seed(root, seed, classes, keys, right, rng) for seed in range(seeds)}
    return RunFiles(root / "prepared", files)


def _prepared(folder: Path, classes: Sequence[str], count: int, side: int, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    rows = [
        Row(f"{name}/{number:02d}.png", name, label, side, side, "RGB")
        for label, name in enumerate(classes)
        for number in range(count)
    ]
    np.save(folder / "images.npy", rng.integers(0, 256, (len(rows), 3, side, side), dtype=np.uint8))
    write_index(folder / "index.csv", rows)
    digests = {
        f"{Path(name).stem}_sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("images.npy", "index.csv")
    }
    shape = [len(rows), 3, side, side]
    write_json(folder / "manifest.json", {"shape": shape, "classes": list(classes), **digests})


def _seed(
    root: Path,
    seed: int,
    classes: Sequence[str],
    keys: Sequence[tuple[str, int]],
    right: float,
    rng: np.random.Generator,
) -> SeedFiles:
    metrics, export, heat = root / "metrics", root / f"exports/{seed}", root / f"figures/{seed}/heat.png"
    labels = np.array([label for _, label in keys])
    said = {
        who: np.where(rng.random(len(keys)) < right, labels, rng.integers(0, len(classes), len(keys)))
        for who in ("student", "ensemble")
    }
    write_csv(
        metrics / f"predictions/{seed}.csv",
        [
            {"key": key, "actual": classes[label], "student": classes[said["student"][place]]}
            | {"student_confidence": float(rng.uniform(0.3, 1)), "ensemble": classes[said["ensemble"][place]]}
            | {"ensemble_confidence": float(rng.uniform(0.3, 1))}
            for place, (key, label) in enumerate(keys)
        ],
    )
    oa = {who: 100 * float(np.mean(choice == labels)) for who, choice in said.items()}
    rest = {"aa": 61.5, "kappa": 57.25, "ece": 3.5, "nll": 0.7}
    shares = dict.fromkeys(TEACHERS, 0.5)
    rows: list[dict[str, Any]] = [
        {"network": "student", "oa": oa["student"], **rest, "parameters": 250_000, "weights": None}
        | {"gap": oa["ensemble"] - oa["student"], "agreement": 80.0},
        {"network": "ensemble", "oa": oa["ensemble"], **rest, "weights": shares},
    ]
    write_json(metrics / f"evaluate/{seed}.json", rows)
    for name in TEACHERS:
        row = {"network": f"teacher {name}", "oa": oa["ensemble"], **rest, "parameters": 400_000}
        write_json(metrics / f"evaluate_teacher/{seed}-{name}.json", [row])
    write_csv(
        metrics / f"robustness/{seed}.csv",
        [
            {"kind": kind, "strength": float(strength), "unit": unit, "student": student, "ensemble": 80.0}
            for kind, strength, unit, student in (
                ("none", 0, "", 77.0),
                ("blur", 1, "% of the side", 60.0),
                ("blur", 2, "% of the side", 40.0),
                ("jpeg", 10, "quality", 70.0),
            )
        ],
    )
    write_export(export, classes, len(keys), seed)
    heat.parent.mkdir(parents=True)
    Image.fromarray(rng.integers(0, 256, (450, 444, 4), dtype=np.uint8)).save(heat)
    return SeedFiles(
        evaluate=metrics / f"evaluate/{seed}.json",
        teachers={name: metrics / f"evaluate_teacher/{seed}-{name}.json" for name in TEACHERS},
        predictions=metrics / f"predictions/{seed}.csv",
        robustness=metrics / f"robustness/{seed}.csv",
        export=export,
        heat=heat,
    )


def write_export(folder: Path, classes: Sequence[str], images: int, seed: int) -> None:
    """Write what the page reads of an export: its card, and a file that is as large as an ONNX file."""
    weights = Weights("test_resnet", "random", None, None)
    card = ModelCard(
        format=FORMAT,
        arch="test_resnet",
        options={},
        parameters=250_000,
        precision="fp32",
        classes=tuple(classes),
        side=16,
        filter="bicubic",
        non_square="squash",
        network_side=None,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        weights=weights,
        teachers=dict.fromkeys(TEACHERS, weights),
        shares=dict.fromkeys(TEACHERS, 0.5),
        training=Training("noise", 2 * len(classes), 0, "12" * 32, "34" * 32, seed),
        calibration=Calibration("validation", images, 0.75, 9.5, 4.25, 95.0, 0.875, 62.5, 95.5),
        results={},
        commit=None,
        inputs=None,
    )
    (folder / "timm").mkdir(parents=True)
    (folder / "timm/erkt.json").write_text(card.to_json(), encoding="utf-8")
    (folder / "model.onnx").write_bytes(bytes(1_250_000))


@dataclass
class Read(HTMLParser):
    """A page as text: of each section, by its id, the words and the rows of its tables; and every tag."""

    html: str
    words: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[list[str]]] = field(default_factory=dict)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._where, self._cell = "", False
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._where = dict(attrs)["id"] or ""
        elif tag == "tr":
            self.rows.setdefault(self._where, []).append([])
        self._cell = tag in ("td", "th") or (self._cell and tag not in ("table", "tr"))
        if tag in ("td", "th"):
            self.rows[self._where][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words[self._where] = self.words.get(self._where, "") + data
        if self._cell:
            self.rows[self._where][-1][-1] += data.strip()

    def row(self, section: str, name: str) -> list[str]:
        """Return the cells of the first row that begins so."""
        return next(row for row in self.rows[section] if row and row[0] == name)


def evaluated(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a file of evaluate by network."""
    return {row["network"]: row for row in json.loads(path.read_text(encoding="utf-8"))}
