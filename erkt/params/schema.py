"""Strict parameters: a mapping becomes a frozen dataclass, or one clear line says why not.

A schema is a frozen dataclass whose fields are annotated with ``bool``, ``int``, ``float``, ``str``,
``Literal[...]`` of texts, another schema, ``tuple[T, ...]``, ``tuple[T, T]``, ``dict[str, T]`` or a union of
these (``| None`` where absence is a choice); ``Any`` is for what another schema checks. ``Annotated[float,
Between(0, 1)]`` adds a range. Every field must be given: a default in code would be a number that no commit
of ``params.yaml`` shows.

Deliberately absent: coercion. ``"0.5"`` is text and is refused with the spelling to use.
"""

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union

from erkt.errors import ErktError

T = TypeVar("T")


@dataclass(frozen=True)
class Between:
    """A closed range for a number; ``above`` and ``below`` make an end open."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def check(self, value: float, where: str) -> None:
        """Raise ErktError if ``value`` lies outside."""
        under = value <= self.low if self.above else value < self.low
        over = value >= self.high if self.below else value > self.high
        if under or over or not math.isfinite(value):
            raise ErktError(f"{where}: {value} is out of range, expected {self}")

    def __str__(self) -> str:
        low = f"{'more than' if self.above else 'at least'} {self.low:g}"
        high = f"{'less than' if self.below else 'at most'} {self.high:g}"
        return " and ".join(text for text, end in ((low, self.low), (high, self.high)) if math.isfinite(end))


@dataclass(frozen=True)
class Length:
    """The smallest number of entries of a list or mapping, and whether entries must differ."""

    low: int
    distinct: bool = False

    def check(self, value: Any, where: str) -> None:
        """Raise ErktError if ``value`` has too few entries, or repeats one that must be distinct."""
        if len(value) < self.low:
            raise ErktError(f"{where}: {len(value)} entries, expected at least {self.low}")
        if self.distinct and len(set(value)) < len(value):
            raise ErktError(f"{where}: an entry is repeated in {list(value)}")


@dataclass(frozen=True)
class Names:
    """Keys of a mapping that become file and stage names: letters, digits, ``_`` and ``-``."""

    def check(self, value: Mapping[str, Any], where: str) -> None:
        """Raise ErktError if a key has a character that a stage name cannot carry."""
        for key in value:
            if not key.replace("_", "").replace("-", "").isalnum() or not key.isascii():
                raise ErktError(f"{where}: the name '{key}' may hold only letters, digits, '_' and '-'")


def build(schema: type[T], value: Any, where: str) -> T:
    """Return the ``schema`` instance that ``value`` describes.

    ``where`` is the dotted place of ``value`` in the user's file, for messages. Raises ErktError naming the
    place and what is expected: an unknown key (with the nearest valid one), a missing key, a wrong type, a
    number outside its range, or whatever a schema's own ``__post_init__`` refuses.
    """
    if not isinstance(value, Mapping):
        raise ErktError(f"{where}: expected a block of keys, found {_shown(value)}")
    hints = typing.get_type_hints(schema, include_extras=True)
    for key in value:
        if key not in hints:
            raise ErktError(f"{where}: unknown key '{_cut(str(key))}'{nearest(str(key), hints)}")
    for key in hints:
        if key not in value:
            raise ErktError(f"{where}: the key '{key}' is missing")
    fields = {key: _convert(hint, value[key], f"{where}.{key}") for key, hint in hints.items()}
    try:
        return schema(**fields)
    except ErktError as error:
        raise ErktError(f"{where}: {error}") from None


def look_up(values: Mapping[str, Any], key: str, where: str) -> Any:
    """Return the value of nested ``values`` at the dotted ``key``; ErktError naming ``where`` otherwise."""
    found: Any = values
    for name in key.split("."):
        if not isinstance(found, Mapping) or name not in found:
            raise ErktError(f"{where}: the key '{key}' is missing")
        found = found[name]
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name most like ``name``, else all known names."""
    names = [str(key) for key in known]
    close = difflib.get_close_matches(name, names)
    if not close:
        return f"; known are: {', '.join(names)}"
    # Two letters in each other's place count as two changes there: 'epxort' is as near to 'report'.
    swapped = [one for one in close if sorted(one) == sorted(name)]
    return f"; did you mean '{(swapped or close)[0]}'?"


def as_dict(settings: Any) -> dict[str, Any]:
    """Return a schema instance as JSON gives it back: nested plain dicts, and lists instead of tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return plain


_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a block of keys",
    type(None): "nothing",
}


_LARGEST = 2**63
"""Whole numbers are smaller: beyond, libraries overflow, and Python refuses to write some."""

_SHOWN = 60


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _shown(value: Any) -> str:
    name = _KINDS.get(type(value), type(value).__name__)
    return f"{name} ({_cut(repr(value))})" if isinstance(value, (str, int, float)) else name


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        converted = _convert(args[0], value, where)
        for check in args[1:]:
            check.check(converted, where)
        return converted
    if origin is Literal:
        if value not in args:
            raise ErktError(f"{where}: {_shown(value)} is not one of {', '.join(map(str, args))}")
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, where)
    if origin is tuple:
        return _convert_list(args, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ErktError(f"{where}: expected a block of names, found {_shown(value)}")
        for key in value:
            if not isinstance(key, str):
                raise ErktError(f"{where}: the name {_shown(key)} must be text; write it in quotes")
        return {key: _convert(args[1], item, f"{where}.{_cut(key)}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    return _convert_scalar(hint, value, where)


def _convert_union(args: tuple[Any, ...], value: Any, where: str) -> Any:
    """Return ``value`` by the member that takes it; where none does, the first one complains."""
    if value is None and type(None) in args:
        return None
    first, *others = (arg for arg in args if arg is not type(None))
    for other in others:
        with suppress(ErktError):
            return _convert(other, value, where)
    return _convert(first, value, where)


def _convert_list(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ErktError(f"{where}: expected a list, found {_shown(value)}")
    if args[-1] is not Ellipsis and len(value) != len(args):
        raise ErktError(f"{where}: expected {len(args)} entries, found {len(value)}")
    kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
    return tuple(_convert(kinds[place], item, f"{where}[{place}]") for place, item in enumerate(value))


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if type(value) is int and abs(value) >= _LARGEST:
        raise ErktError(f"{where}: a whole number of {value.bit_length()} bits is out of range")
    if type(value) is hint:
        return value
    if hint is float and type(value) is int:
        return float(value)
    message = f"{where}: expected {_KINDS[hint]}, found {_shown(value)}"
    if hint in (int, float) and isinstance(value, str):
        with suppress(ValueError, OverflowError):
            number: float = (
                int(value) if hint is int or value.strip().lstrip("+-").isdigit() else float(value)
            )
            if math.isfinite(number):
                message += f"; write {number!r} without quotes"
    raise ErktError(message)
