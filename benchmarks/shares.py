"""Where the time of rendering views goes, operation by operation.

    python -m benchmarks.shares

Writes metrics/shares-cpu.json: by side in pixels, the share of each operation of Table 1 in a batch's
rendering, with one thread; ``rest`` is the conversion from bytes, and the choice of the samples on which an
operation fires.
"""

import cProfile
import pstats

import numpy as np
import torch

from benchmarks import paper
from erkt.files.json_file import write_json
from erkt.pipeline import paths

SIDES = (64, 128, 256)
_OPERATIONS = ("jitter", "rotate_and_flip", "grayscale", "autocontrast", "erase", "resized_crop", "cutmix")
_VIEWS, _WHOLE = 60, "render"


def main() -> None:
    """Profile and write."""
    torch.set_num_threads(1)
    found = {str(side): _shares(side) for side in SIDES}
    path = paths.METRICS / "shares-cpu.json"
    write_json(path, found)
    print(path.read_text(encoding="utf-8"))


def _shares(side: int) -> dict[str, float]:
    subset = paper.images(paper.BATCH, side)
    data, pixels = (
        paper.data(subset, torch.device("cpu")),
        torch.from_numpy(subset.pixels(range(len(subset)))),
    )
    order = data.in_order(0)[0]
    ordered, views = pixels[torch.from_numpy(order)], [data.view(number) for number in range(_VIEWS)]
    with cProfile.Profile() as profile:
        for view in views:
            view.render(ordered, order)
    seconds = dict.fromkeys((*_OPERATIONS, _WHOLE), 0.0)
    for (file, _, name), (_, _, _, cumulative, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if name in seconds and "erkt" in file:
            seconds[name] += cumulative
    shares = {name: round(seconds[name] / seconds[_WHOLE], 3) for name in _OPERATIONS}
    return shares | {"rest": round(1 - float(np.sum(list(shares.values()))), 3)}


if __name__ == "__main__":
    main()
