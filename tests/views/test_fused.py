"""The fused kernels against the plain path, image by image: interpreted here, and on a GPU where one is."""

import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from closure import ROOT
from fused_cases import CASES, Case, a_view
from made import batches
from numpy.typing import NDArray
from torch import Tensor
from views_settings import BASE, COINS, EVERYTHING, TABLE_1

from erkt.errors import ErktError
from erkt.views import fused
from erkt.views.apply import apply, apply_before_cutmix

pytest.importorskip("triton", reason="torch brings Triton on Linux only")

ROUNDING = 2**-21
"""What two sums in another order may change, of colours in [0, 1]: eight roundings just below 1."""


WRITTEN_AS_FUSED = fused.BLOCK // (32 * fused.OPTIONS["num_warps"]) * (4 * 2 + 3 * 3)
"""By pixels of a thread: two for each luma (three in the jitter, one after it), three for each blend."""


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, NDArray[np.float32]]:
    """What the kernels make of all cases under Triton's interpreter, by name."""
    path = tmp_path_factory.mktemp("fused") / "views.npz"
    script = Path(__file__).with_name("fused_interpreted.py")
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run([sys.executable, script, path], env=environment, check=True, timeout=300)
    with np.load(path) as views:
        return dict(views)


def bounds(case: Case) -> NDArray[np.float64]:
    """Return by how much a value of each image (B,) may differ; 0 where no sum has part in it.

    Autocontrast stretches what came before by the inverse of a channel's span.
    """
    images, rows, partners = case.inputs()
    never = np.zeros(case.count, dtype=bool)
    before = replace(rows, autocontrast=never, erasing=never, resized_crop=never)
    seen = apply_before_cutmix(images, before, case.settings)
    span = seen.amax(dim=(2, 3)) - seen.amin(dim=(2, 3))
    narrowest = torch.where(span > 0, span, 1.0).amin(dim=1).double().numpy()
    summed = (rows.color_jitter & (rows.jitter_factors[:, 1] != 1)) | rows.resized_crop
    own = np.where(summed, ROUNDING / np.where(rows.autocontrast, narrowest, 1.0), 0.0)
    return np.where(rows.cutmix, np.maximum(own, own[partners]), own)


def assert_agrees(views: Tensor, case: Case) -> None:
    images, rows, partners = case.inputs()
    expected = apply(images, rows, partners, case.settings)
    assert views.dtype == torch.float32
    assert views.shape == expected.shape
    apart = (views - expected).abs().flatten(1).amax(dim=1).double().numpy()
    wrong = np.flatnonzero(~(apart <= bounds(case)))
    assert len(wrong) == 0, f"images {wrong} are {apart[wrong]} apart, allowed are {bounds(case)[wrong]}"


@pytest.mark.parametrize("name", CASES)
def test_interpreted_kernels_agree_with_the_plain_path(
    name: str, interpreted: Mapping[str, NDArray[np.float32]]
) -> None:
    assert_agrees(torch.from_numpy(interpreted[name]), CASES[name])


def test_a_view_shows_what_the_plain_path_shows_with_the_same_labels(
    interpreted: Mapping[str, NDArray[np.float32]],
) -> None:
    view, images, order = a_view()
    assert len(set(view.partners[order]) & set(order)) == len(order)
    for name, expected in view.render(images, order)._asdict().items():
        found = torch.from_numpy(interpreted[f"a view, {name}"])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 if name == "images" else 0)


def test_a_gpu_without_the_kernels_is_refused_before_anything_is_rendered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fused, "available", lambda: False)
    assert replace(batches(), fused=True).device.type == "cpu"
    with pytest.raises(ErktError, match="set fused_views: false"):
        replace(batches(), fused=True, device=torch.device("cuda"))


def test_hundreds_of_draws_are_compared_and_most_images_by_all_bits() -> None:
    everything = np.concatenate([bounds(case) for case in CASES.values()])
    assert len(everything) > 300
    assert (everything == 0).mean() > 0.5


def ties(case: Case) -> NDArray[np.bool_]:
    """Return which pixels (B, S, S) look within 1e-6 pixels of the middle between two, in doubles."""
    rows, found = case.inputs()[1], []
    base = np.arange(case.side) - (case.side - 1) / 2
    for turn in np.radians(rows.rotation_angle):
        x = base[None, :] * math.cos(turn) - base[:, None] * math.sin(turn) + (case.side - 1) / 2
        y = base[None, :] * math.sin(turn) + base[:, None] * math.cos(turn) + (case.side - 1) / 2
        found.append(np.minimum(abs(x % 1 - 0.5), abs(y % 1 - 0.5)) < 1e-6)
    return np.stack(found)


def test_no_tie_of_the_rotation_falls_otherwise(interpreted: Mapping[str, NDArray[np.float32]]) -> None:
    met = fallen = 0
    for name in ("ties, 16 px", "ties, 21 px", "ties, 33 px"):
        case = CASES[name]
        expected = apply(*case.inputs(), case.settings).numpy()
        tied = ties(case)
        met += tied.sum()
        fallen += ((interpreted[name] != expected).any(axis=1) & tied).sum()
    assert met > 500
    assert fallen == 0


def float_operations(name: str, **options: Any) -> Counter[str]:
    """Return the float32 operations of a kernel, compiled for 256 px and a GPU that need not be there."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from erkt.views import fused_kernels

    kernel = getattr(fused_kernels, name)
    constants = {"side": 256, "size": 176, "parts": 256 * 256 // fused.BLOCK, "block": fused.BLOCK}
    types = dict.fromkeys(kernel.arg_names, "*fp32") | {"images": "*u8", "partners": "*i64"}
    types = {arg: "constexpr" if arg in constants else types[arg] for arg in kernel.arg_names}
    source = ASTSource(kernel, types, {arg: constants[arg] for arg in kernel.arg_names if arg in constants})
    compiled = triton.compile(source, GPUTarget("cuda", 90, 32), fused.OPTIONS | options)
    return Counter(re.findall(r"\b((?:fma|mul|add|sub|div)(?:\.\w+)*\.f32)\s", compiled.asm["ptx"]))


@pytest.fixture
def _compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@pytest.mark.usefixtures("_compiler")
@pytest.mark.parametrize("name", ["luma_sums", "extremes", "shrink", "mix"])
def test_compiled_kernels_fuse_what_the_plain_path_fuses_and_nothing_else(name: str) -> None:
    """PTX may be fused where an operation does not say how it rounds (mul.f32); mul.rn.f32 says it."""
    found = float_operations(name)
    assert set(found) <= {f"{operation}.rn.f32" for operation in ("fma", "mul", "add", "sub", "div")}
    assert found["fma.rn.f32"] == WRITTEN_AS_FUSED


@pytest.mark.usefixtures("_compiler")
def test_without_the_option_the_compiler_would_fuse_more() -> None:
    assert float_operations("extremes", enable_fp_fusion=True)["fma.rn.f32"] > WRITTEN_AS_FUSED


@pytest.mark.parametrize("missing", [None, "gpu", "age", "nvidia", "triton", "compiler"])
def test_available_needs_all_of_it(missing: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: missing != "gpu")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5) if missing == "age" else (8, 0))
    monkeypatch.setattr(torch.version, "hip", "7.0" if missing == "nvidia" else None)
    monkeypatch.setattr(fused, "find_spec", lambda name: None if missing == "triton" else object())
    monkeypatch.setattr(fused.shutil, "which", lambda name: None if missing == "compiler" else "/bin/cc")
    monkeypatch.delenv("CC", raising=False)
    assert fused.available() == (missing is None)


ON_A_GPU = {f"{name}, 256 px": Case(30, 256, settings) for name, settings in {
    "Table 1": TABLE_1, "base": BASE, "coins": COINS, "everything": EVERYTHING,
}.items()}  # fmt: skip


@pytest.mark.skipif(not fused.available(), reason="needs an NVIDIA GPU and Triton")
@pytest.mark.parametrize("name", [*CASES, *ON_A_GPU])
def test_compiled_kernels_agree_with_the_plain_path_on_a_gpu(name: str) -> None:
    case = (CASES | ON_A_GPU)[name]
    images, rows, partners = case.inputs()
    assert_agrees(fused.apply(images.cuda(), rows, partners, case.settings).cpu(), case)
