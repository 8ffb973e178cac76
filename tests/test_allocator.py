"""What becomes of freed memory, measured in a process of its own: there is no way back to the first setting."""

import platform
import subprocess
import sys

import pytest

BLOCK = 256 * 2**20
MEASURED = f"""
import sys, torch
from erkt import allocator

def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

assert getattr(allocator, sys.argv[1])()
before = used()
made = torch.ones({BLOCK // 4})
held = used() - before
del made
print(held, used() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
@pytest.mark.parametrize(("setting", "stays"), [("keep_freed_memory", True), ("return_freed_memory", False)])
def test_freed_memory_stays_or_goes(setting: str, stays: bool) -> None:
    command = [sys.executable, "-c", MEASURED, setting]
    held, after = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert held == pytest.approx(BLOCK, rel=0.1)
    assert after == pytest.approx(BLOCK if stays else 0, abs=BLOCK / 10)
