"""docs/fleet.md: the blocks that need one machine, run as they stand."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from clone import Clone
from closure import ROOT
from deploy_run import made_run
from shell_blocks import Block, Team

from erkt.deploy import onnx_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'erkt[fleet]'"),
]


def block(title: str) -> Block:
    """Return the block of this title; the page's others have none, since they need machines."""
    page = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    (text,) = re.findall(rf"^    # {re.escape(title)}\n((?:    .*\n)+)", page, flags=re.MULTILINE)
    lines = [line[4:] for line in text.splitlines()]
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return Block(title, "\n".join(commands), tuple(line for line in lines if not line.startswith("$ ")))


def team(folder: Path, title: str) -> Team:
    return Team(folder, {title: block(title)}, PYTHONPATH=str(ROOT))


def test_two_cells_at_once_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "you").mkdir()
    clone = Clone(tmp_path / "you")
    title = "you: two cells at once on this machine"
    printed = team(tmp_path, title).run(title)
    assert len(re.findall(r"^[\w@-]+: made in ", printed, flags=re.MULTILINE)) == 13
    assert (clone.folder / "metrics/environment/distill-0.json").is_file()


def test_predict_with_two_workers(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    described = made.described()
    (tmp_path / "you").mkdir()
    onnx_file.write(described.model, described.card, tmp_path / "you/student.onnx")
    shutil.move(tmp_path / "run/images", tmp_path / "you/scenes")
    title = "you: predict with two workers"
    team(tmp_path, title).run(title)
