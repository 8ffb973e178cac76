"""The embedded dataset: the same bytes for a seed, and drawn by few."""

import hashlib
import zipfile
from argparse import Namespace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from closure import ROOT, imports
from PIL import Image

from erkt.cli.contact_sheet import contact_sheet
from erkt.cli.scenes import run
from erkt.errors import ErktError
from erkt.scenes import CLASSES, render
from erkt.scenes.archive import write_archive


def test_the_demos_archive_with_a_picture_a_class_is_the_recorded_one(tmp_path: Path) -> None:
    write_archive(tmp_path / "scenes.zip", 1, 64, 0)
    with zipfile.ZipFile(tmp_path / "scenes.zip") as archive:
        assert archive.namelist() == [f"{scene}/{scene}_0001.png" for scene in CLASSES]
        stored = np.asarray(Image.open(BytesIO(archive.read("river/river_0001.png"))))
    assert np.array_equal(stored, render("river", 0, 0, 64))
    assert hashlib.sha256((tmp_path / "scenes.zip").read_bytes()).hexdigest() == (
        "fa8f68ccf5564f1e78e7332a94e2d15ec0970371ea39c61a6dc75d2bf6c6490f"
    ), "of Pillow 13.0; the pictures are the same where only its PNG differs"


@pytest.mark.parametrize("scene", CLASSES)
def test_a_scene_is_another_for_another_seed_or_number_and_drawn_at_any_side(scene: str) -> None:
    for side in (16, 47):
        picture = render(scene, 3, 5, side)
        assert (picture.shape, picture.dtype) == ((side, side, 3), np.uint8)
        for other in (render(scene, 4, 5, side), render(scene, 3, 6, side)):
            assert not np.array_equal(picture, other)


@pytest.mark.parametrize(("scene", "side"), [("volcano", 64), ("park", 15)])
def test_an_unknown_class_or_a_tiny_side_is_refused_in_one_line(scene: str, side: int) -> None:
    with pytest.raises(ErktError, match=r"^scenes [^\n]*$"):
        render(scene, 0, 0, side)


def test_the_contact_sheet_shows_the_pictures_in_a_row_for_every_class() -> None:
    sheet = np.asarray(contact_sheet(2, 24, 5))
    bottom, right = sheet.shape[0] - 3, sheet.shape[1] - 3
    assert np.array_equal(sheet[bottom - 24 : bottom, right - 24 : right], render(CLASSES[-1], 5, 1, 24))


@pytest.mark.parametrize(("option", "value", "least"), [("columns", 0, 1), ("side", 0, 1), ("seed", -1, 0)])
def test_a_sheet_of_impossible_size_is_refused_in_one_line(
    tmp_path: Path, option: str, value: int, least: int
) -> None:
    options = {"picture": tmp_path / "sheet.png", "columns": 1, "side": 16, "seed": 0} | {option: value}
    with pytest.raises(ErktError, match=f"^--{option} {value}: expected {least} or more$"):
        run(Namespace(**options))
    assert not any(tmp_path.iterdir())


def test_only_sources_and_commands_draw_scenes_and_who_counts_images_reads_their_catalogue() -> None:
    for path in (ROOT / "erkt").rglob("*.py"):
        module = path.relative_to(ROOT)
        drawing = {file.stem for file in imports(module) if file.is_relative_to("erkt/scenes")}
        if not module.as_posix().startswith(("erkt/scenes/", "erkt/data/sources/", "erkt/cli/")):
            assert drawing <= {"__init__", "catalogue"}, module
            counting = module.is_relative_to("erkt/pipeline/doctor") or module.stem == "images_known"
            assert not drawing or counting, module
