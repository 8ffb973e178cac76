"""One teacher's logits on one block of views, stored in float16 with a manifest."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from erkt.artifacts import MANIFEST
from erkt.batches import ViewBatches
from erkt.cache.manifest import Origin, probe
from erkt.errors import ErktError
from erkt.files import replace_whole, sha256_file, write_json
from erkt.models import Classifier

Order = Sequence[NDArray[np.int64]]


@torch.inference_mode()
def view_logits(teacher: Classifier, data: ViewBatches, number: int, order: Order) -> NDArray[np.float16]:
    """Return the teacher's logits (N, C) on view ``number``; ``order`` lists whole pairs, every sample once.

    Raises ErktError if a logit does not fit float16.
    """
    view = data.view(number)
    teacher.to(data.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # torch's stub
    logits = np.empty((len(data.subset), len(teacher.card.classes)), np.float16)
    for positions in order:
        images = data.batch(view, positions).images
        outputs = teacher(images.contiguous(memory_format=torch.channels_last)).half()
        if not torch.isfinite(outputs).all():
            raise ErktError(
                f"a logit of {teacher.card.arch} on view {number} does not fit float16; it has diverged"
            )
        logits[positions] = outputs.cpu().numpy()
    return logits


def write_block(
    folder: Path,
    teacher: Classifier,
    data: ViewBatches,
    views: Sequence[int],
    origin: Origin,
    on_view: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write ``logits.npy`` (views, N, C) and ``manifest.json`` to ``folder``; the manifest comes last.

    The batch in which the teacher runs is ``data.batch_size``; it changes logits by rounding only. A block is kept in
    memory until it is whole: 60 MB for 20 views of 31,500 images and 50 classes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    block = np.empty((len(views), len(data.subset), len(teacher.card.classes)), np.float16)
    for place, number in enumerate(views):
        block[place] = view_logits(teacher, data, number, data.in_order(number))
        on_view(place + 1, len(views))
    with replace_whole(folder / "logits.npy") as temporary:
        np.save(temporary, block, allow_pickle=False)
    manifest = {
        "origin": asdict(origin),
        "views": list(views),
        "shape": list(block.shape),
        "sha256": sha256_file(folder / "logits.npy"),
        "probe": probe(data, views[0]),
        "versions": {"torch": torch.__version__, "device": data.device.type},
    }
    write_json(folder / MANIFEST, manifest)
