"""Sizes and ages in words."""

_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_SECONDS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


def size(count: float) -> str:
    """Return a number of bytes with two or three digits: ``3.4 GB``, ``120 MB``, ``17 B``."""
    for unit, name in _BYTES:
        if count >= unit:
            return f"{count / unit:.{1 if count < 100 * unit else 0}f} {name}"
    return f"{count:.0f} B"


def age(seconds: float) -> str:
    """Return a time in its largest unit, rounded down: ``9 days``, ``40 seconds``."""
    for unit, name in _SECONDS:
        if seconds >= 2 * unit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds)} seconds"
