"""A student in 8-bit integers: a quarter of the size, where its predictions stay those of the network.

Ranges of activations are taken from training images. Which way of taking them is chosen on the validation
part, or on other training images, never on test images; whether the result is kept is decided on the test
part by a rule that chooses nothing. Integers are for size: whether they are faster depends on the processor.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from erkt.data.images import Subset
from erkt.deploy.calibration import calibrate
from erkt.deploy.card import KEY, ModelCard
from erkt.deploy.onnx_model import OnnxModel
from erkt.deploy.predictor import Model
from erkt.errors import ErktError
from erkt.evaluation.paired import bootstrap
from erkt.evaluation.timing import in_turns
from erkt.files.replace import replace_whole

AGREEMENT = 98.0
"""Percent of the test images on which int8 and fp32 have to say the same."""

WAYS: Mapping[str, tuple[CalibrationMethod, float | None]] = {
    "min-max": (CalibrationMethod.MinMax, None),
    "percentile 99.99": (CalibrationMethod.Percentile, 99.99),
    "percentile 99.9": (CalibrationMethod.Percentile, 99.9),
}
"""Ways to take the range of an activation: all of it, or without its tails, as squeeze-and-excite needs."""

_RANGES = 300
_BATCH = 10
_HELD_PIXELS = 100 * 96 * 96  # of all images whose activations a percentile holds at once


@dataclass(frozen=True)
class Comparison:
    """Int8 beside fp32 on the test part: agreement and OA in percent, and the bounds of OA's difference.

    ``low`` and ``high`` are those of OA of int8 minus OA of fp32, in points, at 95 % over the test images.
    """

    way: str
    images: int
    agreement: float
    difference: float
    low: float
    high: float

    @property
    def accepted(self) -> bool:
        """Whether the agreement reaches ``AGREEMENT``."""
        return self.agreement >= AGREEMENT


def replace_where_equal(path: Path, train: Subset, val: Subset, test: Subset) -> list[str]:
    """Put 8-bit integers in the place of the ONNX file ``path``, if they are accepted; return lines to show.

    Raises ErktError as ``quantize`` does; ``path`` is then as it was.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        way = quantize(path, made, train, val)
        models = {"int8": OnnxModel(made), "fp32": OnnxModel(path)}
        found = compare(models["fp32"], models["int8"], test, way)
        sizes = {"int8": made.stat().st_size / 1e6, "fp32": path.stat().st_size / 1e6}
        bounds = f"{found.difference:+.2f} points [{found.low:+.2f}, {found.high:+.2f}]"
        agrees = f"int8 ({found.way}) agrees with fp32 on {found.agreement:.2f} %"
        lines = [f"{agrees} of {found.images} test images; OA {bounds}"]
        lines.append(f"size: int8 {sizes['int8']:.2f} MB, fp32 {sizes['fp32']:.2f} MB")
        for batch in (1, 64):
            spent = milliseconds(models, batch)
            lines.append(f"batch {batch}: int8 {spent['int8']:.2f} ms, fp32 {spent['fp32']:.2f} ms")
        if not found.accepted:
            return [*lines, f"int8 is refused, less than {AGREEMENT:g} % agree; {path} is fp32"]
        with replace_whole(path) as temporary:
            temporary.write_bytes(made.read_bytes())
    return [*lines, f"{path} is int8"]


def quantize(source: Path, path: Path, train: Subset, val: Subset) -> str:
    """Write the ONNX file ``source``, with uint8 input, in 8-bit integers to ``path``; return the way chosen.

    The card goes along, calibrated anew on ``val`` if that has images. The way of ``WAYS`` is chosen that
    agrees most often with ``source`` on ``val``, or else on training images whose activations were not looked
    at; of equals the one whose logits are nearest. Raises ErktError if there are too few images for that.
    """
    ranges, others = _apart(train)
    judges = val.pixels(range(len(val))) if len(val) else others
    if not len(judges):
        raise ErktError("int8 needs images to choose by: a validation part, or more training images")
    judges = np.ascontiguousarray(judges.transpose(0, 2, 3, 1))
    exact = OnnxModel(source)
    expected = _logits(exact, judges)
    with tempfile.TemporaryDirectory() as folder:
        scores = {}
        for name in WAYS:
            made = Path(folder) / f"{name}.onnx"
            _quantized(source, made, ranges, name, exact.card)
            found = _logits(OnnxModel(made), judges)
            same = float(np.mean(found.argmax(axis=1) == expected.argmax(axis=1)))
            scores[name] = (same, -float(np.abs(found - expected).mean()))
        best = max(scores, key=lambda name: scores[name])
        card = replace(exact.card, precision="int8", results={})  # those are of fp32
        if len(val) and card.calibration is not None:
            found = _logits(OnnxModel(Path(folder) / f"{best}.onnx"), judges)
            former = card.calibration
            again = calibrate(found, val.labels, part=former.part, aim=former.aim)
            card = replace(card, calibration=again)
        model = onnx.load(Path(folder) / f"{best}.onnx")
        _put_card(model, card)
        with replace_whole(path) as temporary:
            onnx.save(model, temporary)
    return best


def compare(exact: OnnxModel, quantized: OnnxModel, test: Subset, way: str) -> Comparison:
    """Return how both say of the test images; ErktError if there are none."""
    if not len(test):
        raise ErktError("int8 is judged on the test part, which has no images")
    pixels = np.ascontiguousarray(test.pixels(range(len(test))).transpose(0, 2, 3, 1))
    one, other = (_logits(model, pixels).argmax(axis=1) for model in (exact, quantized))
    hits = {0: other == test.labels}, {0: one == test.labels}
    low, high = bootstrap(*hits, np.random.default_rng(0))
    difference = 100 * (float(hits[0][0].mean()) - float(hits[1][0].mean()))
    return Comparison(way, len(test), 100 * float(np.mean(one == other)), difference, low, high)


def milliseconds(models: Mapping[str, Model], batch: int, rounds: int = 15) -> dict[str, float]:
    """Return the median milliseconds of each model for ``batch`` images, measured in turns."""
    side = next(iter(models.values())).card.side
    pixels = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    calls = {name: lambda model=model: model.logits(pixels) for name, model in models.items()}
    return {name: 1000 * float(np.median(found)) for name, found in in_turns(calls, rounds).items()}


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """Hands pixels to onnxruntime's calibration, a few at a time."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._batches = iter(_in_batches(pixels))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next input, or None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def _quantized(source: Path, path: Path, ranges: NDArray[np.uint8], way: str, card: ModelCard) -> None:
    method, percentile = WAYS[way]
    options: dict[str, Any] = {}
    if percentile is not None:
        options = {"CalibPercentile": percentile}
        ranges = ranges[: max(_BATCH, _HELD_PIXELS // card.side**2)]
    if len(ranges) > _BATCH:
        ranges = ranges[: len(ranges) // _BATCH * _BATCH]  # histograms take batches of one size alone
    prepared = path.with_suffix(".prepared.onnx")
    with _quiet():
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            path,
            _Reader(ranges),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=method,
            extra_options=options,
        )
    model = onnx.load(path)
    _put_card(model, card)
    onnx.save(model, path)


def _put_card(model: onnx.ModelProto, card: ModelCard) -> None:
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: card.to_json()})


def _apart(train: Subset) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return training images (N, side, side, 3) for ranges, and others (N, 3, side, side) to judge by."""
    order = np.random.default_rng(0).permutation(len(train))
    count = min(_RANGES, len(train) - len(train) // 4)
    first, rest = order[:count], order[count : count + _RANGES]
    return np.ascontiguousarray(train.pixels(first).transpose(0, 2, 3, 1)), train.pixels(rest)


def _logits(model: OnnxModel, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([model.logits(batch) for batch in _in_batches(pixels)])


def _in_batches(pixels: NDArray[np.uint8]) -> Sequence[NDArray[np.uint8]]:
    return [pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep onnxruntime's advice about its own steps to itself."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
