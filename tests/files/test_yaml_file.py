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


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ErktError, match=r"none\.yaml: cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_text("a: [1")
    with pytest.raises(ErktError, match=r"odd\.yaml: is not YAML: .*line") as caught:
        read_yaml(tmp_path / "odd.yaml")
    assert "\n" not in str(caught.value)
