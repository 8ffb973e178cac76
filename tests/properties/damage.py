"""Files that are not what a reader expects: any bytes, damaged ones, and whole ones that say odd things."""

import copy
import json
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from hypothesis import strategies as st

Bytes = st.SearchStrategy[bytes]
Damage = Callable[[bytes], Bytes]
"""From a file that a reader takes to those that it may not."""

SPECIAL = ["", "\n", "\x00", "..", "/etc/passwd", "a/b", "\ud800", "NaN", "0" * 200_000]
WORDS = st.text(max_size=6) | st.sampled_from(SPECIAL)
NUMBERS = st.integers(-3, 300) | st.sampled_from([2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308])
ODD = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)
"""Values of JSON where others are expected."""
DEEP = [b"[" * 100_000, b'{"a":' * 100_000]


def any_bytes(valid: bytes) -> Bytes:
    """Draw anything: noise, or ``valid`` cut, with changed bytes, or with a piece twice or in its middle."""

    def cut(ends: tuple[int, int]) -> bytes:
        return valid[min(ends) : max(ends)]

    def changed(changes: list[tuple[int, int]]) -> bytes:
        data = bytearray(valid)
        for place, byte in changes:
            data[place] = byte
        return bytes(data)

    def spliced(place: int, piece: bytes) -> bytes:
        return valid[:place] + piece + valid[place:]

    last = len(valid) - 1
    spots = st.integers(0, min(last, 200)) | st.integers(0, last)  # most formats begin with what they are
    return st.one_of(
        st.binary(max_size=100),
        st.tuples(spots, spots).map(cut),
        st.lists(st.tuples(spots, st.integers(0, 255)), min_size=1, max_size=4).map(changed),
        st.builds(spliced, spots, st.binary(max_size=20) | st.just(valid[:100])),
    )


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value of nested ``value``, itself included."""
    yield ()
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        for place in places(value[name]):
            yield (name, *place)


def put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """Return ``value`` with ``new`` at ``place``."""
    if not place:
        return new
    copied = copy.deepcopy(value)
    block = copied
    for name in place[:-1]:
        block = block[name]
    block[place[-1]] = new
    return copied


def any_json(value: Any) -> st.SearchStrategy[Any]:
    """Draw ``value`` with something odd in a place, or without a key."""

    def without(key: Any) -> Any:
        return {name: inner for name, inner in value.items() if name != key}

    damaged = st.builds(partial(put, value), st.sampled_from(list(places(value))), ODD)
    return damaged | st.sampled_from(sorted(value)).map(without) if isinstance(value, dict) else damaged


def json_file(valid: bytes) -> Bytes:
    """Draw a file of JSON that says something else, or any bytes."""
    said = any_json(json.loads(valid)).map(lambda value: json.dumps(value).encode())
    return said | any_bytes(valid) | st.sampled_from([*DEEP, b'{"a": 1e999}', b"9" * 5000])


def header_of(valid: bytes) -> Any:
    """Return what the header of a file of tensors says."""
    (length,) = struct.unpack_from("<Q", valid)
    return json.loads(valid[8 : 8 + length])


def with_header(valid: bytes, said: Any) -> bytes:
    """Return the file of tensors ``valid`` with another header."""
    (length,) = struct.unpack_from("<Q", valid)
    text = json.dumps(said).encode()
    return struct.pack("<Q", len(text)) + text + valid[8 + length :]


def with_text(valid: bytes, name: str, text: str) -> bytes:
    """Return the file of tensors ``valid`` with another text of that name in its header."""
    return with_header(valid, put(header_of(valid), ("__metadata__", name), text))


def safetensors_file(valid: bytes) -> Bytes:
    """Draw a file of tensors whose header, or JSON in its header, says something else, or any bytes."""
    header = header_of(valid)
    inside = [
        any_json(json.loads(text)).map(json.dumps).map(partial(with_text, valid, name))
        for name, text in header.get("__metadata__", {}).items()
        if text.startswith("{")
    ]
    lengths = st.sampled_from([0, 1, len(valid), 2**31, 2**62, 2**64 - 1])
    with_length = lengths.map(lambda claimed: struct.pack("<Q", claimed) + valid[8:])
    return st.one_of(
        any_json(header).map(partial(with_header, valid)), *inside, with_length, any_bytes(valid)
    )


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2**70)
    | st.sampled_from(["", "|u1", "<f2", "|O", "V9", "u1, O"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.tuples(), inner, max_size=3)
    ),
    max_leaves=5,
)
ODD_HEADERS = ["(" * 3000, "{[]: 1}", "{1: 2, 'a': 3}", "-" * 9000 + "1", "[" * 500, "1 if 1 else 2"]


def array_saying(text: str) -> bytes:
    """Return an array with this header."""
    header = text.encode("latin-1", "replace")[:65_535]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


def npy_file(valid: bytes) -> Bytes:
    """Draw an array whose header says something else, or any bytes."""
    fields = st.fixed_dictionaries({"descr": LITERALS, "fortran_order": LITERALS, "shape": LITERALS})
    shapes = st.lists(st.integers(-2, 2**63), max_size=5).map(tuple)
    shaped = shapes.map(lambda shape: {"descr": "|u1", "fortran_order": False, "shape": shape})
    texts = (fields | LITERALS | shaped).map(repr) | st.sampled_from(ODD_HEADERS)
    return texts.map(array_saying) | any_bytes(valid)


def text_file(valid: bytes) -> Bytes:
    """Draw a table or list with cells of any kind, or any bytes."""
    lines = valid.decode().splitlines()
    cells = WORDS | st.sampled_from(['"', '""', ",", "\t", "nan", "-1", "1e999", "\uff11", "\r", "\u2028"])
    rows = st.lists(cells, max_size=8).map(",".join) | st.lists(cells, max_size=3).map("\t".join)
    tables = st.lists(st.sampled_from(lines) | rows, max_size=5).map(lambda found: [*lines[:1], *found])
    joined = st.builds(lambda rows, end: "\n".join(rows) + end, tables, st.sampled_from(["", "\n"]))
    return joined.map(lambda text: text.encode(errors="surrogatepass")) | any_bytes(valid)
