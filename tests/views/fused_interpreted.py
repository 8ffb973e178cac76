"""Run as a program, with TRITON_INTERPRET=1: what the fused kernels make of all cases, into an npz file.

A process of its own, because Triton decides when it is imported whether it interprets.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton.language as tl
from fused_cases import CASES, a_view
from triton.runtime import interpreter

from erkt.views import fused


def fused_multiply_add(_: Any, x: Any, y: Any, z: Any) -> Any:
    """Round once, as a GPU does; the interpreter of Triton 3.8 rounds the product too."""
    exact = x.data.astype(np.float64) * y.data + z.data
    return interpreter.TensorHandle(exact.astype(np.float32), z.dtype.scalar)


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a helper of a kernel; Triton's own patches the language before each call, which takes as long."""
    return function.rewrite()(*args, **kwargs)


def main(path: Path) -> None:
    interpreter._patch_lang(tl.sum.fn)  # for helpers that come with the language
    interpreter.InterpretedFunction.__call__ = call
    interpreter.InterpreterBuilder.create_fma = fused_multiply_add
    torch.use_deterministic_algorithms(True)  # new memory is not a number until it is written
    results = {}
    with np.errstate(invalid="ignore"):  # 0 / 0 in places of a block behind the last pixel
        for name, case in CASES.items():
            results[name] = fused.apply(*case.inputs(), case.settings).numpy()
        view, images, order = a_view()
        made = view.by_table(images, torch.from_numpy(view.index(order)))
        results |= {f"a view, {name}": values.numpy() for name, values in made._asdict().items()}
    np.savez(path, **results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
