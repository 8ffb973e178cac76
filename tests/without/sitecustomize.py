"""Hides packages that a machine may lack, in every process whose PYTHONPATH begins here."""

import os
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

LACKING = frozenset(os.environ.get("WITHOUT", "").split(","))
_find = PathFinder.find_spec


def find_spec(
    name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
) -> ModuleSpec | None:
    """Find no package that WITHOUT names, as if it were not installed: importing it raises."""
    return None if name.partition(".")[0] in LACKING else _find(name, path, target)


PathFinder.find_spec = find_spec
