"""Windows on a raster, bands and colours: what needs no rasterio."""

import re
from collections.abc import Callable
from itertools import combinations
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from erkt.deploy.geo.bands import STRETCH, Limits, Percentiles, bands_of, check, limits, stretch_of
from erkt.deploy.geo.colours import NO_DATA, colours
from erkt.deploy.geo.preview import preview
from erkt.deploy.geo.sidecars import aux_xml, qml
from erkt.deploy.geo.windows import Axis, averaged
from erkt.errors import ErktError


@pytest.mark.parametrize(
    ("length", "window", "stride", "starts"),
    [
        (10, 4, 2, [0, 2, 4, 6]),
        (11, 4, 2, [0, 2, 4, 6, 7]),
        (11, 4, 4, [0, 4, 7]),
        (4, 4, 1, [0]),
        (5, 4, 4, [0, 1]),
    ],
)
def test_the_last_window_is_shifted_inside(length: int, window: int, stride: int, starts: list[int]) -> None:
    assert Axis(length, window, stride).starts.tolist() == starts


@pytest.mark.parametrize("settings", [(10, 4, 2), (11, 4, 3), (23, 7, 5), (9, 4, 4), (30, 11, 1), (6, 6, 6)])
def test_between_two_edges_every_pixel_is_seen_by_the_windows_named(settings: tuple[int, int, int]) -> None:
    axis = Axis(*settings)
    for cell, (left, right) in enumerate(zip(axis.edges, axis.edges[1:], strict=False)):
        for pixel in range(left, right):
            seeing = [n for n, start in enumerate(axis.starts) if start <= pixel < start + axis.window]
            assert seeing == list(range(axis.first[cell], axis.after[cell]))
    assert (axis.edges[0], axis.edges[-1]) == (0, axis.length)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((10, 11, 1), "a window of 11 pixels on a side of 10; choose --window"),
        ((10, 4, 5), "--stride 5: expected 1 to the window, 4 pixels"),
    ],
)
def test_a_window_that_does_not_fit_and_a_gap_are_refused(
    settings: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(ErktError, match=re.escape(message)):
        Axis(*settings)


def test_averages_are_those_of_a_loop_over_windows_and_pixels() -> None:
    rng = np.random.default_rng(0)
    rows, columns = Axis(23, 7, 3), Axis(31, 9, 4)
    shape = len(rows.starts), len(columns.starts)
    logits, known = rng.normal(size=(*shape, 5)).astype(np.float32), rng.random(shape) > 0.3
    known[0, :2] = False
    logits[~known] = np.nan
    total, count = np.zeros((23, 31, 5)), np.zeros((23, 31))
    for i, top in enumerate(rows.starts):
        for j, left in enumerate(columns.starts):
            if known[i, j]:
                total[top : top + 7, left : left + 9] += logits[i, j]
                count[top : top + 7, left : left + 9] += 1
    assert (count == 0).any()

    asked: list[int] = []
    bottom = 0
    for band in averaged(rows, columns, lambda i: (asked.append(i), (logits[i], known[i]))[1]):
        assert band.top == bottom
        bottom = band.bottom
        widths = np.diff(columns.edges)
        seen, mean = np.repeat(band.seen, widths), np.repeat(band.logits, widths, axis=0)
        for row in range(band.top, band.bottom):
            np.testing.assert_array_equal(seen, count[row] > 0)
            np.testing.assert_allclose(
                mean[seen], (total[row].T / np.maximum(count[row], 1)).T[seen], atol=1e-9
            )
    assert bottom == 23
    assert asked == list(range(len(rows.starts)))


def test_bands_and_stretch_are_read() -> None:
    assert bands_of("4,3,2") == (4, 3, 2)
    assert bands_of("1") == (1,)
    assert stretch_of("0,3000") == (0, 3000)
    assert stretch_of("-25,-2.5") == (-25, -2.5)
    assert stretch_of("percent:2,98") == Percentiles(2, 98)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((bands_of, text) for text in ("", "4,3", "0,1,2", "a,b,c", "1,2,3,4")),
        *((stretch_of, text) for text in ("", "1", "3,3", "5,1", "nan,1", "0,inf", "percent:-1,98")),
        *((stretch_of, text) for text in ("percent:2,101", "percent:2", "cent:2,98")),
    ],
)
def test_what_is_no_band_and_no_stretch_is_refused(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ErktError, match=re.escape(text) + r": expected --"):
        read(text)


@pytest.mark.parametrize(
    ("count", "kind", "alpha", "bands", "stretched", "expected"),
    [
        (3, "uint8", None, None, False, (1, 2, 3)),
        (4, "uint8", 4, None, False, (1, 2, 3)),
        (4, "uint8", None, (4, 3, 2), False, (4, 3, 2)),
        (4, "uint8", 4, (4, 3, 2), False, (4, 3, 2)),
        (1, "uint8", None, (1,), False, (1,)),
        (3, "uint16", None, None, True, (1, 2, 3)),
    ],
)
def test_bands_have_defaults_where_nothing_is_to_choose(
    count: int,
    kind: str,
    alpha: int | None,
    bands: tuple[int, ...] | None,
    stretched: bool,
    expected: tuple[int, ...],
) -> None:
    assert check(count, [kind] * count, alpha, bands, stretched) == expected


@pytest.mark.parametrize(
    ("count", "kind", "alpha", "bands", "options"),
    [
        (4, "uint8", None, None, ["--bands 4,3,2"]),
        (1, "uint8", None, None, ["--bands 1"]),
        (5, "uint8", 5, None, ["--bands 4,3,2"]),
        (3, "uint16", None, None, ["--stretch LOW,HIGH", "--stretch percent:2,98"]),
        (8, "uint16", None, None, ["--bands 4,3,2", "--stretch LOW,HIGH"]),
        (8, "float32", None, (5, 3, 2), ["--stretch LOW,HIGH"]),
        (3, "uint8", None, (4, 3, 2), ["--bands 4,3,2: it has 3"]),
        (3, "complex64", None, None, ["complex numbers"]),
    ],
)
def test_what_is_left_to_choose_is_refused_with_the_options(
    count: int, kind: str, alpha: int | None, bands: tuple[int, ...] | None, options: list[str]
) -> None:
    with pytest.raises(ErktError) as refused:
        check(count, [kind] * count, alpha, bands, stretched=False)
    assert "\n" not in str(refused.value)
    assert all(option in str(refused.value) for option in options)


def test_values_are_stretched_clipped_and_rounded() -> None:
    values = np.array([[[0, 99, 100, 101, 200, 300, 301, 65535]]], np.uint16)
    np.testing.assert_array_equal(
        Limits((100,), (300,))(values),
        [[[0, 0, 0, 1, 128, 255, 255, 255]]],  # 127.5 goes to the even one
    )
    values = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    whole = Limits((0,), (65535,))(values)
    np.testing.assert_array_equal(whole, (values.astype(np.int64) + 128) // 257)  # as prepare scales 16 bits
    assert Limits((0.0,), (1.0,))(np.array([[[np.nan, 1.0]]])).tolist() == [[[0, 255]]]


def test_percentiles_are_of_each_band_where_there_is_data() -> None:
    sample = np.stack([np.arange(101.0), 1000 + np.arange(101.0)])[:, None]
    sample[1, 0, 100] = np.nan
    valid = np.ones((1, 101), np.bool_)
    valid[0, 0] = False
    found = limits(sample, valid, (4, 2), Percentiles(0, 100))
    assert (found.low, found.high) == ((1, 1001), (100, 1099))
    with pytest.raises(ErktError, match=rf"band 2 has no contrast.*{re.escape(STRETCH[:12])}"):
        limits(np.stack([sample[0], np.ones((1, 101))]), valid, (4, 2), Percentiles(2, 98))


def test_colours_differ_and_the_first_stay_the_same() -> None:
    found = [*colours(45), NO_DATA, (255, 255, 255), (0, 0, 0)]
    assert min(np.linalg.norm(np.subtract(one, other)) for one, other in combinations(found, 2)) > 25
    assert len(set(colours(255))) == 255
    assert colours(14) == colours(45)[:14]


NAMES = ["a & b", '<"quoted">', "naïve 森", "bell\x07"]
READ = [*NAMES[:3], "bell\ufffd"]


def test_names_are_escaped_in_both_files() -> None:
    root = Xml.fromstring(aux_xml(NAMES, colours(4), [3, 1, 0, 0]))
    assert [found.text for found in root.iter("Category")] == READ
    rows = [[field.text for field in row] for row in root.iter("Row")]
    assert [row[2] for row in rows] == READ
    assert rows[0] == ["0", "3", "a & b", *map(str, colours(1)[0])]
    style = Xml.fromstring(qml(NAMES, colours(4)).split("\n", 1)[1])
    entries = list(style.iter("paletteEntry"))
    assert [entry.get("label") for entry in entries] == READ
    assert [entry.get("color") for entry in entries] == ["#{:02x}{:02x}{:02x}".format(*c) for c in colours(4)]


@pytest.mark.parametrize("shape", [(300, 400), (40, 400), (400, 40), (1, 1)])
@pytest.mark.parametrize("classes", [1, 45])
def test_a_preview_shows_scene_map_and_legend(shape: tuple[int, int], classes: int) -> None:
    shades = colours(classes)
    values = np.arange(shape[0] * shape[1]).reshape(shape) % (classes + 1)
    values[values == classes] = 255
    scene = np.full((*shape, 3), 7, np.uint8)
    shares = [float((values == label).mean()) for label in range(classes)]
    names = [f"a class with quite a long name {number}" for number in range(classes)]
    picture = np.asarray(preview(scene, values.astype(np.uint8), names, shades, shares))
    seen = {tuple(colour) for colour in np.unique(picture.reshape(-1, 3), axis=0).tolist()}
    assert (7, 7, 7) in seen
    assert {shade for shade, share in zip(shades, shares, strict=True) if share} <= seen
