import io
import json
from pathlib import Path

import numpy as np
import pytest
from packed import ignore, refused, write, zip_of
from PIL import Image

from erkt.data.images import Images, open_images, open_parts
from erkt.data.prepare import prepare
from erkt.files.digests import sha256_file
from erkt.params.prepare import Prepare

KEYS = ["a/0.png", "a/1.png", "b/0.png", "b/1.png", "b/2.png"]
COLOURS = {key: (10 * i, 10 * i + 1, 10 * i + 2) for i, key in enumerate(KEYS)}


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    files = {}
    for key in reversed(KEYS):
        data = io.BytesIO()
        Image.new("RGB", (8, 8), COLOURS[key]).save(data, "PNG")
        files[key] = data.getvalue()
    settings = Prepare(8, "box", "squash", "refuse")
    prepare(write(tmp_path / "raw.zip", zip_of(files)), tmp_path / "prepared", settings, ignore)
    return tmp_path / "prepared"


@pytest.fixture
def images(prepared: Path) -> Images:
    return open_images(prepared)


def test_all_images_are_there_mapped_and_read_only(images: Images) -> None:
    assert len(images) == 5
    assert images.side == 8
    assert images.classes == ("a", "b")
    assert [row.key for row in images.index] == KEYS
    assert images.array[:, :, 0, 0].tolist() == [list(COLOURS[key]) for key in KEYS]
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


def test_a_list_may_be_empty_but_not_of_other_images_or_labels(images: Images) -> None:
    assert len(images.subset([])) == 0
    assert images.subset([]).pixels([]).shape == (0, 3, 8, 8)
    unknown = refused(images.subset, [("a/0.png", 0), ("b/9.png", 1)])
    assert unknown == "the list names 'b/9.png', which is not among the prepared images; split again"
    other = refused(images.subset, [("a/0.png", 0), ("a/1.png", 1)])
    assert other == "the list gives 'a/1.png' the label 1, the index 0; split again"


def test_parts_carry_what_they_were_made_from(prepared: Path, tmp_path: Path) -> None:
    lists = [write(tmp_path / "train.txt", b"a/0.png\t0\nb/2.png\t1\n"), write(tmp_path / "val.txt", b"")]
    train, val = open_parts(prepared, *lists)
    assert train.keys == ("a/0.png", "b/2.png")
    assert len(val) == 0
    assert train.array_sha256 == val.array_sha256 == sha256_file(prepared / "images.npy")
    assert [train.list_sha256, val.list_sha256] == [sha256_file(path) for path in lists]


@pytest.mark.parametrize("name", ["images.npy", "index.csv", "manifest.json"])
def test_a_missing_or_cut_file_is_named(prepared: Path, name: str) -> None:
    whole = (prepared / name).read_bytes()
    for content in (None, b"", whole[: len(whole) // 2], whole[:-1] if name == "images.npy" else whole[:20]):
        (prepared / name).unlink()
        if content is not None:
            write(prepared / name, content)
        assert refused(open_images, prepared).startswith(f"{prepared / name}: ")
        write(prepared / name, whole)
    open_images(prepared)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (
            np.zeros((4, 3, 8, 8), np.uint8),
            "uint8 of shape [4, 3, 8, 8], the manifest says uint8 [5, 3, 8, 8]",
        ),
        (np.zeros((5, 3, 8, 8), np.int8), "int8 of shape [5, 3, 8, 8], the manifest says uint8 [5, 3, 8, 8]"),
        (np.array([{}, []], dtype=object), "not readable as an array"),  # pickled
    ],
)
def test_an_array_that_is_not_the_manifests_is_refused(
    prepared: Path, array: np.ndarray, reason: str
) -> None:
    np.save(prepared / "images.npy", array)
    assert refused(open_images, prepared).startswith(f"{prepared / 'images.npy'}: {reason}")


def test_an_index_of_other_rows_or_classes_is_refused(prepared: Path) -> None:
    index, manifest = (prepared / "index.csv").read_bytes(), (prepared / "manifest.json").read_bytes()
    write(prepared / "index.csv", b"".join(index.splitlines(keepends=True)[:-1]))
    assert "index.csv does not belong" in refused(open_images, prepared)
    write(prepared / "index.csv", index)
    write(prepared / "manifest.json", json.dumps(json.loads(manifest) | {"classes": ["a", "c"]}).encode())
    assert "index.csv does not belong" in refused(open_images, prepared)
