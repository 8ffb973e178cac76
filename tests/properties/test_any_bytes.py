"""Readers: whatever bytes a file has, there is a value or one line."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from damage import DEEP, ODD_HEADERS, array_saying, header_of, with_text
from hypothesis import given
from hypothesis import strategies as st
from packed import refused
from readers import READERS

from erkt.errors import ErktError

Place = tuple[str, Path]


def instead(data: bytes) -> Callable[[bytes], bytes]:
    return lambda valid: data


def shaped(descr: str, shape: str) -> Callable[[bytes], bytes]:
    return instead(array_saying(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"))


def card_with(valid: bytes, old: str, new: str) -> bytes:
    card = header_of(valid)["__metadata__"]["card"]
    assert old in card
    return with_text(valid, "card", card.replace(old, new))


FIELD = b"0" * 200_000
FOUND: dict[str, list[Callable[[bytes], bytes]]] = {
    "parts": [lambda valid: b"\xff" + valid, lambda valid: valid + FIELD + b",train\n", instead(b'"a')],
    "prepared array": [
        *(instead(array_saying(text)) for text in ODD_HEADERS),
        shaped("'|u1'", "(9223372036854775808, 2)"),
        shaped("'|O'", "(3,)"),
    ],
    "cached logits": [shaped("None", "None"), lambda valid: valid.replace(b"<f2", b"<i2")],
    "network": [
        lambda valid: with_text(valid, "card", "{}"),
        lambda valid: with_text(valid, "card", "[" * 100_000),
        lambda valid: card_with(valid, '"side": 16', '"side": "16"'),
        lambda valid: card_with(valid, '"options": {}', '"options": {"checkpoint_path": "evil.pth"}'),
        lambda valid: card_with(valid, '"test_resnet"', '"hf-hub:evil/network"'),
    ],
    "logits": [
        lambda valid: with_text(valid, "about", "89"),
        lambda valid: with_text(valid, "about", "not JSON"),
        lambda valid: valid.replace(b"[31,3]", b"[3,31]"),
    ],
    "model's card": [instead(DEEP[0])],
    "ONNX": [
        lambda valid: valid.replace(b"erkt", b"\x8crkt"),
        lambda valid: valid.replace(b"images", b"imagos"),
    ],
    "json": [*map(instead, DEEP), instead(b'{"a": 1e999}')],
    "predictions": [
        lambda valid: valid.replace(b"red", FIELD),
        lambda valid: valid.replace(b",blue,0.9", b""),
    ],
    "literature": [lambda valid: b"\xa3" + valid, lambda valid: valid.replace(b"97.1", b"high")],
}
"""What searches have found: each once ended in a traceback, or was taken for right."""


@pytest.fixture(scope="module", params=READERS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return request.param, READERS[request.param].make(tmp_path_factory.mktemp("reader"))


def test_what_is_whole_is_read(place: Place) -> None:
    name, path = place
    READERS[name].read(path)


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    path = reader.make(tmp_path)
    whole = path.read_bytes()
    for change in FOUND[name]:
        path.write_bytes(change(whole))
        reader.seal(path)
        assert refused(reader.read, path)


def test_a_checkpoint_of_another_form_is_none(tmp_path: Path) -> None:
    reader = READERS["checkpoint"]
    path = reader.make(tmp_path)
    for text in ("[]", '{"state": {"step": 1}, "about": [false, 101]}', "[" * 100_000):
        path.write_bytes(with_text(path.read_bytes(), "text", text))
        reader.seal(path)
        assert reader.read(path) is None


@given(data=st.data())
def test_any_bytes_are_a_value_or_one_line(place: Place, data: st.DataObject) -> None:
    name, path = place
    reader, whole = READERS[name], path.read_bytes()
    try:
        path.write_bytes(data.draw(reader.damage(whole)))
        reader.seal(path)
        with suppress(ErktError):
            reader.read(path)
    finally:
        path.write_bytes(whole)
        reader.seal(path)
