"""What becomes of freed memory, measured in processes of their own: there is no way back to the first one."""

import platform
import subprocess
import sys
from dataclasses import replace

import pytest
from made import RUNTIME

from erkt.machine import device

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")

MIB = 2**20
MEASURED = f"""
import resource, sys, torch
from erkt.machine import allocator

def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

setting, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.ones(24 * {MIB} // 4)  # freed: from here on glibc takes blocks below 24 MiB for small, and keeps them
if setting:
    assert getattr(allocator, setting)()
before = used()
made = [torch.ones(size // 4) for _ in range(count)]
held = used() - before
above = torch.ones(64 * 1024 // 4)  # in the way of giving back the heap's end
del made
print(held, used() - before)
"""
HUGE = f"""
import sys, torch
from erkt.machine import allocator
getattr(allocator, sys.argv[1])()
made = [torch.ones({MIB}) for _ in range(8)]
print(all(tensor.data_ptr() % 4096 == 0 for tensor in made))
"""


def printed(*command: object) -> list[str]:
    whole = [sys.executable, "-c", *map(str, command)]
    return subprocess.run(whole, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(
    ("setting", "count", "size", "stays"),
    [
        ("", 1, 256 * MIB, False),
        ("keep_freed_memory", 1, 256 * MIB, True),
        ("", 32, 9 * MIB, True),
        ("return_freed_memory", 32, 9 * MIB, False),
    ],
)
def test_freed_memory_stays_or_goes(setting: str, count: int, size: int, stays: bool) -> None:
    """Each setting where the C library on its own does the opposite."""
    held, after = map(int, printed(MEASURED, setting, count, size))
    assert held == pytest.approx(count * size, rel=0.1)
    assert after == pytest.approx(count * size if stays else 0, abs=count * size / 10)


@pytest.mark.skipif(platform.system() != "Linux", reason="huge pages are Linux's")
def test_what_is_given_back_is_asked_for_in_huge_pages() -> None:
    """torch aligns such memory to a page; else the C library's notes lie between tensors, and shift most."""
    assert printed(HUGE, "keep_freed_memory") == ["False"]
    assert printed(HUGE, "return_freed_memory") == ["True"]


@pytest.mark.parametrize("recompute", [False, True])
def test_little_memory_is_asked_for_with_recompute(monkeypatch: pytest.MonkeyPatch, recompute: bool) -> None:
    called: list[str] = []
    for name in ("keep_freed_memory", "return_freed_memory"):
        monkeypatch.setattr(device, name, lambda name=name: called.append(name))
    device.choose(replace(RUNTIME, device="cpu", recompute=recompute))
    assert called == ["return_freed_memory" if recompute else "keep_freed_memory"]
