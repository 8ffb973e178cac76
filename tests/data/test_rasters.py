"""Files with more bands or bits than a picture, against what GDAL wrote: read right, or refused by name."""

import itertools
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from packed import ignore, refused, write, zip_of
from PIL import Image

from erkt.data import rasters
from erkt.data.check import inspect
from erkt.data.fitness import cautions, problems
from erkt.data.prepare import decode, prepare
from erkt.deploy.pixels import from_object
from erkt.errors import ErktError
from erkt.params.prepare import Prepare
from erkt.params.schema import as_dict, build

rasterio = pytest.importorskip("rasterio")
io = pytest.importorskip("rasterio.io")

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIDE = 48
SETTINGS = Prepare(SIDE, "bicubic", "squash", "refuse")


def values(bands: int, dtype: str = "uint16", high: int | None = None, seed: int = 0) -> NDArray[Any]:
    """Return (bands, side, side) over the whole range of the type, or below ``high``."""
    top = np.iinfo(dtype).max + 1 if high is None else high
    return np.random.default_rng(seed).integers(0, top, (bands, SIDE, SIDE), dtype=dtype)


def tiff(array: NDArray[Any], **options: Any) -> bytes:
    bands, height, width = array.shape
    with io.MemoryFile() as file:
        with file.open(
            driver="GTiff", width=width, height=height, count=bands, dtype=array.dtype, **options
        ) as raster:
            raster.write(array)
        return bytes(file.getbuffer())


def eight(array: NDArray[Any], low: float = 0, high: float = 65535) -> NDArray[np.uint8]:
    """Return what is to be shown, by the definition of a stretch."""
    return np.rint(np.clip((array.astype(float) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


LAYOUTS = list(
    itertools.product(
        ["uint8", "uint16"],
        [(1, "minisblack"), (2, "minisblack"), (3, "minisblack"), (4, "minisblack"), (3, "rgb"), (4, "rgb")],
        ["pixel", "band"],
        ["none", "lzw", "deflate", "zstd", "packbits"],
        ["little", "big"],
    )
)


def test_no_layout_of_a_tiff_is_read_wrong_and_what_is_refused_names_bands_and_depth() -> None:
    read = 0
    for dtype, (bands, colours), interleave, compress, endian in LAYOUTS:
        array = values(bands, dtype)
        layout = {"photometric": colours, "interleave": interleave, "compress": compress}
        data = tiff(array, **layout, endianness=endian)
        said = None
        try:
            pixels = decode(data, SETTINGS).pixels
        except ErktError as error:
            said = str(error)
        if said is not None:
            plural = "s" * (bands != 1)
            assert said.startswith(f"{bands} band{plural} of {dtype}; set prepare.bands"), layout
            continue
        read += 1
        expected = np.repeat(array, 3, 0) if bands == 1 else array[:3]
        assert bands == 1 or colours == "rgb"
        right = expected if dtype == "uint8" else eight(expected)
        # Of 16-bit colour the high byte is taken, which is at most one from the nearest.
        assert np.abs(pixels.astype(int) - right).max() <= 1, layout
    assert read > 60


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("compress", ["none", "lzw", "zstd", "lerc"])
def test_bands_and_stretch_read_what_is_refused_otherwise(interleave: str, compress: str) -> None:
    array = values(4, high=4096)
    data = tiff(array, interleave=interleave, compress=compress)
    found = decode(data, replace(SETTINGS, bands=(3, 2, 1), stretch=(0, 4095)))
    np.testing.assert_array_equal(found.pixels, eight(array[[2, 1, 0]], high=4095))
    assert (found.width, found.height, found.mode) == (SIDE, SIDE, "4 bands of uint16")
    grey = decode(data, replace(SETTINGS, bands=(4,), stretch=(100, 2000)))
    np.testing.assert_array_equal(grey.pixels, np.repeat(eight(array[3:], 100, 2000), 3, 0))


def test_floats_and_signed_numbers_are_stretched_and_what_is_none_is_black() -> None:
    array = np.linspace(-25, 5, 3 * SIDE * SIDE, dtype=np.float32).reshape(3, SIDE, SIDE)
    array[0, 0, 0] = np.nan
    found = decode(tiff(array), replace(SETTINGS, stretch=(-20, 0))).pixels
    np.testing.assert_array_equal(found, eight(np.nan_to_num(array, nan=-99), -20, 0))
    signed = values(1, "int16") - 100
    found = decode(tiff(signed), replace(SETTINGS, stretch=(-100, 400))).pixels
    np.testing.assert_array_equal(found[:1], eight(signed, -100, 400))


def test_a_stretch_for_deeper_files_is_refused_for_shallow_ones() -> None:
    """Nearly all of such a picture would be black."""
    eight_bits = tiff(values(3, "uint8"))
    assert refused(decode, eight_bits, replace(SETTINGS, stretch=(0, 4095))).startswith(
        "uint8 ends at 255, and the stretch at 4095: nothing would be white"
    )
    assert decode(eight_bits, replace(SETTINGS, stretch=(0, 255))).pixels.any()


@pytest.mark.parametrize(
    ("array", "options"),
    [(values(1), {"photometric": "miniswhite"}), (values(1, "uint8").astype("int8"), {})],
)
def test_grey_that_pillow_shows_wrong_is_refused(array: NDArray[Any], options: dict[str, str]) -> None:
    assert "set prepare.bands" in refused(decode, tiff(array, **options), SETTINGS)


def test_what_gdal_hands_over_as_other_colours_is_refused() -> None:
    grey = replace(SETTINGS, bands=(1,))
    inverted = tiff(values(1, "uint8"), photometric="miniswhite")
    assert "its white is the smallest value" in refused(decode, inverted, grey)
    shown = Image.open(BytesIO(inverted)).convert("L")
    np.testing.assert_array_equal(decode(inverted, SETTINGS).pixels[0], np.asarray(shown))
    for kind in ("PNG", "GIF", "TIFF"):
        file = BytesIO()
        Image.fromarray(values(3, "uint8").transpose(1, 2, 0)).quantize(16).save(file, kind)
        assert "colours in a palette" in refused(decode, file.getvalue(), grey)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_png_cut_short_is_refused_with_bands_too(share: float) -> None:
    """GDAL's faster way returns whatever lies in memory for the rows that are not there."""
    file = BytesIO()
    Image.fromarray(values(3, "uint8").transpose(1, 2, 0)).save(file, "PNG")
    data, chosen = file.getvalue(), replace(SETTINGS, bands=(1, 2, 3))
    np.testing.assert_array_equal(decode(data, chosen).pixels, decode(data, SETTINGS).pixels)
    assert "rasterio cannot read it" in refused(decode, data[: int(share * len(data))], chosen)


def test_deep_values_that_lie_close_together_are_a_problem(tmp_path: Path) -> None:
    """As kelvins times 100 do: they are bright, and nearly all one grey."""
    files = {
        f"{name}/{i}.tif": tiff(values(1, "uint16", 1500, seed=12 * c + i) + 29000)
        for c, name in enumerate(("beach", "forest"))
        for i in range(4)
    }
    path = write(tmp_path / "tree.zip", zip_of(files))
    (problem,) = problems(inspect(path, SETTINGS, {}, ignore))
    assert problem.startswith("flat: 8 of 8 images of mode I;16 have under 16 of 256 levels; set prepare.")
    assert problems(inspect(path, replace(SETTINGS, stretch=(29000, 30500)), {}, ignore)) == []


def test_what_bands_and_stretch_leave_open_is_refused() -> None:
    four, deep = tiff(values(4, "uint8"), photometric="minisblack"), tiff(values(3))
    assert refused(decode, four, replace(SETTINGS, bands=(5, 2, 1))) == (
        "4 bands of uint8, but prepare.bands is [5, 2, 1]"
    )
    assert refused(decode, four, replace(SETTINGS, stretch=(0, 9))).startswith(
        "4 bands of uint8; set prepare"
    )
    assert refused(decode, deep, replace(SETTINGS, bands=(3, 2, 1))).startswith("3 bands of uint16; set ")
    stretched = replace(SETTINGS, stretch=(0, 9))
    assert refused(decode, b"II*\0no", stretched).startswith("rasterio cannot read it: ")
    vrt = (
        b'<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    )
    assert "rasterio cannot read it" in refused(decode, vrt, stretched)
    for wrong, expected in (
        ({"bands": [1, 2]}, "bands: [1, 2] are neither one band (grey) nor three"),
        ({"bands": []}, "prepare.bands: 0 entries, expected at least 1"),
        ({"bands": [0]}, "prepare.bands[0]: 0 is out of range"),
        ({"stretch": [5, 5]}, "stretch: [5.0, 5.0] does not rise"),
    ):
        assert expected in refused(build, Prepare, as_dict(SETTINGS) | wrong, "prepare")


def test_damaged_tiffs_have_no_layout_and_pillow_says_why() -> None:
    whole = tiff(values(3), photometric="rgb")
    for data in (b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0+" + bytes(4), whole[:200]):
        rasters.layout(data)
        refused(decode, data, SETTINGS)
    assert rasters.layout(b"\x89PNG") is None


def tree(tmp_path: Path, high: int, dtype: str = "uint16") -> Path:
    """Return a zip of three classes of images whose values stay below ``high``."""
    files = {
        f"{name}/{i}.tif": tiff(values(1, dtype, high, seed=12 * c + i))
        for c, name in enumerate(("beach", "forest", "viaduct"))
        for i in range(4)
    }
    return write(tmp_path / "tree.zip", zip_of(files))


@pytest.mark.parametrize(("bits", "brightest"), [(12, 16), (10, 4), (11, 8), (13, 32)])
def test_values_that_fill_a_corner_of_their_range_are_a_problem(
    tmp_path: Path, bits: int, brightest: int
) -> None:
    path = tree(tmp_path, 2**bits)
    facts = inspect(path, SETTINGS, {}, ignore)
    (problem,) = problems(facts)
    expected = (
        f"near-black: 12 of 12 images of mode I;16 stay below 64 of 255, the brightest has {brightest}; "
    )
    assert problem == expected + "set prepare.stretch to the range of their values"
    stretched = inspect(path, replace(SETTINGS, stretch=(0, 2**bits - 1)), {}, ignore)
    assert problems(stretched) == cautions(stretched) == []
    assert problems(inspect(tree(tmp_path, 2**16), SETTINGS, {}, ignore)) == []


def test_single_dark_or_blank_images_are_a_caution(tmp_path: Path) -> None:
    path = tree(tmp_path, 256, "uint8")
    blank = np.zeros((1, SIDE, SIDE), np.uint8)
    files = {"beach/black.tif": tiff(blank), "forest/white.tif": tiff(blank + 255)}
    files |= {f"{name}/{i}.tif": tiff(values(1, "uint8", seed=i)) for name in ("beach",) for i in range(4)}
    files |= {f"forest/{i}.tif": tiff(values(1, "uint8", seed=9 + i)) for i in range(4)}
    facts = inspect(write(path, zip_of(files)), SETTINGS, {}, ignore)
    assert problems(facts) == []
    assert {"images that stay below 64 of 255: 1", "images of a single value: 2"} <= set(cautions(facts))


def test_what_is_declared_is_on_record_and_an_image_in_memory_is_taken_as_it_is(tmp_path: Path) -> None:
    settings = replace(SETTINGS, bands=(1,), stretch=(0.0, 4095.0))
    manifest = prepare(tree(tmp_path, 4096), tmp_path / "prepared", settings, ignore)
    assert manifest["settings"] == as_dict(settings)
    plain = prepare(tree(tmp_path, 256, "uint8"), tmp_path / "prepared", SETTINGS, ignore)
    assert plain["settings"].keys() == {"side", "filter", "non_square", "undecodable"}
    picture = Image.fromarray(values(3, "uint8").transpose(1, 2, 0))
    np.testing.assert_array_equal(from_object(picture, settings), from_object(picture, SETTINGS))
