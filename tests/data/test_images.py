import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erkt.data.images import Images, open_images
from erkt.data.prepare import prepare
from erkt.errors import ErktError
from erkt.params.prepare import Prepare

KEYS = ["a/0.png", "a/1.png", "b/0.png", "b/1.png", "b/2.png"]
COLOURS = {key: (10 * i, 10 * i + 1, 10 * i + 2) for i, key in enumerate(KEYS)}


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for key in reversed(KEYS):
            data = io.BytesIO()
            Image.new("RGB", (8, 8), COLOURS[key]).save(data, "PNG")
            archive.writestr(key, data.getvalue())
    settings = Prepare(8, "box", "squash", "refuse")
    prepare(tmp_path / "raw.zip", tmp_path / "prepared", settings, lambda done, total: None)
    return tmp_path / "prepared"


@pytest.fixture
def images(prepared: Path) -> Images:
    return open_images(prepared)


def test_all_images_are_there_with_their_classes(images: Images) -> None:
    assert len(images) == 5
    assert images.classes == ("a", "b")
    assert [row.key for row in images.index] == KEYS
    assert images.array[:, :, 0, 0].tolist() == [list(COLOURS[key]) for key in KEYS]


def test_the_array_is_mapped_and_cannot_be_written(images: Images) -> None:
    assert isinstance(images.array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images.array[0] = 0


def test_a_subset_follows_the_order_of_its_list(images: Images) -> None:
    listed = [("b/1.png", 1), ("a/0.png", 0), ("b/0.png", 1)]
    subset = images.subset(listed)
    assert len(subset) == 3
    assert subset.keys == ("b/1.png", "a/0.png", "b/0.png")
    assert subset.classes == ("a", "b")
    assert subset.labels.tolist() == [1, 0, 1]
    assert subset.labels.dtype == subset.rows.dtype == np.int64
    found = subset.pixels([2, 0, 2])
    assert found.shape == (3, 3, 8, 8)
    for image, key in zip(found, ["b/0.png", "b/1.png", "b/0.png"], strict=True):
        np.testing.assert_array_equal(
            image, np.broadcast_to(np.array(COLOURS[key])[:, None, None], (3, 8, 8))
        )


def test_pixels_are_a_contiguous_copy_of_their_own(images: Images) -> None:
    subset = images.subset([(key, int(key[0] == "b")) for key in KEYS])
    for positions in (range(5), np.arange(5), [0], []):
        found = subset.pixels(positions)
        assert found.shape == (len(positions), 3, 8, 8)
        assert found.dtype == np.uint8
        assert type(found) is np.ndarray
        assert found.flags.c_contiguous
        found[:] = 77
    assert subset.pixels([0])[0, :, 0, 0].tolist() == [0, 1, 2]


def test_an_empty_list_is_an_empty_subset(images: Images) -> None:
    subset = images.subset([])
    assert len(subset) == 0
    assert subset.pixels([]).shape == (0, 3, 8, 8)


def test_a_list_of_other_images_or_labels_is_refused(images: Images) -> None:
    with pytest.raises(ErktError, match=r"'b/9.png', which is not among"):
        images.subset([("a/0.png", 0), ("b/9.png", 1)])
    with pytest.raises(ErktError, match=r"'a/1.png' the label 1, the index 0"):
        images.subset([("a/0.png", 0), ("a/1.png", 1)])


@pytest.mark.parametrize("name", ["images.npy", "index.csv", "manifest.json"])
def test_a_missing_or_cut_file_is_named(prepared: Path, name: str) -> None:
    whole = (prepared / name).read_bytes()
    for content in (None, b"", whole[: len(whole) // 2], whole[:-1] if name == "images.npy" else whole[:20]):
        (prepared / name).unlink()
        if content is not None:
            (prepared / name).write_bytes(content)
        with pytest.raises(ErktError) as caught:
            open_images(prepared)
        assert str(caught.value).startswith(f"{prepared / name}: ")
        (prepared / name).write_bytes(whole)
    open_images(prepared)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 3, 8, 8), np.uint8), np.zeros((5, 3, 8, 8), np.int8), np.zeros((5, 8, 8, 3), np.uint8)],
)
def test_an_array_that_is_not_the_manifests_is_refused(prepared: Path, array: np.ndarray) -> None:
    np.save(prepared / "images.npy", array)
    with pytest.raises(ErktError, match=r"images\.npy: .* the manifest says uint8 \[5, 3, 8, 8\]"):
        open_images(prepared)


def test_pickled_objects_are_refused(prepared: Path) -> None:
    np.save(prepared / "images.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(ErktError, match=r"images\.npy: not readable"):
        open_images(prepared)


def test_an_index_of_other_rows_or_classes_is_refused(prepared: Path) -> None:
    lines = (prepared / "index.csv").read_text().splitlines(keepends=True)
    (prepared / "index.csv").write_text("".join(lines[:-1]))
    with pytest.raises(ErktError, match=r"index\.csv does not belong"):
        open_images(prepared)
    (prepared / "index.csv").write_text("".join(lines))
    manifest = json.loads((prepared / "manifest.json").read_text())
    (prepared / "manifest.json").write_text(json.dumps(manifest | {"classes": ["a", "c"]}))
    with pytest.raises(ErktError, match=r"index\.csv does not belong"):
        open_images(prepared)
