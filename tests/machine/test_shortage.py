import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from erkt.machine.shortage import short_of_memory

FAR_TOO_MUCH = 2**50


def raised_by(what: object) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        what()  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize(
    "what",
    [
        lambda: bytearray(FAR_TOO_MUCH),
        lambda: np.empty(FAR_TOO_MUCH, np.uint8),
        lambda: torch.empty(FAR_TOO_MUCH, dtype=torch.uint8),
    ],
    ids=["python", "numpy", "torch"],
)
def test_what_asks_for_more_than_there_is_says_so(what: object) -> None:
    assert short_of_memory(raised_by(what))


def test_a_cause_counts_and_other_errors_do_not() -> None:
    late = ImportError("see the cause")
    late.__cause__ = ImportError("libx.so: failed to map segment from shared object")
    assert short_of_memory(late)
    assert short_of_memory(OSError(errno.ENOMEM, "no"))
    assert not short_of_memory(OSError(errno.ENOSPC, "no space left on device"))
    assert not short_of_memory(ValueError("cannot allocate memory of taste"))


def test_a_command_without_memory_ends_in_one_line(tmp_path: Path) -> None:
    code = (
        "import resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (60_000_000, 60_000_000))\n"
        "sys.argv = ['erkt', 'scenes', 'sheet.png']\n"
        "runpy.run_module('erkt', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: scenes sheet.png: not enough memory (")
    assert len(done.stderr.splitlines()) == 1
