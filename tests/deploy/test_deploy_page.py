"""The commands of docs/deploy.md, as they stand, on the student of a tiny protocol.

Those of ``you`` run in an environment that holds the wheel and what it asks for, without torch.
"""

import re
import shutil
import zipfile
from pathlib import Path

import pytest
from clone import finished_clone
from closure import ROOT
from empty_environment import build_wheel, install_alone
from shell_blocks import Team, blocks, missing

from erkt.scenes import CLASSES

pytest.importorskip("rasterio", reason="the page makes a map: pip install 'erkt[geo]'")

pytestmark = pytest.mark.slow

TEXT = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")


def without_model(text: str) -> str:
    """Return a text without what another student says: its name, classes, certainty and calibration."""
    text = re.sub(rf"\b({'|'.join(sorted(CLASSES, key=len, reverse=True))}) [\d.]+%", "CLASS", text)
    text = re.sub(r"^temperature .*", "CALIBRATION", text, flags=re.MULTILINE)
    text = re.sub(r"^int8 \(.* agrees with .*", "COMPARED", text, flags=re.MULTILINE)
    text = re.sub(r"^small\.onnx is int8$|^int8 is refused, .*", "JUDGED", text, flags=re.MULTILINE)
    text = re.sub(r"^map: .*(?=; \d+ windows a second$)", "map: MAPPED", text, flags=re.MULTILINE)
    return re.sub(r"test_\w+,|(?: \(unsure\))$", "", text, flags=re.MULTILINE)


def test_the_commands_of_the_page_work_one_after_the_other(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = tmp_path / "environment"
    if not install_alone(build_wheel(tmp_path / "built"), environment, "[geo]"):
        pytest.skip("pip reaches no index here")
    alone = f"unset PYTHONPATH\nexport PATH={environment}/bin:$PATH\n"
    clone, _ = finished_clone(tmp_path_factory)
    clone.folder.rename(tmp_path / "lab")
    team = Team(tmp_path, blocks(TEXT), PYTHONPATH=str(tmp_path / "lab"), OMP_NUM_THREADS="1")
    assert (tmp_path / "lab/data/exports/0/model.onnx").is_file()
    for title, block in team.document.items():
        if block.person == "you" and not (tmp_path / "you").exists():
            (tmp_path / "you").mkdir()
            shutil.copy(tmp_path / "lab/student.onnx", tmp_path / "you")
            with zipfile.ZipFile(tmp_path / "lab/data/archive") as archive:
                archive.extractall(tmp_path / "you/scenes")
        before = alone if block.person == "you" else ""
        printed = without_model(team.shell(block.person, before + block.commands))
        shown = tuple(without_model(line) for line in block.shown)
        assert missing(shown, printed) == [], f"{title}:\n{printed}"
    assert (tmp_path / "you/predictions.parquet").is_file()
    assert not list((environment / "lib").glob("python*/site-packages/torch"))
