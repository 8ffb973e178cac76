"""A student as a folder that timm and Hugging Face's tools load without this project.

``timm.create_model("local-dir:/path", pretrained=True)`` loads it; without ``pretrained=True`` timm returns
random weights and says nothing. The image's way into the network is told in timm's terms, so that its own
transform reads files as the pipeline does.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform

from erkt.deploy.card import FILE, SAFETENSORS, ModelCard
from erkt.deploy.model_card import model_card
from erkt.errors import ErktError
from erkt.files.json_file import write_json
from erkt.files.replace import write_text
from erkt.networks.models import Classifier
from erkt.params.schema import as_dict


def refusal(card: ModelCard) -> str | None:
    """Return why timm's transform cannot read files as the pipeline does; None if it can."""
    if card.network_side not in (None, card.side):
        return f"timm resizes once, these images are resized to {card.side} and to {card.network_side} pixels"
    if card.bands is not None or card.stretch is not None:
        return "timm reads pictures, these images are read by prepare.bands and prepare.stretch"
    return None


def write(model: Classifier, card: ModelCard, folder: Path) -> None:
    """Write weights, ``config.json``, the card and a model card (``README.md``) into an existing ``folder``.

    Raises ErktError where ``refusal`` has a reason.
    """
    reason = refusal(card)
    if reason:
        raise ErktError(f"{folder}: not written: {reason}; export ONNX")
    tensors = {name: tensor.contiguous().cpu() for name, tensor in model.network.state_dict().items()}
    save_file(tensors, folder / SAFETENSORS, metadata={"format": "pt"})
    write_json(folder / "config.json", _config(model, card))
    write_json(folder / FILE, as_dict(card))
    write_text(folder / "README.md", model_card(card))


def logits_of(folder: Path, files: Sequence[bytes]) -> NDArray[np.float32]:
    """Return the logits (N, C) of image files by timm alone, as somebody without this project gets them."""
    network = timm.create_model(f"local-dir:{folder.resolve()}", pretrained=True).eval()
    config: dict[str, Any] = resolve_data_config(model=network)  # type: ignore[no-untyped-call]  # timm's
    transform: Any = create_transform(**config, is_training=False)
    images = [transform(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    with torch.inference_mode():
        return np.asarray(network(torch.stack(images)).numpy())


def _config(model: Classifier, card: ModelCard) -> dict[str, Any]:
    known: dict[str, Any] = model.network.pretrained_cfg  # type: ignore[assignment]  # timm's, on each network
    return {
        "architecture": card.arch.partition(".")[0],
        "num_classes": len(card.classes),
        "num_features": getattr(model.network, "num_features", None),
        "label_names": list(card.classes),
        **({"model_args": card.options} if card.options else {}),
        "pretrained_cfg": {
            "tag": "erkt",
            "custom_load": False,
            "input_size": [3, card.side, card.side],
            "fixed_input_size": bool(known.get("fixed_input_size", False)),
            "interpolation": card.filter,
            "crop_pct": 1.0,
            "crop_mode": "squash" if card.non_square == "squash" else "center",
            "mean": list(card.mean),
            "std": list(card.std),
            "num_classes": len(card.classes),
            "pool_size": None,
            "first_conv": known.get("first_conv"),
            "classifier": known.get("classifier"),
        },
    }
