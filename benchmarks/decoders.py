"""What ``erkt predict --decoder reduced`` gains and costs, on rendered scenes of 512 pixels as JPEG files.

    python -m benchmarks.decoders [data/students/0]

Asks the demo's student about scenes that no part of its data set holds, and writes ``metrics/decoders.json``:
OA with either decoder, the bounds of the difference at 95 % over the images, how many answers agree, and how
many times as many images a second one thread reads.
"""

import argparse
import io
from pathlib import Path
from statistics import median
from typing import get_args

import numpy as np
from PIL import Image

import erkt
from erkt.deploy.pixels import Decoder, from_bytes
from erkt.evaluation.paired import bootstrap
from erkt.evaluation.timing import in_turns
from erkt.files.json_file import write_json
from erkt.pipeline import paths
from erkt.scenes import CLASSES, render

_FOUND = paths.METRICS / "decoders.json"
_SIDE, _QUALITY = 512, 90
_EACH = 50
_FIRST = 100_000  # the demo's own scenes have numbers from 0
_TIMED = 50


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("student", type=Path, nargs="?", default=paths.student(0))
    model = erkt.load(parser.parse_args().student)
    labels = np.repeat([model.classes.index(scene) for scene in CLASSES], _EACH)
    files = [_jpeg(scene, _FIRST + number) for scene in CLASSES for number in range(_EACH)]
    settings = model.card.preparation
    hits, answers = {}, {}
    for decoder in get_args(Decoder):
        pixels = np.stack([from_bytes(file, settings, decoder) for file in files])
        answers[decoder] = [found.class_name for found in model.of_pixels(pixels)]
        hits[decoder] = np.array([model.classes.index(name) for name in answers[decoder]]) == labels
    calls = {
        decoder: lambda decoder=decoder: [from_bytes(file, settings, decoder) for file in files[:_TIMED]]
        for decoder in get_args(Decoder)
    }
    spent = {decoder: median(seconds) for decoder, seconds in in_turns(calls, rounds=9).items()}
    low, high = bootstrap({0: hits["reduced"]}, {0: hits["exact"]}, np.random.default_rng(0))
    found = {
        "images": len(files),
        "side_of_files": _SIDE,
        "side_of_model": settings.side,
        "oa": {decoder: round(100 * float(hits[decoder].mean()), 2) for decoder in hits},
        "difference": [round(low, 2), round(high, 2)],
        "agree_percent": round(
            100 * float(np.mean([a == b for a, b in zip(*answers.values(), strict=True)])), 2
        ),
        "times_as_fast": round(spent["exact"] / spent["reduced"], 2),
    }
    write_json(_FOUND, found)
    print(found)


def _jpeg(scene: str, number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(render(scene, 0, number, _SIDE)).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


if __name__ == "__main__":
    main()
