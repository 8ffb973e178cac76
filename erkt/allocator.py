"""What becomes of memory that torch frees on a CPU: kept for the next tensor, or given back to the system at once.

glibc gives large blocks back, and the system hands them out again page by page, each zeroed; a training step frees and
asks for the same blocks again and again. Kept, a process holds the most that it ever needed.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
_LARGE, _MAPPINGS = 2**20, 2**16  # the latter is glibc's own


def keep_freed_memory() -> bool:
    """Keep freed memory for later tensors of this process; return whether the C library can (glibc can)."""
    return _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: -1})


def return_freed_memory() -> bool:
    """Give blocks of 1 MiB or more back to the system once they are freed; return whether the C library can."""
    return _set({_MMAP_MAX: _MAPPINGS, _MMAP_THRESHOLD: _LARGE, _TRIM_THRESHOLD: _LARGE})


def _set(options: dict[int, int]) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    return all(mallopt(option, value) == 1 for option, value in options.items())
