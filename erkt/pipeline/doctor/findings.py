"""What a check-up finds: one line each, with what to do about it."""

from dataclasses import dataclass
from typing import Literal

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True)
class Finding:
    """``problem``: a run will fail or lose work; ``note``: it will do, but not as well as it could."""

    level: Literal["ok", "note", "problem"]
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.level:9}{self.what}" + (f"; fix: {self.fix}" if self.fix else "")


def ok(what: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding("ok", what)


def note(what: str, fix: str) -> Finding:
    """Return a finding that is worth a look; ``fix`` is a command or what to change."""
    return Finding("note", what, fix)


def problem(what: str, fix: str) -> Finding:
    """Return a finding that is to be mended first; ``fix`` is a command or what to change."""
    return Finding("problem", what, fix)


def size(count: float) -> str:
    """Return a number of bytes in words: ``3.4 GB``, ``120.0 MB``, ``17 B``."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} B"
