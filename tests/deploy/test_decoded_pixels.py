import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deploy_run import SETTINGS, picture
from PIL import Image

from erkt.deploy import pixels
from erkt.errors import ErktError


def file_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return file_of(picture(0, 0), "JPEG", exif=exif)


def deep() -> bytes:
    values = np.random.default_rng(0).integers(0, 65536, (40, 48)).astype(np.uint16)
    return file_of(Image.fromarray(values), "PNG")


def palette() -> bytes:
    return file_of(picture(1, 0).quantize(16), "GIF", transparency=3)


def veiled() -> bytes:
    image = picture(2, 0).convert("RGBA")
    image.putalpha(90)
    return file_of(image, "PNG")


FILES = {
    "jpeg": file_of(picture(0, 1), "JPEG"),
    "grey": file_of(picture(0, 2).convert("L"), "PNG"),
    "two tones": file_of(picture(0, 3).convert("1"), "PNG"),
    "cmyk": file_of(picture(0, 4).convert("CMYK"), "JPEG"),
    "turned by exif": turned(),
    "16 bits": deep(),
    "palette": palette(),
    "alpha": veiled(),
}


@pytest.mark.parametrize("name", FILES)
def test_an_open_image_gives_the_pixels_of_its_file(name: str) -> None:
    expected = pixels.from_bytes(FILES[name], SETTINGS)
    with Image.open(io.BytesIO(FILES[name])) as image:
        np.testing.assert_array_equal(pixels.from_object(image, SETTINGS), expected)
    assert expected.shape == (32, 32, 3)


def test_arrays_and_tensors_give_the_pixels_of_their_image() -> None:
    image = picture(1, 1)
    array = np.asarray(image)
    expected = pixels.from_bytes(file_of(image, "PNG"), SETTINGS)
    for same in (array, torch.from_numpy(array.copy()).permute(2, 0, 1), array[::-1][::-1]):
        np.testing.assert_array_equal(pixels.from_object(same, SETTINGS), expected)
    unit = torch.from_numpy(array.copy()).permute(2, 0, 1).float() / 255
    np.testing.assert_array_equal(pixels.from_object(unit, SETTINGS), expected)


def test_hsv_is_converted_as_prepare_converts_it() -> None:
    image = picture(1, 2).convert("HSV")
    expected = pixels.from_object(image.convert("RGB"), SETTINGS)
    np.testing.assert_array_equal(pixels.from_object(image, SETTINGS), expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"uint8 \(3, 8, 8\): expected a path"),
        (np.zeros((8, 8, 3)), r"float64 \(8, 8, 3\)"),
        (torch.zeros(8, 8, 3), r"a tensor of shape \(8, 8, 3\): expected \(3, H, W\)"),
        (torch.full((3, 8, 8), 255.0), r"outside \[0, 1\]"),
        (torch.full((3, 8, 8), float("nan")), r"outside \[0, 1\]"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "int64"),
        (7, "int: expected a path"),
        (Image.new("F", (8, 8)), "1 band of float32; set prepare.bands"),
        (Image.new("RGB", (0, 8)), "PIL image of mode RGB|empty|cannot"),
    ],
)
def test_what_is_no_image_is_one_line(image: object, message: str) -> None:
    with pytest.raises(ErktError, match=message):
        pixels.from_object(image, SETTINGS)


def test_a_path_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jpg", tmp_path, Path("a\0b")):
        with pytest.raises(ErktError, match="cannot be read: "):
            pixels.from_path(path, SETTINGS)


def large(image: Image.Image, **options: Any) -> bytes:
    """A smooth JPEG of 512 x 384, sixteen and twelve times the model's side."""
    smooth = image.resize((16, 12)).resize((512, 384), Image.Resampling.BICUBIC)
    return file_of(smooth, "JPEG", quality=95, **options)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_large_jpeg_decoded_at_an_eighth_or_quarter_looks_as_the_whole_one(mode: str) -> None:
    data = large(picture(0, 5).convert(mode))
    exact, reduced = (pixels.from_bytes(data, SETTINGS, decoder) for decoder in ("exact", "reduced"))
    difference = np.abs(exact.astype(int) - reduced)
    assert 0 < difference.mean() < exact.std() / 10
    assert difference.max() < 12


def test_a_turned_jpeg_is_turned_whichever_way_it_is_decoded() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = large(picture(0, 5), exif=exif)
    exact, reduced = (
        pixels.from_bytes(data, SETTINGS, decoder).astype(int) for decoder in ("exact", "reduced")
    )
    assert np.abs(exact - reduced).mean() < 1 < np.abs(np.rot90(exact) - reduced).mean()


@pytest.mark.parametrize("name", FILES)
def test_whatever_is_no_large_jpeg_is_decoded_exactly(name: str) -> None:
    exact = pixels.from_bytes(FILES[name], SETTINGS)
    np.testing.assert_array_equal(pixels.from_bytes(FILES[name], SETTINGS, "reduced"), exact)


def test_a_jpeg_cut_short_is_refused_alike_by_both_decoders() -> None:
    data = large(picture(0, 5))[:-2000]
    with pytest.raises(ErktError, match="truncated") as exact:
        pixels.from_bytes(data, SETTINGS)
    with pytest.raises(ErktError, match="truncated") as reduced:
        pixels.from_bytes(data, SETTINGS, "reduced")
    assert str(exact.value) == str(reduced.value)


def test_bands_and_stretch_are_read_exactly_by_either_decoder() -> None:
    """GDAL reads them, which decodes nothing at a part of its size."""
    data = large(picture(0, 5))
    stretched = replace(SETTINGS, bands=(3, 2, 1), stretch=(0.0, 100.0))
    np.testing.assert_array_equal(
        pixels.from_bytes(data, stretched, "reduced"), pixels.from_bytes(data, stretched)
    )


def test_an_open_image_keeps_its_pixels_whatever_its_file_was_compressed_with() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    data = file_of(noise, "TIFF", compression="jpeg", quality=30)
    found = pixels.from_object(Image.open(io.BytesIO(data)), SETTINGS)
    np.testing.assert_array_equal(found, pixels.from_bytes(data, SETTINGS))
