"""Networks: built by timm, resizing and normalising their own input, kept as safetensors.

A weights file is self-contained: its metadata name the architecture with its options, the classes in order,
the side of the images, how they are resized, the statistics that the network normalises with, and the licence
of the weights that it started from. No pickle anywhere.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST, WEIGHTS
from erkt.files.digests import Sha256, sha256_file
from erkt.files.json_file import parse_json, read_json, write_json
from erkt.files.locations import resolve
from erkt.files.replace import replace_whole
from erkt.networks import creation
from erkt.params.network import Network
from erkt.params.schema import build as build_schema

AnyModule = TypeVar("AnyModule", bound=nn.Module)

NOT_STATED = "not stated"
_RESAMPLING = "bilinear, antialiased where it shrinks"


@dataclass(frozen=True)
class Card:
    """What a weights file says of itself; ``mean`` and ``std`` are those of the input in [0, 1].

    ``side`` is that of the images, ``network_side`` that at which the network sees them (None: the same), and
    ``resampling`` how they get there. ``options`` are those of ``timm.create_model``. ``source`` says where
    the initial weights come from, ``licence`` under which one timm has them (None for random ones), and
    ``origin`` the address of those who made them, where timm knows it. Weights that were written before the
    last five existed have their defaults.
    """

    arch: str
    classes: tuple[str, ...]
    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str
    network_side: int | None = None
    resampling: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    licence: str | None = NOT_STATED
    origin: str | None = None


_LATER: dict[str, Any] = {
    "network_side": None,
    "resampling": None,
    "options": {},
    "licence": NOT_STATED,
    "origin": None,
}
"""What weights have that were written before the last five existed."""


class Classifier(nn.Module):
    """A network that takes images in [0, 1], resizes them to its own side if it has one, and normalises them.

    So teachers and student may have different sides and statistics and still share one view.
    ``forgets_activations`` says that the backward pass computes them again (``erkt.networks.recompute``).
    """

    mean: Tensor
    std: Tensor
    forgets_activations = False

    def __init__(self, network: nn.Module, card: Card) -> None:
        super().__init__()
        self.network = network
        self.card = card
        self.register_buffer("mean", torch.tensor(card.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(card.std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, C) of float images (B, 3, H, W) in [0, 1]."""
        logits: Tensor = self.network(self.seen(images))
        return logits

    def seen(self, images: Tensor) -> Tensor:
        """Return what the network itself is given of float images (B, 3, H, W) in [0, 1].

        Bilinear: every pixel is a mean of others and stays in [0, 1]. Views have sharp borders (erased boxes,
        CutMix, the corners of a rotation), around which a bicubic filter makes values outside, so that it
        would need clipping. Antialiased where it shrinks, since there pixels would be skipped.
        """
        side = self.card.network_side
        if side is not None and side != images.shape[-1]:
            shrinks = side < images.shape[-1]
            images = F.interpolate(
                images, size=(side, side), mode="bilinear", align_corners=False, antialias=shrinks
            )
        return (images - self.mean) / self.std

    @property
    def parameters_count(self) -> int:
        """The number of parameters, the classification head for these classes included."""
        return sum(parameter.numel() for parameter in self.parameters())


def build(
    settings: Network, classes: tuple[str, ...], side: int, seed: int, environment: Mapping[str, str]
) -> Classifier:
    """Return a network for ``classes`` with the initial weights that ``settings`` name.

    Whatever is random (all of it, or the head) comes from ``seed``; the caller's random state is untouched.
    Raises ErktError for an unknown architecture, a side or an option that it does not take, weights that are
    missing, or a file with another sha256.
    """
    weights, source = _initial(settings, environment)
    creation.check(settings, side, len(classes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = creation.create(settings, len(classes), weights).eval()
    return Classifier(network, _card(network, settings, classes, side, source))


def put_on(network: AnyModule, device: torch.device | str) -> AnyModule:
    """Move ``network`` to ``device``, channels last, as convolutions are fastest; return it."""
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own stub
    return network


def save(model: Classifier, path: Path) -> None:
    """Write the weights and the card of ``model`` to ``path``, whole or not at all."""
    tensors = {name: tensor.contiguous().cpu() for name, tensor in model.network.state_dict().items()}
    card = json.dumps(asdict(model.card), ensure_ascii=False)
    with replace_whole(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"card": card})
        except SafetensorError as error:
            raise ErktError(f"{path}: not written: {error}") from None


def load(path: Path, classes: tuple[str, ...] | None) -> Classifier:
    """Return the network stored at ``path``, in evaluation mode.

    Raises ErktError if the file is missing, damaged, not written by this project, or knows other classes (or
    the same in another order) than ``classes``; None takes those that it knows.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ErktError(
            f"{path}: cannot be read as weights ({error}); rerun the stage that makes it"
        ) from None
    if "card" not in metadata:
        raise ErktError(f"{path}: these weights carry no card; they were not written by this pipeline")
    card = read_card(metadata["card"], path)
    if classes is not None and card.classes != classes:
        raise ErktError(f"{path}: this network knows other classes than the images have; rerun the stage")
    network = creation.of_tensors(card.arch, len(card.classes), card.options, tensors, path)
    return Classifier(network, card).eval()


def save_folder(model: Classifier, folder: Path) -> Sha256:
    """Write the weights and a manifest with their sha256 to ``folder``; return that."""
    save(model, folder / WEIGHTS)
    digest = sha256_file(folder / WEIGHTS)
    write_json(folder / MANIFEST, {"sha256": digest, "parameters": model.parameters_count})
    return digest


def load_folder(folder: Path, classes: tuple[str, ...] | None) -> Classifier:
    """Return the network that ``save_folder`` wrote, in evaluation mode.

    Raises ErktError if the weights are not those of the manifest, and as ``load`` does.
    """
    path = folder / WEIGHTS
    if not path.is_file() or sha256_file(path) != read_json(folder / MANIFEST).get("sha256"):
        raise ErktError(f"{path}: missing or damaged (its sha256 is not the manifest's); rerun the stage")
    return load(path, classes)


def read_card(text: str, path: Path) -> Card:
    """Return the card of the weights at ``path``; ErktError if it is none, or a later version's."""
    where = f"{path}: card"
    values = parse_json(text, where)
    if not isinstance(values, dict):
        raise ErktError(f"{where}: expected a JSON object, found {type(values).__name__}")
    unknown = values.keys() - {one.name for one in fields(Card)}
    if unknown or values.get("resampling") not in (None, _RESAMPLING):
        what = ", ".join(sorted(unknown)) or f"resampling {values['resampling']}"
        raise ErktError(f"{path}: written by a later version, which has {what}; update this one")
    return build_schema(Card, _LATER | values, where)


def _initial(settings: Network, environment: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Return timm's options for the initial weights, and where these come from in words."""
    weights = settings.weights
    if weights.source == "none":
        return {"pretrained": False}, "random"
    if weights.source == "hub":
        if weights.revision is None:
            return {"pretrained": True}, f"hub {settings.arch}"
        hub_id = f"timm/{settings.arch}@{weights.revision}"
        return {"pretrained": True, "pretrained_cfg_overlay": {"hf_hub_id": hub_id}}, f"hub {hub_id}"
    path = Path(resolve(weights.location or "", environment))
    if path.suffix != ".safetensors":
        raise ErktError(f"{path}: initial weights are read from .safetensors files alone")
    if not path.is_file():
        raise ErktError(f"{path}: no such weights file ({weights.location}); put it there or change location")
    digest = sha256_file(path)
    if weights.sha256 is not None and digest != weights.sha256:
        raise ErktError(f"{path}: sha256 is {digest}, expected {weights.sha256}")
    overlay = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(path)}}
    return overlay, f"file {path.name} {digest}"


def _card(network: nn.Module, settings: Network, classes: tuple[str, ...], side: int, source: str) -> Card:
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]  # timm's, on each network
    # A file may be of any origin: what timm knows of its own weights is not known of it.
    known = config if settings.weights.source == "hub" else {}
    licence = known.get("license") or "unknown"  # timm has either word, or none
    return Card(
        settings.arch,
        classes,
        side,
        tuple(config["mean"]),
        tuple(config["std"]),
        source,
        network_side=settings.side,
        resampling=None if settings.side is None else _RESAMPLING,
        options=settings.options,
        licence=None
        if settings.weights.source == "none"
        else NOT_STATED
        if licence == "unknown"
        else licence,
        origin=known.get("origin_url"),
    )
