"""timm's networks, made from settings; what does not work is one line that says what would.

Whether a network works is asked on shapes alone (torch's device ``meta``), before any weights are fetched.
"""

import difflib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from erkt.errors import ErktError
from erkt.params.network import Network, Weights
from erkt.params.schema import nearest

_STRIDE = 32  # in pixels, where a network has no patches: most divide the side by it
_TOLD = 200  # characters of what torch says of tensors that do not fit
_NAMED = 2  # ways to mend a network that are named; there may be more
_ANY_CLASSES = 7  # where the classes are not known yet; no network has an axis of that length by itself


def create(settings: Network, classes: int, weights: Mapping[str, Any]) -> nn.Module:
    """Return timm's network for ``classes``; ``weights`` are the options by which timm finds initial ones.

    ``check`` comes first. Raises ErktError where the weights cannot be loaded.
    """
    try:
        network = _made(settings, classes, weights)
        if settings.weights.source == "file":
            _require_loaded(network, settings, classes, weights)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = first_line(error)
        raise ErktError(f"{settings.arch}: its initial weights cannot be loaded: {reason}") from None
    return network


def of_tensors(
    arch: str, classes: int, options: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path
) -> nn.Module:
    """Return timm's network with ``tensors``, all that ``path`` has for one; ErktError if they do not fit.

    It is made on shapes first: a file may name options that make it larger than memory, or others that
    ``Network`` leaves to timm under no circumstances, such as one that loads a file.
    """
    if arch.partition(".")[0] not in timm.list_models():
        raise ErktError(f"{path}: timm has no architecture '{arch}'")
    settings = Network(arch, Weights("none", None, None, None), 0.0, 0.0, options=dict(options))
    try:
        _on_shapes(settings, classes).load_state_dict(tensors, assign=True)
        network = timm.create_model(arch, pretrained=False, num_classes=classes, **options)
        network.load_state_dict(tensors)
    except Exception as error:  # noqa: BLE001  # options reach any code of timm, which may raise anything
        reason = " ".join(str(error).split())[:_TOLD]  # torch begins with a line that says nothing
        raise ErktError(f"{path}: does not fit {arch} of timm {timm.__version__}: {reason}") from None
    return network


def check(settings: Network, side: int, classes: int = _ANY_CLASSES) -> None:
    """Raise ErktError unless timm makes a classifier of ``settings`` that takes images of ``side`` pixels.

    Weights are neither made nor fetched, so that it takes a second or two for the largest networks as well.
    The message names what is wrong and what would work: a known architecture, option or side.
    """
    arch, known = settings.arch, timm.list_models()
    if arch.partition(".")[0] not in known:
        raise ErktError(f"timm has no architecture '{arch}'{nearest(arch, known)[:80]}")
    try:
        network = _on_shapes(settings, classes)
    except Exception as error:  # noqa: BLE001  # options reach any code of timm, which may raise anything
        raise ErktError(f"{arch}: {_refused(settings, error)}") from None
    seen = settings.side or side
    try:
        trouble = _trouble(network, seen, classes)
    except Exception as error:  # noqa: BLE001  # whatever a network raises at images that it does not take
        trouble = f"does not take images of {seen} pixels: {first_line(error)}"
    if trouble:
        ways = list(islice(_mending(settings, network, seen, classes), _NAMED))
        advice = ", or ".join(ways) or "choose another arch"
        raise ErktError(f"{arch}: {trouble}; {advice}")


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _made(settings: Network, classes: int, weights: Mapping[str, Any]) -> nn.Module:
    """Return timm's network with its rates; one that is 0 is left out where the network does not know it.

    It is not left out elsewhere: some architectures have another default than 0.
    """
    rates: dict[str, Any] = {"drop_rate": settings.drop_rate, "drop_path_rate": settings.drop_path_rate}
    while True:
        try:
            network: nn.Module = timm.create_model(
                settings.arch, num_classes=classes, **weights, **settings.options, **rates
            )
        except TypeError as error:
            refused = [name for name, rate in rates.items() if rate == 0 and f"'{name}'" in str(error)]
            if not refused:
                raise
            rates = {name: rates[name] for name in rates if name not in refused}
        else:
            return network


def _require_loaded(network: nn.Module, settings: Network, classes: int, weights: Mapping[str, Any]) -> None:
    """Raise ErktError if the file left parameters beside the classifier at random values.

    timm passes over tensors that a file lacks, or has by other names, as soon as it has other classes. What
    differs in a network that is made right after it, from the random numbers that come next, is random.
    """
    with torch.random.fork_rng(devices=[]):
        again = dict(_made(settings, classes, weights).named_parameters())
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]  # timm's, on each network
    heads = config["classifier"]
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    own = dict(network.named_parameters())
    usual = own.keys()
    if settings.options:
        with suppress(Exception):  # as in ``_works``; what options add is in no file
            usual = dict(_on_shapes(replace(settings, options={}), classes).named_parameters()).keys()
    left = [
        name
        for name, values in own.items()
        if name in usual and not name.startswith(heads) and not torch.equal(values, again[name])
    ]
    if left:
        raise ErktError(
            f"{settings.arch}: its initial weights lack {len(left)} of {len(own)} tensors, or have them by "
            f"other names, {left[0]} among them; take a file that timm has written for it"
        )


def _on_shapes(settings: Network, classes: int) -> nn.Module:
    """Return the network in evaluation mode without memory for its weights; random states are untouched."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return _made(settings, classes, {"pretrained": False}).eval()


@torch.no_grad()
def _trouble(network: nn.Module, side: int, classes: int) -> str | None:
    """Return why the output for an image of ``side`` pixels is not one of ``classes``; None if it is."""
    with torch.device("meta"):
        output = network(torch.empty(1, 3, side, side))
    found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if found == (1, classes):
        return None
    return f"is no classifier: its output for an image is {found}, expected (1, {classes})"


def _refused(settings: Network, error: Exception) -> str:
    """Return why timm does not make the network, and what would do."""
    rates = {"drop_rate": settings.drop_rate, "drop_path_rate": settings.drop_path_rate}
    named = [name for name, rate in rates.items() if rate and f"'{name}'" in str(error)]
    if named:
        return f"does not take {' and '.join(named)}; set {' and '.join(named)} to 0"
    for name in settings.options:
        if f"'{name}'" in str(error):
            network = _on_shapes(replace(settings, options={}), _ANY_CLASSES)
            known = list(inspect.signature(type(network)).parameters)
            close = difflib.get_close_matches(name, known, n=1)
            return f"does not take options.{name}; " + (
                f"did you mean '{close[0]}'?" if close else "remove it"
            )
    said = f"{type(error).__name__}: {first_line(error)}"
    if settings.options:
        written = ", ".join(f"{name}: {value}" for name, value in settings.options.items())
        return f"timm does not make it with options {{{written}}} ({said}); correct or remove them"
    return f"timm does not make it ({said}); choose another arch"


def _mending(settings: Network, network: nn.Module, side: int, classes: int) -> Iterator[str]:
    """Yield changes of ``settings``, in words, with which ``network`` would work, each tried."""
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]  # timm's, on each network
    native = settings.options.get("img_size", config["input_size"][-1])
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", (_STRIDE,))[0]
    whole = max(1, side // patch) * patch
    sized, words = settings.options | {"img_size": whole}, f"options.img_size: {whole}"
    if whole == side:
        ways = [[(f"set {words}", replace(settings, options=sized))]]
    else:
        smaller = replace(settings, side=whole)
        both = f"set side: {whole} and {words}"
        ways = [[(f"set side: {whole}", smaller), (both, replace(smaller, options=sized))]]
    ways.append([(f"set side: {native}", replace(settings, side=native))])
    for name in settings.options:
        others = {key: value for key, value in settings.options.items() if key != name}
        ways.append([(f"remove options.{name}", replace(settings, options=others))])
    for way in ways:
        found = next((said for said, changed in way if _works(changed, side, classes)), None)
        if found:
            yield found


def _works(settings: Network, side: int, classes: int) -> bool:
    with suppress(Exception):  # as above; then it does not
        return _trouble(_on_shapes(settings, classes), settings.side or side, classes) is None
    return False
