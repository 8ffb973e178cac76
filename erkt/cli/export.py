"""Write a network as ONNX, with its normalisation: images (B, 3, S, S) in [0, 1] to logits (B, C), for any B.

    python -m erkt export data/students/0 student.onnx

The file's metadata hold the classes in order and the side of the images.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from erkt.networks.models import load_folder
from erkt.networks.onnx_export import to_onnx


def arguments(parser: ArgumentParser) -> None:
    """Add the network and the file."""
    parser.add_argument("folder", type=Path, help="a student's or teacher's folder, such as data/students/0")
    parser.add_argument("file", type=Path, help="what to write")


def run(options: Namespace) -> int:
    """Export, and say what it is."""
    model = load_folder(options.folder, classes=None)
    to_onnx(model, options.file)
    card, size = model.card, options.file.stat().st_size / 1e6
    print(f"{options.file}: {card.arch}, {len(card.classes)} classes, {card.side} px, {size:.1f} MB")
    if card.licence is not None:
        origin = f" ({card.origin})" if card.origin else ""
        print(f"its initial weights: {card.source}{origin}, licence: {card.licence}")
    return 0
