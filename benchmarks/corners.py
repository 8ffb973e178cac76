"""Whether a network takes whole images for what turned ones are, whose corners are black.

    python -m benchmarks.corners data/students/100 data/splits/100/val.txt corners.csv

Writes for each class of the list the recall in percent on whole images, and on the same ones turned by 3 and
by 45 degrees. Turned by 3 degrees a scene is the same but for a few black pixels in its corners.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from erkt.data.images import open_parts
from erkt.files.csv_file import write_csv
from erkt.networks import models
from erkt.networks.inference import image_batches, outputs

_ANGLES = (0, 3, 45)
_BATCH = 60


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("student", type=Path)
    parser.add_argument(
        "images", type=Path, help="a list of the split; the prepared images lie at --prepared"
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"))
    options = parser.parse_args()
    (part,) = open_parts(options.prepared, options.images)
    model = models.load_folder(options.student, part.classes).eval()
    hits = {}
    for angle in _ANGLES:
        turn = partial(tv.rotate, angle=float(angle), interpolation=InterpolationMode.BILINEAR)
        batches = image_batches(part, _BATCH, torch.device("cpu"), turn)
        hits[angle] = np.concatenate(list(outputs(model, batches))).argmax(axis=1) == part.labels
    rows = []
    for place, name in enumerate([*part.classes, "all"]):
        own = part.labels == place if name != "all" else np.ones(len(part), dtype=bool)
        recall = {f"turned_{angle}": round(100 * float(hits[angle][own].mean()), 2) for angle in _ANGLES}
        rows.append({"class": name, "images": int(own.sum()), "whole": recall.pop("turned_0"), **recall})
        print(rows[-1])
    write_csv(options.out, rows)


if __name__ == "__main__":
    main()
