import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.files.json_file import read_json, read_sealed, write_json, write_sealed
from erkt.files.replace import remove_leftovers, replace_folder, replace_whole, write_text


def test_a_block_that_ends_well_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    with replace_whole(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".bin"
        temporary.write_bytes(b"one")
        assert not path.exists()
    with replace_whole(path) as temporary:
        temporary.write_bytes(b"two")
        assert path.read_bytes() == b"one"
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a.bin"]


@pytest.mark.parametrize("failure", [KeyError, KeyboardInterrupt])
def test_a_block_that_raises_keeps_the_old_file_and_leaves_nothing_else(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replace_whole(path) as temporary:
            temporary.write_bytes(b"half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_replacing_a_hard_linked_file_leaves_the_other_name_alone(tmp_path: Path) -> None:
    write_text(tmp_path / "cache", "recorded")
    os.link(tmp_path / "cache", tmp_path / "work")
    write_text(tmp_path / "work", "new")
    assert (tmp_path / "cache").read_text() == "recorded"
    assert (tmp_path / "work").read_text() == "new"


def test_what_the_file_system_refuses_is_one_line_naming_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(ErktError) as caught:
            write_text(path, "x")
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_written_file_is_readable_by_whom_the_umask_allows(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "whole", "")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_appears_with_all_it_holds_and_drops_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for name in ("first", "second"):
        with replace_folder(path) as temporary:
            (temporary / name).write_text(name)
            assert not (path / name).exists()
        assert os.listdir(path) == [name]
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_whose_block_raises_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with replace_folder(path) as temporary:
        (temporary / "good").write_text("good")

    def write_half() -> None:
        with replace_folder(path) as temporary:
            (temporary / "half").write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert os.listdir(path) == ["good"]
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_that_cannot_take_its_place_gives_the_former_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    with replace_folder(path) as temporary:
        (temporary / "good").write_text("good")
    rename = os.rename

    def refuse_the_new(source: Path, target: Path) -> None:
        if target == path and not (source / "good").exists():
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_the_new)
    with pytest.raises(ErktError, match="Input/output error"), replace_folder(path) as temporary:
        (temporary / "new").write_text("new")
    assert os.listdir(path) == ["good"]
    assert os.listdir(tmp_path) == ["out"]


def test_json_keeps_order_text_and_every_digit(tmp_path: Path) -> None:
    value = {"b": 0.1 + 0.2, "a": ["é", None, True], "tiny": 5e-324}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_bytes().decode()
    assert text.startswith('{\n  "b": 0.30000000000000004,\n')
    assert text.endswith("}\n")
    assert "é" in text
    assert read_json(tmp_path / "a.json") == value
    assert list(read_json(tmp_path / "a.json")) == ["b", "a", "tiny"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_know_are_neither_written_nor_read(tmp_path: Path, number: float) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ErktError, match=r"a\.json"):
        write_json(path, {"loss": number})
    assert os.listdir(tmp_path) == []
    path.write_text(json.dumps({"loss": number}))
    with pytest.raises(ErktError, match=r"a\.json"):
        read_json(path)


def test_a_surrogate_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ErktError, match=r"a\.json"):
        write_json(tmp_path / "a.json", {"name": "\udcff"})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b'{"a": 1', b"", b"\xff", b"[1]", b"3"])
def test_a_file_that_is_no_json_object_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ErktError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ErktError, match=r"gone\.json: no such file"):
        read_json(tmp_path / "gone.json")
    with pytest.raises(ErktError, match="gone"):
        sha256_file(tmp_path / "gone")


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()


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


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "0-[a].csv"
    others = ["0-[a].csv", ".part-0123abcd-1-0-[a].csv", ".part-0123abcd-0-a.csv", "0123abcd-0-[a].csv"]
    for name in [*others, ".part-0123abcd-0-[a].csv"]:
        (tmp_path / name).write_text("x")
    (tmp_path / ".part-89efcdab-0-[a].csv/deep").mkdir(parents=True)
    remove_leftovers(path)
    (tmp_path / "folder/deep").mkdir(parents=True)
    for name in ("folder/.part-0123abcd-x", "folder/deep/.part-0123abcd-y", "folder/deep/y"):
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path / "folder")
    assert [file.name for file in (tmp_path / "folder").rglob("*") if file.is_file()] == ["y"]
    shutil.rmtree(tmp_path / "folder")
    assert sorted(os.listdir(tmp_path)) == sorted(others)
    remove_leftovers(tmp_path / "nowhere/x")
