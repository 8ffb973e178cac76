"""Inference of the student against the whole ensemble, eager, compiled, on ONNX Runtime, and in int8."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import paper
from benchmarks.session import Bench, Race
from erkt.networks.models import Classifier
from erkt.networks.onnx_export import to_onnx
from erkt.networks.onnx_teacher import session

SIDE = 256
_Call = Callable[[], object]


@pytest.mark.parametrize("batch", [1, 64])
def test_infer(batch: int, bench: Bench, race: Race, tmp_path: Path) -> None:
    """Logits of ready images; int8 is quantised statically, on images like these."""
    if bench.quick and batch > 1:
        pytest.skip("the short version")
    torch.compiler.reset()
    archs = [paper.STUDENT, *paper.TEACHERS.values()]
    networks = {arch: paper.network(arch, SIDE, bench.device) for arch in dict.fromkeys(archs)}
    subset = paper.images(batch, SIDE)
    images = torch.from_numpy(subset.pixels(range(batch))).to(bench.device) / 255
    modes = {"eager": _eager(networks, images)}
    if bench.device.type == "cpu" and not bench.eager:
        modes["onnx"] = _onnx(networks, images, tmp_path)
    if not (bench.quick or bench.eager):
        modes["compiled"] = _eager(
            {arch: torch.compile(network) for arch, network in networks.items()}, images
        )
        if bench.device.type == "cpu":
            modes["int8"] = _int8(images, tmp_path)
    calls: dict[str, _Call] = {}
    for mode, by_arch in modes.items():
        calls[f"student {mode}"] = by_arch[paper.STUDENT]
        calls[f"ensemble {mode}"] = partial(_all, [by_arch[arch] for arch in paper.TEACHERS.values()])
    seconds = race(calls, times=1 if batch > 1 else 5)
    for mode in modes:
        dtype = "int8" if mode == "int8" else "fp32"
        for other in dict.fromkeys(("eager", mode)):
            pairs = zip(seconds[f"student {mode}"], seconds[f"ensemble {other}"], strict=True)
            ratios = [ensemble / student for student, ensemble in pairs]
            name = "infer eager" if mode == "eager" else "infer" if other == "eager" else "infer same"
            against = f"{mode} student, {other} ensemble"
            note = "accuracy not measured" if mode == "int8" else ""
            bench.add(name, against, ratios, size=SIDE, batch=batch, dtype=dtype, note=note)


def _all(calls: list[_Call]) -> None:
    for call in calls:
        call()


def _eager(networks: Mapping[str, Classifier], images: Tensor) -> dict[str, _Call]:
    images = images.contiguous(memory_format=torch.channels_last)
    calls: dict[str, _Call] = {}
    for arch, network in networks.items():
        network.to(memory_format=torch.channels_last)
        calls[arch] = partial(torch.inference_mode()(network), images)
    return calls


def _onnx(networks: Mapping[str, Classifier], images: Tensor, folder: Path) -> dict[str, _Call]:
    for arch, network in networks.items():
        to_onnx(network, folder / f"{arch}.onnx")
    return {arch: _session(folder / f"{arch}.onnx", images) for arch in networks}


def _int8(images: Tensor, folder: Path) -> dict[str, _Call]:
    from onnxruntime import quantization

    calls: dict[str, _Call] = {}
    for path in list(folder.glob("*.onnx")):
        arch, target = path.stem, folder / "int8" / path.name
        target.parent.mkdir(exist_ok=True)
        quantization.quant_pre_process(path, folder / "ready", skip_symbolic_shape=True)
        quantization.quantize_static(folder / "ready", target, _Reader(images), per_channel=True)
        calls[arch] = _session(target, images)
    return calls


class _Reader:
    """A quantization.CalibrationDataReader of the first images."""

    def __init__(self, images: Tensor) -> None:
        self._images: Iterator[Tensor] = iter(images[:8].split(1))

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"images": image.numpy()}


def _session(path: Path, images: Tensor) -> _Call:
    return partial(session(path).run, ["logits"], {"images": images.numpy()})
