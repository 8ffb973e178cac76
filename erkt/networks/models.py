"""Networks: built by timm, normalising their own input, kept as safetensors.

A weights file is self-contained: its metadata name the architecture, the classes in order, the side of the
images and the statistics that the network normalises with. No pickle anywhere.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST, WEIGHTS
from erkt.files.digests import Sha256, sha256_file
from erkt.files.json_file import read_json, write_json
from erkt.files.locations import resolve
from erkt.files.replace import replace_whole
from erkt.params.network import Network
from erkt.params.schema import nearest

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@dataclass(frozen=True)
class Card:
    """What a weights file says of itself; ``mean`` and ``std`` are those of the input in [0, 1]."""

    arch: str
    classes: tuple[str, ...]
    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str


class Classifier(nn.Module):
    """A network that takes images in [0, 1] and normalises them itself.

    So teachers and student may have different statistics and still share one view.
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
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits

    @property
    def parameters_count(self) -> int:
        """The number of trainable parameters, the classification head for these classes included."""
        return sum(parameter.numel() for parameter in self.parameters())


def build(
    settings: Network, classes: tuple[str, ...], side: int, seed: int, environment: Mapping[str, str]
) -> Classifier:
    """Return a network for ``classes`` with the initial weights that ``settings`` name.

    Whatever is random (all of it, or the head) comes from ``seed``; the caller's random state is untouched.
    Raises ErktError for an unknown architecture, weights that are missing, or a file with another sha256.
    """
    options, source = _initial(settings, environment)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _create(settings, len(classes), options)
        _check_side(network, settings.arch, side)
    return Classifier(network, _card(network, settings.arch, classes, side, source))


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
    fields: dict[str, Any] = json.loads(metadata["card"])
    fields |= {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    card = Card(**fields)
    if classes is not None and card.classes != classes:
        raise ErktError(f"{path}: this network knows other classes than the images have; rerun the stage")
    network = timm.create_model(card.arch, pretrained=False, num_classes=len(card.classes))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ErktError(f"{path}: does not fit timm's {card.arch}: {_first_line(error)}") from None
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


def _create(settings: Network, classes: int, options: dict[str, Any]) -> nn.Module:
    known = timm.list_models()
    if settings.arch.partition(".")[0] not in known:
        raise ErktError(f"timm has no architecture '{settings.arch}'{nearest(settings.arch, known)[:80]}")
    rates = {"drop_rate": settings.drop_rate, "drop_path_rate": settings.drop_path_rate}
    try:
        return _with_rates(settings.arch, {"num_classes": classes, **options}, rates)
    except TypeError as error:
        raise ErktError(
            f"{settings.arch}: does not take {', '.join(rates)} ({error}); set them to 0"
        ) from None
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = _first_line(error)
        raise ErktError(f"{settings.arch}: its initial weights cannot be loaded: {reason}") from None


def _with_rates(arch: str, options: dict[str, Any], rates: dict[str, float]) -> nn.Module:
    """Return timm's network with ``rates``; one that is 0 is left out where the network does not know it.

    It is not left out elsewhere: some architectures have another default than 0.
    """
    try:
        network: nn.Module = timm.create_model(arch, **(options | rates))
    except TypeError as error:
        refused = [name for name, rate in rates.items() if rate == 0 and f"'{name}'" in str(error)]
        if not refused:
            raise
        return _with_rates(arch, options, {name: rates[name] for name in rates if name not in refused})
    return network


@torch.no_grad()
def _check_side(network: nn.Module, arch: str, side: int) -> None:
    """Raise ErktError if the network does not take images of ``side``, as those with a fixed input size."""
    try:
        network.eval()(torch.zeros(1, 3, side, side))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ErktError(f"{arch}: does not take images of {side} pixels: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _card(network: nn.Module, arch: str, classes: tuple[str, ...], side: int, source: str) -> Card:
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]  # timm's, on each network
    return Card(arch, classes, side, tuple(config["mean"]), tuple(config["std"]), source)
