"""What the files of a run say: everything that the page shows comes from here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erkt.data.images import Images, open_images
from erkt.deploy import card
from erkt.deploy.card import ModelCard
from erkt.errors import ErktError
from erkt.evaluation.predictions import Predictions
from erkt.evaluation.robustness_table import read_rows
from erkt.files.json_file import read_records
from erkt.files.table_file import read_table

Row = Mapping[str, Any]


@dataclass(frozen=True)
class SeedFiles:
    """Where the files of one seed lie: metrics of ``evaluate`` and of each teacher, predictions, and more.

    ``robustness``, the ``export`` folder and the picture ``heat`` may be missing.
    """

    evaluate: Path
    teachers: Mapping[str, Path]
    predictions: Path
    robustness: Path
    export: Path
    heat: Path


@dataclass(frozen=True)
class RunFiles:
    """Where the files of a run lie, by seed; the folder of ``prepared`` images may be missing."""

    prepared: Path
    seeds: Mapping[int, SeedFiles]


@dataclass(frozen=True, eq=False)
class SeedFacts:
    """One seed's figures on the test part, by network, and each prediction; the rest where it is there.

    ``robustness`` has a row a corruption and strength with OA in percent, the first of clean images.
    ``file_bytes`` is the size of the exported ONNX file.
    """

    student: Row
    ensemble: Row
    teachers: Mapping[str, Row]
    predicted: Predictions
    robustness: list[dict[str, Any]]
    card: ModelCard | None
    file_bytes: int | None
    heat: Path | None


@dataclass(frozen=True, eq=False)
class Facts:
    """A run: its classes, its seeds, and its images where they are there."""

    classes: tuple[str, ...]
    seeds: Mapping[int, SeedFacts]
    images: Images | None

    @property
    def first(self) -> SeedFacts:
        """The first seed, of which pictures are shown."""
        return next(iter(self.seeds.values()))

    @property
    def card(self) -> ModelCard | None:
        """The card of the first seed's export, if there is one."""
        return self.first.card


def read(files: RunFiles) -> Facts:
    """Return what the files of a run say.

    Raises ErktError if a file that has to be there is missing, or any is not what the pipeline writes.
    """
    images = open_images(files.prepared) if files.prepared.is_dir() else None
    cards = {seed: _card(one.export) for seed, one in files.seeds.items()}
    known = images.classes if images else next((found.classes for found in cards.values() if found), None)
    classes = known or _named([one.predictions for one in files.seeds.values()])
    seeds = {seed: _seed(one, classes, cards[seed]) for seed, one in files.seeds.items()}
    return Facts(classes, seeds, images)


def _seed(files: SeedFiles, classes: tuple[str, ...], found: ModelCard | None) -> SeedFacts:
    rows = {row.get("network"): row for row in read_records(files.evaluate)}
    for name in ("student", "ensemble"):
        if name not in rows:
            raise ErktError(f"{files.evaluate}: it has no figures of the {name}; run dvc repro")
    onnx = files.export / card.ONNX
    return SeedFacts(
        student=rows["student"],
        ensemble=rows["ensemble"],
        teachers={name: read_records(path)[0] for name, path in files.teachers.items()},
        predicted=Predictions.load(files.predictions, classes),
        robustness=read_rows(files.robustness) if files.robustness.is_file() else [],
        card=found,
        file_bytes=onnx.stat().st_size if onnx.is_file() else None,
        heat=files.heat if files.heat.is_file() else None,
    )


def _card(export: Path) -> ModelCard | None:
    path = export / "timm" / card.FILE
    if not path.is_file():
        return None
    try:
        return card.from_json(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ErktError(f"{path}: not readable: {error}") from None


def _named(tables: list[Path]) -> tuple[str, ...]:
    """Return the classes that predictions name, for a run without its images and exports."""
    rows = [row for path in tables for row in read_table(path)]
    return tuple(
        sorted({str(row.get(column)) for row in rows for column in ("actual", "student", "ensemble")})
    )
