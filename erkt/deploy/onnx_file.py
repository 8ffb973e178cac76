"""A student as one ONNX file: pixels in, logits and features out, with its card inside."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from erkt.data.pixels import to_unit
from erkt.deploy.card import KEY, ModelCard
from erkt.errors import ErktError
from erkt.files.replace import replace_whole
from erkt.networks.feature_maps import maps, pooled
from erkt.networks.models import Classifier

if TYPE_CHECKING:
    from onnx import GraphProto


def write(model: Classifier, card: ModelCard, path: Path, *, float_input: bool = False) -> None:
    """Write ``model`` to ``path``: ``images`` to float32 ``logits`` (B, C) and ``features`` (B, D).

    ``images`` are uint8 (B, side, side, 3), as decoders give them; with ``float_input`` they are float32 (B,
    3, side, side) in [0, 1]. Scaling, resizing to the network's own side and normalisation are inside.
    ``features`` are what the last layer sees. The card is the metadata's entry ``erkt``. The model is put
    into evaluation mode.

    Raises ErktError if a package that exporting needs is not installed, or torch cannot export the network.
    """
    if None in (find_spec("onnx"), find_spec("onnxscript")):
        raise ErktError("exporting needs onnx and onnxscript; run: pip install 'erkt[train]'")
    shape = (2, 3, card.side, card.side) if float_input else (2, card.side, card.side, 3)
    images = torch.zeros(shape, dtype=torch.float32 if float_input else torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its own
        try:
            program = torch.onnx.export(
                _Shipped(model, float_input).eval(),
                (images,),
                input_names=["images"],
                output_names=["logits", "features"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
        except RuntimeError as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise ErktError(f"torch cannot export {card.arch} as ONNX: {reason}") from None
    if program is None:
        raise ErktError(f"torch exported nothing of {card.arch}")
    import onnx

    made = program.model_proto
    _forget_where(made.graph)
    del made.metadata_props[:]
    onnx.helper.set_model_props(made, {KEY: card.to_json()})
    with replace_whole(path) as temporary:
        onnx.save(made, temporary)


def _forget_where(graph: "GraphProto") -> None:
    """Remove what torch notes of the code behind each node: paths, which differ between machines."""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


class _Shipped(nn.Module):
    """A classifier with the steps before it, and the features beside its logits."""

    def __init__(self, model: Classifier, float_input: bool) -> None:
        super().__init__()
        self.model, self.float_input = model, float_input

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if not self.float_input:
            images = to_unit(images.permute(0, 3, 1, 2))
        activations = maps(self.model, images)
        logits: Tensor = self.model.network.forward_head(activations)  # type: ignore[operator]
        return logits, pooled(self.model, activations)
