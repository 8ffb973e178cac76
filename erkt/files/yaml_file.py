"""YAML files as DVC reads them: numbers by YAML 1.2, so that ``1e-06`` is one.

PyYAML follows YAML 1.1, where it is text; and that is how ``dvc exp run --set-param`` writes it. What else is
read differently is refused: 010 is 8 to one and 10 to the other, ``yes`` true and text, 1:30 90 and text.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from erkt.errors import ErktError

_TAG = "tag:yaml.org,2002:"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, libyaml's where it is there, with one more way to write a float.

    A key that is there twice is refused: YAML forbids it, DVC refuses it, and PyYAML takes the last.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._looked_at = set[int]()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Look for double keys as they are written: joining an anchored block brings more of them."""
        if id(node) not in self._looked_at:
            self._looked_at.add(id(node))
            _check_keys(node)
        super().flatten_mapping(node)


def _check_keys(node: yaml.MappingNode) -> None:
    first: dict[tuple[str, str], yaml.Mark] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != f"{_TAG}merge":
            former = first.setdefault((key.tag, key.value), key.start_mark)
            if former is not key.start_mark:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is there twice, first at line {former.line + 1}",
                    key.start_mark,
                )  # fmt: skip


_DECIMAL = r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]+([eE][-+][0-9]+)?)"
_PLAIN = {
    "bool": re.compile("true|false", re.IGNORECASE),
    "int": re.compile("[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)"),
    "float": re.compile(rf"{_DECIMAL}|[-+]?\.inf|\.nan", re.IGNORECASE),
    "str": re.compile(rf"(?!([-+]?0o?[0-9_]+|{_DECIMAL})$).*", re.DOTALL),
}
"""By kind, what both versions of YAML take for one where it has no quotes."""


def _agreed(kind: str) -> Callable[[_Loader, yaml.ScalarNode], Any]:
    """Return what constructs a ``kind``; it refuses what is another kind or number to DVC."""
    construct = getattr(yaml.SafeLoader, f"construct_yaml_{kind}")

    def construct_agreed(loader: _Loader, node: yaml.ScalarNode) -> Any:
        if not node.style and not _PLAIN[kind].fullmatch(node.value):
            said = f"'{node.value}' is one thing here and another to DVC"
            advice = "write true, false, a decimal number, or text in quotes"
            raise yaml.constructor.ConstructorError(None, None, f"{said}; {advice}", node.start_mark)
        return construct(loader, node)

    return construct_agreed


for _kind in _PLAIN:
    _Loader.add_constructor(_TAG + _kind, _agreed(_kind))
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> Any:
    """Return what the file at ``path`` holds; ErktError if it is missing, unreadable, or not YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ErktError(f"{path}: cannot be read ({error})") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return what ``text`` holds; ErktError naming ``where`` if it is not YAML."""
    try:
        return yaml.load(text, _Loader)
    # Beside its own errors come those of Python for a date or number that is none, and of blocks too deep.
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ErktError(f"{where}: is not YAML: {' '.join(str(error).split())}") from None
