from pathlib import Path

import pytest
from ruamel.yaml import YAML

from erkt.errors import ErktError
from erkt.files.yaml_file import parse_yaml, read_yaml

NUMBERS = ["1e-06", "1e-4", "2E5", "-1.5e3", "1.0e-6", "1.e5", ".5", "+.5e-1", "0.25", "7", "-3", "12e3"]
TEXTS = ["1e", "e5", "1e-", "a1e5", "1e5x", "1.2.3", "v1e5", "'1e-4'", "2024-01-02e3"]


@pytest.mark.parametrize("written", NUMBERS + TEXTS)
def test_numbers_are_those_that_dvc_reads(written: str) -> None:
    ours, theirs = parse_yaml(f"k: {written}", "file")["k"], YAML(typ="safe").load(f"k: {written}")["k"]
    assert ours == theirs
    assert type(ours) is type(theirs)
    assert isinstance(ours, str) == (written in TEXTS)


@pytest.mark.parametrize(
    ("written", "ours", "theirs"),
    [
        ("010", 8, 10),
        ("08", "08", 8),
        ("0o17", "0o17", 15),
        ("yes", True, "yes"),
        ("Off", False, "Off"),
        ("1:30", 90, "1:30"),
        ("190:20:30.15", 685230.15, "190:20:30.15"),
        (".4E11", 4e10, ".4E11"),
        ("-.5", "-.5", -0.5),
    ],
)
def test_what_dvc_would_read_otherwise_is_refused(written: str, ours: object, theirs: object) -> None:
    assert YAML(typ="safe").load(f"k: {written}")["k"] == theirs != ours
    with pytest.raises(
        ErktError, match=r"file: is not YAML: '.*' is one thing here and another to DVC"
    ) as caught:
        parse_yaml(f"k: {written}", "file")
    assert "line 1" in str(caught.value)
    assert parse_yaml(f"k: '{written}'", "file")["k"] == written


@pytest.mark.parametrize("text", ["k: 2024-13-01", f"k: {'9' * 5000}", "[" * 20_000, "{" * 20_000])
def test_what_python_itself_cannot_make_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ErktError, match=r"^file: is not YAML: ") as caught:
        parse_yaml(text, "file")
    assert len(str(caught.value)) < 300


def test_an_anchored_block_may_be_joined_to_one_further_up() -> None:
    """Joining adds its keys to those that stand there; what stands there twice is refused all the same."""
    text = "a:\n  b: &b {<<: &c {x: 1, y: 2}, x: 3}\n<<: *b\nz: 4\n"
    joined = {"x": 3, "y": 2}
    assert parse_yaml(text, "here") == {"a": {"b": joined}, "z": 4} | joined
    with pytest.raises(ErktError, match="the key 'x' is there twice"):
        parse_yaml(text.replace("x: 3", "x: 3, x: 5"), "here")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ErktError, match=r"none\.yaml: cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_text("a: [1")
    with pytest.raises(ErktError, match=r"odd\.yaml: is not YAML: .*line") as caught:
        read_yaml(tmp_path / "odd.yaml")
    assert "\n" not in str(caught.value)
