"""The words that turn one ``params.yaml`` into another in ``dvc exp run --set-param``.

DVC reads them by the grammar of Hydra's overrides: ``key=value`` changes, ``+key=value`` adds, ``~key`` removes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from erkt.errors import ErktError


def overrides(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the overrides that make ``new`` of ``old``; both hold what YAML can: blocks, lists, scalars.

    Raises ErktError for a text that the grammar cannot carry: with ``${``, or a backslash at its end.
    """
    for key in old:
        if key not in new:
            yield f"~{prefix}{key}"
    for key, value in new.items():
        if key not in old:
            yield f"+{prefix}{key}={_literal(value)}"
        elif isinstance(value, Mapping) and isinstance(old[key], Mapping):
            yield from overrides(old[key], value, f"{prefix}{key}.")
        elif isinstance(old[key], (list, Mapping)) and isinstance(value, (list, Mapping)):
            if (
                value != old[key]
            ):  # Hydra puts no list in the place of a block, and no block in that of a list
                yield from (f"~{prefix}{key}", f"+{prefix}{key}={_literal(value)}")
        elif value != old[key] or type(value) is not type(old[key]):
            yield f"{prefix}{key}={_literal(value)}"


def _literal(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        if "${" in value or value.endswith("\\"):
            raise ErktError(f"DVC cannot set the param {value!r}; write $NAME instead of ${{NAME}}")
        return "'" + value.replace("\\'", "\\\\'").replace("'", "\\'") + "'"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)
