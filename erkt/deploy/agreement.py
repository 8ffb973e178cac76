"""Whether an export says what the network in the pipeline says, from the same files."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from erkt.data.pixels import to_unit
from erkt.data.prepare import decode
from erkt.errors import ErktError
from erkt.networks.models import Classifier
from erkt.params.prepare import Prepare

TOLERANCE = 1e-4
"""The largest difference of a logit that rounding in float32 may make, for logits of up to ``USUAL``."""
USUAL = 10.0


def jpegs(images: NDArray[np.uint8], *, square: bool = False) -> list[bytes]:
    """Return JPEG files of images (N, 3, side, side), enlarged and not square, as foreign ones are."""
    return [_jpeg(image, square) for image in images]


def check(
    model: Classifier,
    settings: Prepare,
    files: Sequence[bytes],
    exported: Callable[[Sequence[bytes]], NDArray[np.float32]],
    what: str,
) -> float:
    """Return the largest difference of a logit between ``model`` and an export, on the CPU.

    The network is given what the pipeline makes of ``files``; ``exported`` maps the files themselves to
    logits (N, C), by its own way of reading them. Raises ErktError naming ``what`` if it exceeds
    ``TOLERANCE``, which grows with the largest logit above ``USUAL``.
    """
    pixels = torch.from_numpy(np.stack([decode(file, settings).pixels for file in files]))
    with torch.inference_mode():
        expected = model.eval()(to_unit(pixels)).numpy()
    difference = float(np.abs(expected - exported(files)).max())
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()) / USUAL)
    if not difference <= allowed:  # NaN as well
        raise ErktError(
            f"{what}: its logits differ from the network's by {difference:.1e}, more than {allowed:.1e}; "
            "it is not kept"
        )
    return difference


def _jpeg(image: NDArray[np.uint8], square: bool) -> bytes:
    file, side = io.BytesIO(), image.shape[-1]
    enlarged = Image.fromarray(image.transpose(1, 2, 0)).resize(
        (side * 2, side * 2 if square else side * 3 // 2)
    )
    enlarged.save(file, "JPEG", quality=90)
    return file.getvalue()
