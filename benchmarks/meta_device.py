"""A GPU's stand-in: torch's device ``meta``, which has shapes and no numbers.

Code for devices runs on it anywhere, and ``Calls`` sees what a GPU would launch, be sent and be read from.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")
_PACKAGE = f"{Path(__file__).parents[1] / 'erkt'}/"
_aten = torch.ops.aten
_NO_KERNEL = {_aten.empty, _aten.empty_like, _aten.empty_strided, _aten.new_empty, _aten.new_empty_strided}
_NO_KERNEL |= {_aten.lift_fresh, _aten.detach, _aten.unsqueeze_, _aten._unsafe_view, _aten._reshape_alias}


class Calls(TorchDispatchMode):
    """What happens on ``device``, META or the CPU, within its block, in order.

    ``operators``: names of the operators called, those that only look at a tensor otherwise included.
    ``launches``: those of them that start one kernel or more. ``reads``: places of ``erkt`` where the host
    waits for a number from the device, which is answered by 1. ``sent``: places where it sends something
    there, with whether it waits until that has arrived, as it does for pageable memory. ``strays``: operators
    that were given tensors of both, which a GPU's kernels refuse.
    """

    def __init__(self, device: torch.device = META) -> None:
        super().__init__()
        self._device = device
        self.operators: list[str] = []
        self.launches: list[str] = []
        self.reads: list[str] = []
        self.sent: list[tuple[str, bool]] = []
        self.strays: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        if func.overloadpacket is torch.ops.prim.device:
            return func(*args, **options)
        with self:  # in inference mode an operator may come whole that consists of others
            parts = func.decompose(*args, **options)
        if parts is not NotImplemented:
            return parts
        packet, given = (
            func.overloadpacket,
            [x for x in tree_leaves((args, options)) if isinstance(x, Tensor)],
        )
        there = any(tensor.device == self._device for tensor in given)
        if not (there or torch.device(options.get("device") or "cpu") == self._device):
            return func(*args, **options)
        if self._device == META:
            return self._on_meta(func, packet, args, options, given, there)
        self._count(func, packet)
        return func(*args, **options)

    def _count(self, func: Any, packet: Any) -> None:
        self.operators.append(str(packet))
        if packet not in _NO_KERNEL and not _only_looks(func):
            self.launches.append(str(packet))

    def _on_meta(
        self,
        func: Any,
        packet: Any,
        args: tuple[Any, ...],
        options: dict[str, Any],
        given: list[Tensor],
        there: bool,
    ) -> Any:
        if packet is _aten._local_scalar_dense:
            self.reads.append(_place())
            return torch.ones((), dtype=args[0].dtype).item()
        if packet is _aten._to_copy and options.get("device", META) != META:
            self.reads.append(_place())
            return torch.ones(args[0].shape, dtype=options.get("dtype") or args[0].dtype)
        if packet is _aten.index and any(x.dtype in (torch.bool, torch.uint8) for x in given[1:]):
            raise AssertionError(f"{_place()}: a boolean index waits for the device")
        written = packet is _aten.copy_ and given[1].device != META
        if written or (packet is _aten._to_copy and not there):
            self.sent.append((_place(), not (args[2:] if written else options.get("non_blocking"))))
        else:
            self._count(func, packet)
            if any(tensor.device != META for tensor in given):
                self.strays.append(f"{_place()}: {packet}")
        return func(*args, **options)


@contextmanager
def standing_in() -> Iterator[Calls]:
    """Within the block META takes a GPU's place; yields what happens there.

    Autocast and fused AdamW, which do not know it, let it pass. Tensors made of Python's numbers, which no
    dispatch mode is shown, count as sent.
    """
    calls, known, made = Calls(), torch.autocast, torch.tensor

    def autocast(kind: str, *arguments: Any, **options: Any) -> Any:
        return nullcontext() if kind == "meta" else known(kind, *arguments, **options)

    def tensor(*arguments: Any, **options: Any) -> Tensor:
        if torch.device(options.get("device") or "cpu") == META:
            calls.sent.append((_place(), True))
        return made(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch, calls:
        patch.setattr("torch.autocast", autocast)
        patch.setattr("torch.tensor", tensor)
        # By name: torch.optim hides its module ``adam``.
        patch.setattr(sys.modules["torch.optim.adam"], "_device_dtype_check_for_fused", lambda *_: None)
        yield calls


def _only_looks(func: Any) -> bool:
    """Return whether ``func`` makes no number: its result is a view of its argument."""
    returns = func._schema.returns
    return bool(returns) and all(own.alias_info and not own.alias_info.is_write for own in returns)


def _place() -> str:
    """Return the innermost line of ``erkt`` that runs."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith(_PACKAGE):
            return f"{frame.f_code.co_filename.removeprefix(_PACKAGE)}:{frame.f_lineno}"
        frame = frame.f_back
    return "outside"
