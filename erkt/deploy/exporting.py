"""A student in every form in which it leaves, each compared with the network before it is kept."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erkt.deploy import agreement, onnx_file, timm_folder
from erkt.deploy.card import ONNX, ModelCard
from erkt.deploy.describe import Described
from erkt.deploy.onnx_model import OnnxModel
from erkt.deploy.pixels import from_bytes
from erkt.files.replace import replace_folder, replace_whole

TIMM = "timm"
"""The name of the folder for timm in the folder that the pipeline exports to."""

_COMPARED = 8


def to_onnx(described: Described, path: Path, *, float_input: bool = False) -> float:
    """Write the student to ``path``; return the largest difference of a logit from the network's.

    Raises ErktError if it is larger than rounding makes, and as ``onnx_file.write`` does; then nothing is at
    ``path`` that was not there before.
    """
    model, card = described.model, described.card
    files = agreement.jpegs(_compared(described))

    with replace_whole(path) as temporary:
        onnx_file.write(model, card, temporary, float_input=float_input)
        written = OnnxModel(temporary, threads=1)

        def logits(data: Sequence[bytes]) -> NDArray[np.float32]:
            return written.logits(np.stack([from_bytes(file, card.preparation) for file in data]))

        return agreement.check(model, card.preparation, files, logits, str(path))


def to_timm(described: Described, path: Path) -> float:
    """Write the student to the folder ``path`` for timm; otherwise as ``to_onnx``.

    Images are square where the pipeline crops: timm resizes first, which no other image shows alike.
    """
    model, card = described.model, described.card
    files = agreement.jpegs(_compared(described), square=card.non_square == "center_crop")
    with replace_folder(path) as temporary:
        timm_folder.write(model, card, temporary)
        return agreement.check(
            model, card.preparation, files, lambda data: timm_folder.logits_of(temporary, data), str(path)
        )


def _compared(described: Described) -> NDArray[np.uint8]:
    """Return a few images (N, 3, side, side): of the validation part, of the training part, or made up."""
    for part in (described.val, described.train):
        if part is not None and len(part):
            return part.pixels(range(min(_COMPARED, len(part))))
    shape = (_COMPARED, 3, described.card.side, described.card.side)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def to_folder(described: Described, path: Path, warn: Callable[[str], None]) -> dict[str, float]:
    """Write the student as ``model.onnx`` and as ``timm`` into the folder ``path``, whole or not at all.

    Returns the largest difference of a logit by form. ``warn`` is told why there is none for timm, where its
    transform cannot read files as the pipeline does. Raises ErktError as ``to_onnx`` and ``to_timm`` do.
    """
    with replace_folder(path) as folder:
        differences = {ONNX: to_onnx(described, folder / ONNX)}
        reason = timm_folder.refusal(described.card)
        if reason is None:
            differences[TIMM] = to_timm(described, folder / TIMM)
        else:
            warn(f"no folder for timm: {reason}")
    return differences


def calibration_line(card: ModelCard) -> str:
    """Return in words how far the probabilities of ``card`` can be believed."""
    found = card.calibration
    if found is None:
        return "no validation part, so probabilities are not calibrated and nothing is called unsure"
    line = (
        f"temperature {found.temperature:.3f}, ECE {found.ece_before:.1f} to {found.ece_after:.1f} % on "
        f"{found.images} {found.part} images"
    )
    if found.threshold is None:
        return f"{line}; no threshold reaches {found.aim:g} % there, so nothing is called unsure"
    return (
        f"{line}; unsure below {found.threshold:.3f}: {found.coverage:.1f} % are sure, of which "
        f"{found.accuracy:.1f} % are right"
    )
