"""A network for other runtimes: ONNX, with the normalisation inside."""

import json
import warnings
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import torch

from erkt.errors import ErktError
from erkt.files.replace import replace_whole
from erkt.networks.models import Classifier


def to_onnx(model: Classifier, path: Path) -> None:
    """Write ``model`` to ``path``: ``images`` float32 (B, 3, S, S) in [0, 1] to ``logits`` (B, C), for any B.

    The card (classes in order, side, architecture) goes along as metadata ``card``, in JSON. The model is put
    into evaluation mode. Raises ErktError if the packages that exporting needs are not installed, or torch
    cannot export this architecture.
    """
    if None in (find_spec("onnx"), find_spec("onnxscript")):
        raise ErktError("exporting needs onnx and onnxscript; run: pip install '.[onnx]'")
    side = model.card.side
    images = torch.zeros(2, 3, side, side, device=model.mean.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its own
        try:
            program = torch.onnx.export(
                model.eval(),
                (images,),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
        except RuntimeError as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise ErktError(f"torch cannot export {model.card.arch} as ONNX: {reason}") from None
    if program is None:
        raise ErktError(f"torch exported nothing of {model.card.arch}")
    program.model.metadata_props["card"] = json.dumps(asdict(model.card), ensure_ascii=False)
    with replace_whole(path) as temporary:
        program.save(temporary)
