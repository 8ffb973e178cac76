"""Whether an error says that there was too little memory: libraries have many ways to say it."""

import errno

_WORDS = (
    "allocate memory",  # torch on a CPU, and the C library
    "out of memory",  # CUDA
    "failed to map segment",  # the loader of shared libraries
    "start new thread",
)


def short_of_memory(error: BaseException | None) -> bool:
    """Return whether ``error``, or what caused it, says that there was too little memory."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        spoken = isinstance(error, (RuntimeError, ImportError, OSError))
        if spoken and any(words in str(error).lower() for words in _WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
