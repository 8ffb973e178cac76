"""What becomes of memory that torch frees on a CPU: kept for the next tensor, or given back at once.

glibc gives large blocks back, and the system hands them out again page by page, each zeroed; a training step
frees and asks for the same blocks again and again. Kept, a process holds the most that it ever needed.
"""

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
_LARGE, _MAPPINGS = 2**23, 2**16  # the latter is glibc's own
_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # torch reads it once, at the process's first tensor


def keep_freed_memory() -> bool:
    """Keep freed memory for later tensors of this process; return whether the C library can (glibc can)."""
    return _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: -1})


def return_freed_memory() -> bool:
    """Give blocks of 8 MiB or more back to the system once they are freed; return whether the C library can.

    Called before the first tensor, it also has torch ask for huge pages (Linux), which take a third to a half
    off an epoch. With them, giving back from 16 MiB on takes up to a quarter more memory and as much time;
    without, from 1 MiB on, up to a third more time and as much memory (B0 recomputed, 128 and 256 px, one run
    each).
    """
    os.environ.setdefault(_HUGE_PAGES, "1")
    return _set({_MMAP_MAX: _MAPPINGS, _MMAP_THRESHOLD: _LARGE, _TRIM_THRESHOLD: _LARGE})


def _set(options: dict[int, int]) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    return all(mallopt(option, value) == 1 for option, value in options.items())
