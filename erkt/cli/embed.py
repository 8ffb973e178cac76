"""Write what the last layer of a model sees of images: features for search, clustering or another classifier.

    erkt embed student.onnx scenes/ --out features.parquet

Otherwise as erkt predict: any images, any number, and the same command goes on where it was stopped.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from erkt.deploy import asking
from erkt.deploy.rows import FeatureRows


def arguments(parser: ArgumentParser) -> None:
    """Add the model, the images, and where features go."""
    asking.arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="a .parquet, .csv or .jsonl file to write")


def run(options: Namespace) -> int:
    """Write the features; 0 if every image was read."""
    predictor, inputs = asking.opened(options)
    return asking.fill(options, inputs, predictor, FeatureRows(predictor), label="embed")
