"""Models without a network, made in no time: the mean colours of a window are its logits."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from erkt.deploy.card import FORMAT, KEY, Calibration, ModelCard, Weights

COLOURS = ("red", "green", "blue")
SCALE = 0.05


def card(side: int, classes: tuple[str, ...] = COLOURS, calibration: Calibration | None = None) -> ModelCard:
    """Return a card of a model that nothing was trained for."""
    return ModelCard(
        format=FORMAT,
        arch="made",
        options={},
        parameters=0,
        precision="fp32",
        classes=classes,
        side=side,
        filter="bicubic",
        non_square="center_crop",
        network_side=None,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        weights=Weights("made", "random", None, None),
        teachers={},
        shares={},
        training=None,
        calibration=calibration,
        results={},
        commit=None,
        inputs=None,
    )


class Brightness:
    """The same in Python, which counts what it is asked."""

    def __init__(self, card: ModelCard) -> None:
        self.card, self.asked = card, 0

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.asked += len(pixels)
        return (pixels.mean(axis=(1, 2)) * SCALE).astype(np.float32)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.logits(pixels)


def write_onnx(path: Path, card: ModelCard) -> Path:
    """Write it as ``erkt export`` writes models: uint8 (B, side, side, 3) in, logits out, with its card."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["features"], keepdims=0),
        helper.make_node("Mul", ["features", "scale"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("scale", TensorProto.FLOAT, [], [SCALE]),
    ]
    shape = ["B", card.side, card.side, 3]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, shape)
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 3]) for name in ("logits", "features")
    ]
    graph = helper.make_graph(nodes, "made", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {KEY: card.to_json()})
    onnx.save(model, path)
    return path
