"""The chain of the VSM on a GPU in four launches and without a wait; ``erkt.views.apply`` is its reference.

Every pixel looks at the same stored pixel as there, and has the same bits but for two sums that are added in
another order: the mean luma of the contrast, and the filter of the resized crop.
"""

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.errors import ErktError
from erkt.machine.device import on_host, send
from erkt.params.views import ViewSettings
from erkt.views.draws import Draws
from erkt.views.fused_table import pack
from erkt.views.pairs import Positions

BLOCK = 1024
"""Pixels of a program: 4 for each of its 256 threads."""

OPTIONS = {"num_warps": 8, "enable_fp_fusion": False}
"""How kernels are compiled; fused operations would move ties of the rotation."""


def available() -> bool:
    """Return whether the kernels can run here.

    They need an NVIDIA GPU that Triton supports (compute capability 8.0 and above), Triton, which comes with
    torch on Linux, and a C compiler, by which Triton builds what starts a kernel.
    """
    return (
        torch.cuda.is_available()
        and torch.version.hip is None
        and torch.cuda.get_device_capability() >= (8, 0)
        and find_spec("triton") is not None
        and ("CC" in os.environ or shutil.which("gcc") is not None or shutil.which("clang") is not None)
    )


def require(device: torch.device) -> None:
    """Raise ErktError if ``device`` is a GPU on which the kernels cannot run; a CPU takes the plain path."""
    if not on_host(device) and not available():
        raise ErktError(
            "runtime.fused_views: true, but its kernels cannot run here; they need an NVIDIA GPU of compute "
            "capability 8.0 or above, Triton and a C compiler (gcc or clang); set fused_views: false"
        )


@dataclass(frozen=True, eq=False)
class FusedTable:
    """What the kernels need of a view on its device; made by ``FusedTable.of``, used like ``Table``.

    ``numbers``: float32 (N, WIDTH). ``labels``: int64 (2, N), a sample's and its partner's. ``alpha``:
    float32 (N,).
    """

    numbers: Tensor
    labels: Tensor
    alpha: Tensor
    settings: ViewSettings

    @classmethod
    def of(
        cls,
        draws: Draws,
        labels: NDArray[np.int64],
        partners: Positions,
        side: int,
        settings: ViewSettings,
        device: torch.device,
    ) -> "FusedTable":
        """Return the table of the view that has these fields (``erkt.views.view``) on ``device``."""
        return cls(
            numbers=send(pack(draws, side, settings).numpy(), device),
            labels=send(np.stack([labels, labels[partners]]), device),
            alpha=send(draws.alpha(side), device),
            settings=settings,
        )

    def render(
        self, images: Tensor, positions: Tensor, partners: Tensor, _: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what ``Table.render`` does of the same samples; which are cropped is in the table."""
        views = apply_packed(images, self.numbers.index_select(0, positions), partners, self.settings)
        label_a, label_b = self.labels.index_select(1, positions)
        return views, label_a, label_b, self.alpha.index_select(0, positions)


def apply(images: Tensor, rows: Draws, partners: NDArray[np.int64], settings: ViewSettings) -> Tensor:
    """Return what ``erkt.views.apply.apply`` returns; ``images`` uint8 (B, 3, S, S) on a GPU."""
    table = pack(rows, images.shape[-1], settings).to(images.device)
    return apply_packed(images, table, torch.from_numpy(partners).to(images.device), settings)


def apply_packed(images: Tensor, table: Tensor, partners: Tensor, settings: ViewSettings) -> Tensor:
    """Return the views of ``images``: float32 (B, 3, S, S) in [0, 1], on the images' device.

    ``images``: uint8 (B, 3, S, S) on a GPU, left as they are. ``table``: their B rows of draws as
    ``erkt.views.fused_table.pack`` writes them, and ``partners`` int64 (B,), where in the batch each one's
    partner stands; both on the same device. Nothing comes back to the host and nothing depends on what was
    drawn, so a CUDA graph can hold the call; the first call for a side compiles, for a second or more. A
    resize may exceed 1 by its rounding.
    """
    from erkt.views import fused_kernels as kernels  # here, because Triton is not on every machine

    images, table, partners = images.contiguous(), table.contiguous(), partners.contiguous()
    count, _, side, _ = images.shape
    size = max(1, round(settings.resized_crop.size * side))
    parts, small_parts = -(-side * side // BLOCK), -(-size * size // BLOCK)
    shape = {"side": side, "parts": parts, "block": BLOCK}
    statistics = table.new_empty(count, kernels.STATISTICS, parts)
    small = table.new_empty(count, 3, size, size)
    views = table.new_empty(count, 3, side, side)
    with torch.cuda.device(images.get_device()):
        kernels.luma_sums[count, parts](images, table, statistics, **shape, **OPTIONS)
        kernels.extremes[count, parts](images, table, statistics, **shape, **OPTIONS)
        kernels.shrink[count, small_parts](images, table, statistics, small, size=size, **shape, **OPTIONS)
        kernels.mix[count, parts](
            images, table, partners, statistics, small, views, size=size, **shape, **OPTIONS
        )
    return views
