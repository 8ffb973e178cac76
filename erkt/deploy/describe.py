"""The card of a student, from the files of the run that made it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from erkt.data.images import Part, open_parts
from erkt.data.lists import read_unlabelled
from erkt.deploy.calibration import calibrate
from erkt.deploy.card import FORMAT, Calibration, ModelCard, Training, Weights
from erkt.errors import ErktError
from erkt.files.artifacts import WEIGHTS
from erkt.files.json_file import read_json, read_records
from erkt.networks.inference import predict
from erkt.networks.models import Card, Classifier, load_folder, read_card
from erkt.params.prepare import Prepare, from_record

VALIDATION = "validation"
_RESULTS = ("oa", "aa", "kappa", "ece", "nll")


@dataclass(frozen=True)
class Run:
    """Where a run's files lie, and what is known of it beside them.

    ``network`` is a student's or a teacher's folder. Files of ``ensemble`` and ``metrics`` may be missing,
    and these places be None.
    """

    network: Path
    prepared: Path
    train: Path
    val: Path
    unlabelled: Path
    ensemble: Path | None
    teachers: Path
    metrics: Path | None
    dataset: str
    seed: int
    commit: str | None
    inputs: str | None


@dataclass(frozen=True, eq=False)
class Described:
    """A network with its card, and the parts of the images that it may be tuned on, where they are known."""

    model: Classifier
    card: ModelCard
    train: Part | None
    val: Part | None


def describe(run: Run, *, aim: float, batch_size: int, device: torch.device) -> Described:
    """Return the student of ``run``, calibrated on the validation part, if there is one.

    ``aim`` is the accuracy in percent that predictions which are not unsure shall have. Raises ErktError if a
    file is missing or damaged, or belongs to other classes.
    """
    train, val = open_parts(run.prepared, run.train, run.val)
    model = load_folder(run.network, train.classes)
    settings = from_record(read_json(run.prepared / "manifest.json")["settings"], f"{run.prepared}: settings")
    calibration = None
    if len(val):
        logits = predict(model, val, batch_size, device)
        calibration = calibrate(logits, val.labels, part=VALIDATION, aim=aim)
    model.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's own stub
    card = card_of(model, settings, calibration=calibration)
    shares = read_json(run.ensemble)["weights"] if run.ensemble and run.ensemble.is_file() else {}
    found = vars(card) | {
        "training": Training(
            dataset=run.dataset,
            images=len(train),
            unlabelled=len(read_unlabelled(run.unlabelled)),
            pixels_sha256=train.array_sha256,
            list_sha256=train.list_sha256,
            seed=run.seed,
        ),
        "teachers": {name: _weights_in(run.teachers / name / WEIGHTS) for name in shares},
        "shares": {name: float(share) for name, share in shares.items()},
        "results": _results(run.metrics),
        "commit": run.commit,
        "inputs": run.inputs,
    }
    return Described(model, ModelCard(**found), train, val)


def alone(folder: Path, settings: Callable[[int], Prepare]) -> Described:
    """Return the network in ``folder`` without its run: not calibrated, of unknown training.

    ``settings`` maps its side to how images are read. Raises ErktError as ``load_folder`` does.
    """
    model = load_folder(folder, classes=None)
    return Described(model, card_of(model, settings(model.card.side)), None, None)


def card_of(model: Classifier, settings: Prepare, *, calibration: Calibration | None = None) -> ModelCard:
    """Return what is known of ``model`` alone, for images that are read by ``settings``.

    Raises ErktError if these have another side than the images that it was trained on.
    """
    card = model.card
    if settings.side != card.side:
        raise ErktError(
            f"images are prepared at {settings.side} pixels, the network was trained at {card.side}"
        )
    return ModelCard(
        format=FORMAT,
        arch=card.arch,
        options=dict(card.options),
        parameters=model.parameters_count,
        precision="fp32",
        classes=card.classes,
        side=card.side,
        filter=settings.filter,
        non_square=settings.non_square,
        bands=settings.bands,
        stretch=settings.stretch,
        network_side=card.network_side,
        mean=card.mean,
        std=card.std,
        weights=_weights(card),
        teachers={},
        shares={},
        training=None,
        calibration=calibration,
        results={},
        commit=None,
        inputs=None,
    )


def _weights(card: Card) -> Weights:
    return Weights(card.arch, card.source, card.licence, card.origin)


def _weights_in(path: Path) -> Weights:
    """Return where the initial weights of the network at ``path`` are from, without loading it."""
    try:
        with safe_open(path, framework="numpy") as file:
            card = read_card((file.metadata() or {})["card"], path)
    except (OSError, SafetensorError, KeyError) as error:
        raise ErktError(
            f"{path}: cannot be read as weights ({error}); rerun the stage that makes it"
        ) from None
    return _weights(card)


def _results(metrics: Path | None) -> dict[str, float]:
    """Return the student's figures on the test part, if it has been evaluated."""
    if metrics is None or not metrics.is_file():
        return {}
    rows: list[Mapping[str, Any]] = [row for row in read_records(metrics) if row.get("network") == "student"]
    return {name: float(row[name]) for row in rows for name in _RESULTS if name in row}
