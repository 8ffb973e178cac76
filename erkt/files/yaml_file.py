"""YAML files as DVC reads them: numbers by YAML 1.2, so that ``1e-06`` is one.

PyYAML follows YAML 1.1, where it is text; and that is how ``dvc exp run --set-param`` writes it.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from erkt.errors import ErktError


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, libyaml's where it is there, with one more way to write a float.

    A key that is there twice is refused: YAML forbids it, DVC refuses it, and PyYAML takes the last.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the block's keys and values."""
        first: dict[tuple[str, str], yaml.Mark] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                former = first.setdefault((key.tag, key.value), key.start_mark)
                if former is not key.start_mark:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' is there twice, first at line {former.line + 1}",
                        key.start_mark,
                    )  # fmt: skip
        return dict(super().construct_mapping(node, deep=deep))


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
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
    except yaml.YAMLError as error:
        raise ErktError(f"{where}: is not YAML: {' '.join(str(error).split())}") from None
