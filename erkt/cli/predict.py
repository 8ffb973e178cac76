"""Classify images with an exported model: no repository, no torch.

    erkt predict student.onnx scenes/ --out predictions.parquet

Each image is a row with its path, the most probable classes with their probabilities (calibrated where the
model's card has a temperature), the entropy in nats, whether the model is unsure, and the error of a file
that is no image. Without --out, a line for each image is printed. Long work may be stopped at any time: the
same command goes on. Status 3 says that some images could not be read, 1 that nothing came of it.
"""

import sys
from argparse import ArgumentParser, Namespace
from itertools import islice
from pathlib import Path

import numpy as np

from erkt.deploy import asking
from erkt.deploy.inputs import Inputs
from erkt.deploy.predictor import Predictor
from erkt.deploy.rows import PredictionRows, shown
from erkt.errors import ErktError


def arguments(parser: ArgumentParser) -> None:
    """Add the model, the images, and what is wanted of them."""
    asking.arguments(parser)
    parser.add_argument("--out", type=Path, help="a .parquet, .csv or .jsonl file to write")
    parser.add_argument("--top", type=int, default=3, help="classes of each image; default: 3")


def run(options: Namespace) -> int:
    """Predict; 0 if every image was read."""
    if options.top < 1:
        raise ErktError(f"--top {options.top}: expected 1 or more")
    predictor, inputs = asking.opened(options)
    if options.out is None:
        return _print(predictor, options, inputs)
    rows = PredictionRows(predictor, options.top)
    return asking.fill(options, inputs, predictor, rows, label="predict")


def _print(predictor: Predictor, options: Namespace, inputs: Inputs) -> int:
    """Print a line for each image, as it is known."""
    unreadable = 0
    found = asking.images(inputs, predictor, options)
    while batch := list(islice(found, 16)):
        pixels = [image.pixels for image in batch if image.pixels is not None]
        predictions = iter(predictor.of_pixels(np.stack(pixels)) if pixels else ())
        for image in batch:
            if image.pixels is None:
                unreadable += 1
                print(f"{shown(image.name)}: error: {image.error}", file=sys.stderr)
                continue
            prediction = next(predictions)
            best = ", ".join(f"{name} {share:.1%}" for name, share in prediction.top(options.top))
            print(f"{shown(image.name)}: {best}{' (unsure)' if prediction.unsure else ''}")
    return asking.SOME_UNREADABLE if unreadable else 0
