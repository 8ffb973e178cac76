"""Register an exported student in MLflow, and make it the champion if it beats the one that is.

    erkt register data/exports/0

It needs the run of the student: the file is asked about every test image of its seed, as metrics/predictions
names them. The alias champion moves if there is none yet, or if the interval of the difference in overall
accuracy, paired by image, lies above 0. Both must have been tested on the same list. --force NAME moves it
whatever was compared, and keeps the name. The store is MLFLOW_TRACKING_URI, or mlflow.db here.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erkt.data.images import Subset, open_images
from erkt.deploy.card import ModelCard
from erkt.deploy.contest import LEVEL, Answers
from erkt.deploy.onnx_model import OnnxModel
from erkt.deploy.opening import file_of
from erkt.deploy.registry import ALIAS, Candidate, Outcome, Registry
from erkt.errors import ErktError
from erkt.evaluation.predictions import Predictions
from erkt.files.digests import sha256_file
from erkt.pipeline import paths
from erkt.pipeline.params_file import read_params
from erkt.tracking import mlflow_store

_BATCH = 64


def arguments(parser: ArgumentParser) -> None:
    """Add the model, its name in the registry, and who decides."""
    parser.add_argument("model", type=Path, help="an exported ONNX file, or a folder such as data/exports/0")
    parser.add_argument("--name", help="the registered model; default: erkt- and the dataset's name")
    parser.add_argument(
        "--force", metavar="NAME", help="who makes it the champion, whatever was compared; kept as a tag"
    )


def run(options: Namespace) -> int:
    """Test the file, register it, and say what came of it."""
    if options.force is not None and not options.force.strip():
        raise ErktError("--force: expected the name of who decides")
    params = read_params(paths.PARAMS)
    candidate = _candidate(file_of(options.model))
    name = options.name or f"erkt-{params['dataset']['name']}"
    if not name.strip() or set("/:'") & set(name):
        raise ErktError(f"--name {name}: expected a name without / : and '")
    uri = mlflow_store.address(Path.cwd(), os.environ)
    try:
        outcome = Registry(uri, params["tracking"]["experiment"]).register(name, candidate, options.force)
    except ErktError as error:
        raise ErktError(mlflow_store.told(error)) from None
    # As in erkt.tracking.mirror: dozens of types of MLflow, SQLAlchemy, requests and the disk, whose
    # traceback helps nobody.
    except Exception as error:
        raise ErktError(f"{mlflow_store.masked(uri)}: {mlflow_store.told(error)}") from error
    print("\n".join(_lines(name, candidate, outcome, options.force)))
    return 0


def _candidate(path: Path) -> Candidate:
    """Return the file at ``path`` with its answers on the test list of its run.

    Raises ErktError if it is no ONNX file, or of another run than this repository's.
    """
    if path.suffix != ".onnx":
        raise ErktError(f"{path}: MLflow is given ONNX; make it with: erkt export")
    model = OnnxModel(path)
    training = model.card.training
    if training is None:
        raise ErktError(f"{path}: nothing says what it was trained on; export it in its run")
    images = open_images(paths.PREPARED)
    listed = sha256_file(paths.split_list(training.seed, "train"))
    if (training.pixels_sha256, training.list_sha256) != (images.sha256, listed):
        raise ErktError(f"{path}: was trained on other images than this run has; register it in its own run")
    named = Predictions.load(paths.predictions(training.seed), images.classes).listed()
    return _asked(path, model.card, model, images.subset(named))


def _asked(path: Path, card: ModelCard, model: OnnxModel, test: Subset) -> Candidate:
    places = range(0, len(test), _BATCH)
    pixels = (test.pixels(range(start, min(start + _BATCH, len(test)))) for start in places)
    said = np.concatenate([model.logits(_last(batch)).argmax(axis=1) for batch in pixels])
    rows = zip(test.keys, test.labels.tolist(), said.tolist(), strict=True)
    answers = Answers(tuple((key, test.classes[label], card.classes[choice]) for key, label, choice in rows))
    return Candidate(path, card, _last(test.pixels([0])), answers)


def _last(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (B, side, side, 3) of (B, 3, side, side)."""
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def _lines(name: str, candidate: Candidate, outcome: Outcome, forced_by: str | None) -> list[str]:
    known = "" if outcome.new else ", registered before"
    images = len(candidate.answers.rows)
    version = f"version {outcome.version}"
    lines = [f"{name}: {version}{known}, OA {candidate.answers.oa:.2f} % on {images} test images"]
    found = outcome.contest
    if found is not None:
        bounds = f"{found.difference:+.2f} points [{found.low:+.2f}, {found.high:+.2f}] at {LEVEL:g} %"
        counts = f"{found.better} images better, {found.worse} worse"
        lines.append(f"against version {outcome.former}: {bounds}; {counts}")
    if not outcome.moved:
        reason = "it is this one" if outcome.former == outcome.version else "the interval is not above 0"
        return [*lines, f"{ALIAS}: version {outcome.former} stays, {reason}"]
    if outcome.former is None:
        reason = "the first"
    else:
        reason = f"by {forced_by}" if forced_by else f"it beats version {outcome.former}"
    return [*lines, f"{ALIAS}: {version}, {reason}"]
