"""Files are replaced whole or not at all, and read back as they were written or refused in one line."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from erkt.errors import ErktError
from erkt.files.digests import md5_file, sha256_file
from erkt.files.json_file import read_json, read_records, read_sealed, write_json, write_sealed
from erkt.files.replace import (
    make_folder,
    remove,
    remove_leftovers,
    replace_folder,
    replace_whole,
    write_text,
)


@contextmanager
def new_file(path: Path, name: str) -> Iterator[None]:
    with replace_whole(path) as temporary:
        temporary.write_text(name)
        yield


@contextmanager
def new_folder(path: Path, name: str) -> Iterator[None]:
    with replace_folder(path) as temporary:
        (temporary / name).write_text("")
        yield


def held(path: Path) -> str | None:
    """Return the text of a file, the one name in a folder, or None."""
    if path.is_dir():
        return " ".join(os.listdir(path))
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize("replacing", [new_file, new_folder])
def test_what_was_there_stays_until_the_block_has_ended_well(tmp_path: Path, replacing: Any) -> None:
    path = tmp_path / "new" / "out"
    for before, after in ((None, "one"), ("one", "two")):
        with replacing(path, after):
            assert held(path) == before
        assert held(path) == after
    for failure in (KeyError, KeyboardInterrupt):
        with pytest.raises(failure), replacing(path, "three"):
            raise failure
        assert held(path) == "two"
    assert os.listdir(path.parent) == ["out"]


def test_replacing_a_hard_linked_file_leaves_the_other_name_alone(tmp_path: Path) -> None:
    write_text(tmp_path / "cache", "recorded")
    os.link(tmp_path / "cache", tmp_path / "work")
    write_text(tmp_path / "work", "new")
    assert (held(tmp_path / "cache"), held(tmp_path / "work")) == ("recorded", "new")


def test_a_folder_that_cannot_take_its_place_gives_the_former_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    with new_folder(path, "good"):
        pass
    rename = os.rename

    def refuse_the_new(source: Path, target: Path) -> None:
        if target == path and held(source) == "new":
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_the_new)
    with pytest.raises(ErktError, match="Input/output error"), new_folder(path, "new"):
        pass
    assert held(path) == "good"
    assert os.listdir(tmp_path) == ["out"]


def test_what_the_file_system_refuses_is_one_line_naming_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(ErktError) as caught:
            write_text(path, "x")
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_one_line_and_one_that_is_there_is_fine(tmp_path: Path) -> None:
    make_folder(tmp_path / "a/b")
    make_folder(tmp_path / "a/b")
    (tmp_path / "file").write_text("")
    with pytest.raises(ErktError, match=r"file/c: not made: .*Not a directory"):
        make_folder(tmp_path / "file/c")


def test_a_written_file_is_readable_by_whom_the_umask_allows(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "whole", "")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    others = ["0-[a].csv", ".part-0123abcd-1-0-[a].csv", ".part-0123abcd-0-a.csv", "0123abcd-0-[a].csv"]
    for name in [*others, ".part-0123abcd-0-[a].csv"]:
        (tmp_path / name).write_text("x")
    (tmp_path / ".part-89efcdab-0-[a].csv/deep").mkdir(parents=True)
    remove_leftovers(tmp_path / "0-[a].csv")
    assert sorted(os.listdir(tmp_path)) == sorted(others)
    (tmp_path / "folder/deep").mkdir(parents=True)
    for name in ("folder/.part-0123abcd-x", "folder/deep/.part-0123abcd-y", "folder/deep/y"):
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path / "folder")
    assert [file.name for file in (tmp_path / "folder").rglob("*") if file.is_file()] == ["y"]
    remove_leftovers(tmp_path / "nowhere/x")


def test_json_keeps_order_text_and_every_digit(tmp_path: Path) -> None:
    value = {"b": 0.1 + 0.2, "a": ["é", None, True], "tiny": 5e-324}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_bytes().decode()
    assert text.startswith('{\n  "b": 0.30000000000000004,\n')
    assert text.endswith("}\n")
    assert "é" in text
    assert read_json(tmp_path / "a.json") == value
    assert list(read_json(tmp_path / "a.json")) == ["b", "a", "tiny"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "\udcff"])
def test_what_json_does_not_know_is_not_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(ErktError, match=r"a\.json: not written"):
        write_json(tmp_path / "a.json", {"loss": value})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [None, b'{"a": 1', b"", b"\xff", b"[1]", b"3", b'{"loss": NaN}'])
def test_a_file_that_is_not_there_or_no_json_object_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    for read in (read_json, read_records, read_sealed):
        with pytest.raises(ErktError, match=r"a\.json"):
            read(tmp_path / "a.json")


def test_every_bit_of_a_sealed_file_counts(tmp_path: Path) -> None:
    path, value = tmp_path / "facts.json", {"name": "é", "third": 1 / 3, "rows": [1, {"a": None}]}
    write_sealed(path, value)
    assert read_sealed(path) == value
    whole = path.read_bytes()
    refused: list[str] = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert read_sealed(path) == value  # white space became other white space
        except ErktError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert not any("\n" in line for line in refused)


def test_digests_are_those_of_the_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    assert md5_file(tmp_path / "a") == hashlib.md5(data).hexdigest()
    for digest in (sha256_file, md5_file):
        with pytest.raises(ErktError, match="gone: not readable: No such file"):
            digest(tmp_path / "gone")


def test_a_key_that_an_object_lacks_is_named_with_its_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1})
    write_json(tmp_path / "rows.json", [{"b": 1}])
    found, (row,) = read_json(tmp_path / "a.json"), read_records(tmp_path / "rows.json")
    assert (found["b"], found.get("c"), found) == (1, None, {"b": 1})
    for value, name in ((found, "a.json"), (row, "rows.json")):
        with pytest.raises(ErktError, match=rf"{name}: the key 'c' is missing"):
            value["c"]


def test_what_is_shown_of_an_error_moves_no_cursor() -> None:
    shown = "a\\n\\x1b[2J\\u2028é 森"
    assert str(ErktError("a\n\x1b[2J\u2028é 森")) == shown
    assert str(ErktError(str(ErktError("a\n\x1b[2J\u2028é 森")))) == shown


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ErktError, match="pipe: not written: a pipe or a device, which cannot be replaced"):
        write_text(tmp_path / "pipe", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()


def test_removing_a_link_leaves_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("")
    (tmp_path / "link").symlink_to("folder")
    remove(tmp_path / "link")
    assert not (tmp_path / "link").exists()
    assert (tmp_path / "folder/file").exists()
    remove(tmp_path / "folder/file")
    remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []
