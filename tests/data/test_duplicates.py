import io
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from erkt.data import duplicates
from erkt.data.duplicates import MAX_BITS, Fingerprint, duplicate_groups, find, fingerprint
from erkt.scenes import CLASSES, render

SIDE = 96
Edit = Callable[[Image.Image], Image.Image]


def jpeg(quality: int) -> Edit:
    def edit(image: Image.Image) -> Image.Image:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality)
        return Image.open(out).convert("RGB")

    return edit


def array(image: Image.Image) -> NDArray[np.uint8]:
    """Return the image as preparation would: RGB, the common side, channels first."""
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)).transpose(2, 0, 1)


EDITS: dict[str, tuple[Edit, str]] = {
    "compressed again": (jpeg(40), "as it is"),
    "half the size": (lambda image: image.resize((SIDE // 2, SIDE // 2)), "as it is"),
    "twice the size": (lambda image: image.resize((2 * SIDE, 2 * SIDE)), "as it is"),
    "brighter": (lambda image: ImageEnhance.Brightness(image).enhance(1.15), "as it is"),
    "flatter": (lambda image: ImageEnhance.Contrast(image).enhance(0.8), "as it is"),
    "grey": (lambda image: image.convert("L"), "as it is"),
    "cut two pixels beside": (lambda image: image.crop((2, 0, SIDE, SIDE - 2)), "as it is"),
    # Pillow turns counter-clockwise, as numpy does: what undoes a quarter turn is three of them.
    "turned by 90": (lambda image: image.transpose(Image.Transpose.ROTATE_90), "turned by 270 degrees"),
    "turned by 180": (lambda image: image.transpose(Image.Transpose.ROTATE_180), "turned by 180 degrees"),
    "turned by 270": (lambda image: image.transpose(Image.Transpose.ROTATE_270), "turned by 90 degrees"),
    "mirrored": (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "mirrored"),
    "upside down": (
        lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        "mirrored and turned by 180 degrees",
    ),
    "transversed": (
        lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        "mirrored and turned by 270 degrees",
    ),
    "transposed and compressed": (
        lambda image: jpeg(60)(image.transpose(Image.Transpose.TRANSPOSE)),
        "mirrored and turned by 90 degrees",
    ),
}


@pytest.fixture(scope="module")
def scenes() -> list[Image.Image]:
    """Return four scenes of each class of the embedded dataset."""
    return [
        Image.fromarray(np.ascontiguousarray(render(name, 0, i, SIDE))) for name in CLASSES for i in range(4)
    ]


@pytest.fixture(scope="module")
def prints(scenes: list[Image.Image]) -> list[Fingerprint]:
    return [fingerprint(array(scene)) for scene in scenes]


def test_different_scenes_are_no_duplicates_nor_are_none(prints: list[Fingerprint]) -> None:
    for some in (prints, prints[:1], []):
        found = find(some)
        assert found.equal == found.near == found.groups(len(some)) == []


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_copy_is_a_near_duplicate_of_its_scene_alone(
    name: str, scenes: list[Image.Image], prints: list[Fingerprint]
) -> None:
    edit, orientation = EDITS[name]
    count = len(scenes)
    chosen = range(3, count, 4)  # one scene a class
    found = find([*prints, *(fingerprint(array(edit(scenes[i]))) for i in chosen)])
    assert found.equal == []
    assert [(pair.first, pair.second) for pair in found.near] == [
        (i, count + n) for n, i in enumerate(chosen)
    ]
    assert {pair.orientation for pair in found.near} == {orientation}
    assert all(pair.bits <= MAX_BITS and 0.7 <= pair.similarity <= 1.001 for pair in found.near)


def test_equal_means_every_pixel(scenes: list[Image.Image]) -> None:
    first = array(scenes[0])
    touched = first.copy()
    touched[2, 50, 50] ^= 1
    found = find([fingerprint(pixels) for pixels in (first, touched, first.copy())])
    assert found.equal == [[0, 2]]
    assert [(pair.first, pair.second, pair.bits) for pair in found.near] == [(0, 1, 0)]
    assert found.near[0].similarity == pytest.approx(1.0, abs=2e-3)
    assert found.groups(3) == [[0, 1, 2]]


def test_images_without_detail_are_near_to_nothing() -> None:
    plain = np.full((3, SIDE, SIDE), 90, np.uint8)
    lighter = plain + np.uint8(2)
    slope = plain + np.linspace(0, 40, SIDE).astype(np.uint8)
    brighter_slope = slope + np.uint8(1)  # the same steps of one grey level
    assert np.array_equal(fingerprint(slope).hashes, fingerprint(brighter_slope).hashes)
    found = find([fingerprint(pixels) for pixels in (plain, lighter, slope, brighter_slope, plain.copy())])
    assert found.equal == [[0, 4]]
    assert found.near == []


def test_a_shared_layout_alone_is_not_enough() -> None:
    """Two shores of one course have nearly the same hash; their sand and waves differ."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    shore = 125 + 65 * np.tanh((columns - SIDE / 2 - rows / 5 - 20 * np.sin(rows / 14)) / 12)
    made = []
    for seed in (0, 1):
        texture = np.random.default_rng(seed).integers(0, 30, (SIDE // 3, SIDE // 3))
        grey = shore + np.kron(texture, np.ones((3, 3), int))
        made.append(fingerprint(np.broadcast_to(grey, (3, SIDE, SIDE)).astype(np.uint8)))
    assert int(np.bitwise_count(made[0].hashes[0] ^ made[1].hashes[0])) <= MAX_BITS
    assert find(made).near == []


def test_the_search_by_tiles_finds_what_comparing_all_pairs_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_ROWS", 5)
    monkeypatch.setattr(duplicates, "_COLUMNS", 7)
    monkeypatch.setattr(duplicates, "_CONFIRMED_AT_ONCE", 3)
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, (40, 8), dtype=np.uint64)
    for number in range(20, 40):  # neighbours of the first twenty, 1 to 20 bits away in some orientation
        bits = random.permutation(64)[: number - 19]
        hashes[number, number % 8] = hashes[number - 20, 0] ^ np.bitwise_or.reduce(
            np.uint64(1) << bits.astype(np.uint64)
        )
    expected = {
        (i, j, k, distance)
        for i, j, k in itertools.product(range(40), range(40), range(8))
        if i < j and (distance := (int(hashes[i, 0]) ^ int(hashes[j, k])).bit_count()) <= MAX_BITS
    }
    assert {entry[3] for entry in expected} >= {1, MAX_BITS}
    found = [
        tuple(map(int, entry))
        for columns in duplicates._candidates(hashes)
        for entry in zip(*columns, strict=True)
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_groups_chain_and_the_setting_decides_which_links_count(scenes: list[Image.Image]) -> None:
    one, other = array(scenes[0]), array(scenes[5])
    near = array(jpeg(40)(scenes[0]))
    rows = np.stack([one, other, near, one, other[:, ::-1, ::-1], array(scenes[20])])
    seen: list[tuple[int, int]] = []
    exact = duplicate_groups(rows, False, lambda done, total: seen.append((done, total)), range(6), [1, 3, 0])
    assert exact == [[[0, 3]], [[3, 0]]]
    assert seen == [(n, 6) for n in range(1, 7)]
    near = duplicate_groups(rows, True, lambda done, total: None, range(6), [1, 2, 3, 5], [])
    assert near == [[[0, 2, 3], [1, 4]], [[2, 3]], []]
