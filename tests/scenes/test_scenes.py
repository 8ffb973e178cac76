import zipfile
from argparse import Namespace
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from erkt.cli.contact_sheet import contact_sheet
from erkt.cli.scenes import run
from erkt.errors import ErktError
from erkt.scenes import CLASSES, render
from erkt.scenes.archive import write_archive
from erkt.scenes.atmosphere import shadows
from erkt.scenes.canvas import Canvas, Light
from erkt.scenes.geometry import boxes

SEED = 11
PER_CLASS = 40  # half to fit, half to test


@cache
def pictures() -> NDArray[np.float32]:
    """Pictures of all classes at 64 pixels, (classes * PER_CLASS, 64, 64, 3), in [0, 1]."""
    stack = np.stack([render(scene, SEED, index, 64) for scene in CLASSES for index in range(PER_CLASS)])
    return np.asarray(stack / 255, dtype=np.float32)


def accuracy_of_a_linear_model(features: NDArray[np.floating]) -> float:
    """Accuracy in percent of logistic regression that is fitted on the first half of every class."""
    labels = np.repeat(np.arange(len(CLASSES)), PER_CLASS)
    fitted = np.tile(np.arange(PER_CLASS) < PER_CLASS // 2, len(CLASSES))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(features[fitted], labels[fitted])
    return 100 * float(model.score(features[~fitted], labels[~fitted]))


def histograms(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Eight-bin histograms of every channel, of gradient magnitude, and of its orientation by magnitude."""
    grey = images.mean(axis=-1)
    down, across = np.gradient(grey, axis=(1, 2))
    size, angle = np.hypot(down, across), np.arctan2(down, across) % np.pi
    rows = []
    for image, strength, direction in zip(images, size, angle, strict=True):
        colours = [np.histogram(image[..., channel], 8, (0, 1))[0] for channel in range(3)]
        steepness = np.histogram(strength, 8, (0, 0.35))[0]
        directions = np.histogram(direction, 8, (0, np.pi), weights=strength)[0] / strength.sum()
        rows.append(np.concatenate([*colours, steepness, directions * strength.size]))
    return np.array(rows)


def test_there_are_fourteen_classes_in_sorted_order() -> None:
    assert len(CLASSES) == 14
    assert list(CLASSES) == sorted(set(CLASSES))


@pytest.mark.parametrize("scene", CLASSES)
def test_a_scene_is_the_same_for_the_same_arguments_and_another_for_any_other(scene: str) -> None:
    picture = render(scene, 3, 5, 32)
    assert picture.shape == (32, 32, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, render(scene, 3, 5, 32))
    for other in (render(scene, 4, 5, 32), render(scene, 3, 6, 32)):
        assert np.abs(picture.astype(int) - other).mean() > 5


@pytest.mark.parametrize("scene", CLASSES)
def test_a_scene_at_another_side_is_the_same_picture_at_another_resolution(scene: str) -> None:
    for index in range(3):
        coarse = render(scene, 3, index, 64).astype(float)
        fine = np.asarray(Image.fromarray(render(scene, 3, index, 128)).reduce(2), dtype=float)
        stranger = render(scene, 3, index + 1, 64).astype(float)
        difference = np.abs(coarse - fine).mean()
        assert difference < 10
        assert difference < 0.5 * np.abs(stranger - fine).mean()


@pytest.mark.parametrize("side", [16, 17, 47, 97])
def test_every_class_is_drawn_at_any_side(side: int) -> None:
    for scene in CLASSES:
        picture = render(scene, 0, 1, side)
        assert picture.shape == (side, side, 3)
        assert picture.std() > 3


def test_many_scenes_of_every_class_are_drawn_and_none_is_empty() -> None:
    assert pictures().std(axis=(1, 2)).mean(axis=-1).min() > 0.01


def test_no_corner_is_left_without_ground() -> None:
    corners = pictures()[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners.max(axis=-1) < 0.03).mean() < 0.005


@pytest.mark.parametrize(("scene", "side"), [("volcano", 64), ("park", 15)])
def test_an_unknown_class_or_a_tiny_side_is_refused_in_one_line(scene: str, side: int) -> None:
    with pytest.raises(ErktError) as refusal:
        render(scene, 0, 0, side)
    assert "\n" not in str(refusal.value)


def test_colour_means_tell_something_about_the_class_but_not_much() -> None:
    accuracy = accuracy_of_a_linear_model(pictures().mean(axis=(1, 2)))
    assert 1.5 * 100 / len(CLASSES) < accuracy < 60


def test_histograms_of_colours_and_gradients_tell_more_but_not_all() -> None:
    means, histogram = pictures().mean(axis=(1, 2)), histograms(pictures())
    assert accuracy_of_a_linear_model(means) < accuracy_of_a_linear_model(histogram) < 75


def test_a_box_throws_a_shadow_of_the_length_that_the_sun_gives() -> None:
    canvas = Canvas(64, 64.0, 0.0, Light(azimuth=0.0, reach=1.0, depth=0.5))
    canvas.fill(boxes([[-10.0, 0.0]], 0.0, 8.0, 16.0), (200, 200, 200), 10.0)
    row = shadows(canvas)[canvas.size // 2] > 0
    x = (np.arange(canvas.size) + 0.5) / canvas.scale - 32.0
    assert not row[x < -5.5].any()
    assert row[(x > -5.3) & (x < 2.5)].all()
    assert not row[x > 5.0].any()


@pytest.mark.parametrize("turn", [0.0, 0.7, 2.5])
def test_the_grid_of_a_canvas_inverts_its_pixel_positions(turn: float) -> None:
    canvas = Canvas(64, 120.0, turn, Light(1.0, 1.0, 0.5))
    x, y = canvas.grid
    points = np.array([[3.0, -20.0], [31.0, 14.0], [-40.0, 7.5]])
    assert canvas.sample(x, points) == pytest.approx(points[:, 0], abs=1 / canvas.scale)
    assert canvas.sample(y, points) == pytest.approx(points[:, 1], abs=1 / canvas.scale)


def test_the_archive_has_the_same_bytes_twice_and_holds_what_render_gives(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a.zip", "b.zip", "c.zip"))
    for path, seed in ((first, 7), (second, 7), (third, 8)):
        write_archive(path, 2, 24, seed)
    assert first.read_bytes() == second.read_bytes() != third.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        assert names == [f"{scene}/{scene}_{number:04d}.png" for scene in CLASSES for number in (1, 2)]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        stored = np.asarray(Image.open(BytesIO(archive.read("river/river_0002.png"))))
    assert np.array_equal(stored, render("river", 7, 1, 24))


def test_a_failed_archive_leaves_neither_a_partial_file_nor_a_changed_one(tmp_path: Path) -> None:
    path = tmp_path / "scenes.zip"
    path.write_bytes(b"before")
    with pytest.raises(ErktError):
        write_archive(path, 1, 8, 0)
    with pytest.raises(ErktError):
        write_archive(path, 0, 24, 0)
    assert [member.name for member in tmp_path.iterdir()] == ["scenes.zip"]
    assert path.read_bytes() == b"before"


def test_the_contact_sheet_shows_the_pictures_in_a_row_for_every_class() -> None:
    sheet = np.asarray(contact_sheet(2, 24, 5))
    picture = render(CLASSES[-1], 5, 1, 24)
    bottom, right = sheet.shape[0] - 3, sheet.shape[1] - 3
    assert np.array_equal(sheet[bottom - 24 : bottom, right - 24 : right], picture)


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [("columns", "0", 1), ("columns", "-1", 1), ("side", "0", 1), ("seed", "-1", 0)],
)
def test_a_sheet_of_impossible_size_is_refused_in_one_line(
    tmp_path: Path, option: str, value: str, least: int
) -> None:
    picture = tmp_path / "sheet.png"
    options = Namespace(picture=picture, columns=1, side=16, seed=0)
    setattr(options, option, int(value))
    with pytest.raises(ErktError, match=f"^--{option} {value}: expected {least} or more$"):
        run(options)
    assert not picture.exists()
