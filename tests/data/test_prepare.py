import hashlib
import io
import json
import os
import struct
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from erkt.data.index import Row, read_index
from erkt.data.prepare import decode, prepare
from erkt.data.sources import fetch
from erkt.errors import ErktError
from erkt.params.dataset import Dataset
from erkt.params.prepare import Prepare

SETTINGS = Prepare(side=8, filter="bilinear", non_square="squash", undecodable="refuse")
SKIP = Prepare(side=8, filter="bilinear", non_square="squash", undecodable="skip")


def noise(height: int, width: int, *channels: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(seed: int = 0, height: int = 8, width: int = 8) -> bytes:
    return encode(Image.fromarray(noise(height, width, 3, seed=seed)))


def png_chunks(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """Return a PNG assembled by hand: also for what Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


def run(tmp_path: Path, files: dict[str, bytes], settings: Prepare = SETTINGS) -> tuple[Path, dict[str, Any]]:
    out = tmp_path / "prepared"
    return out, prepare(make_zip(tmp_path / "raw.zip", files), out, settings, lambda done, total: None)


def refusal(tmp_path: Path, files: dict[str, bytes], settings: Prepare = SETTINGS) -> str:
    """Return the message with which preparing is refused, having checked that nothing is left behind."""
    with pytest.raises(ErktError) as caught:
        run(tmp_path, files, settings)
    assert os.listdir(tmp_path) == ["raw.zip"]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pixels(data: bytes, settings: Prepare = SETTINGS) -> NDArray[np.uint8]:
    """Return decoded pixels as (side, side, 3)."""
    return decode(data, settings).pixels.transpose(1, 2, 0)


# ---------------------------------------------------------------- the folder


def test_the_array_holds_every_image_in_key_order_and_the_index_says_which(tmp_path: Path) -> None:
    files = {
        "top/b c/2.png": png(1),
        "top/b/9.png": png(2),
        "top/b/10.png": png(3),
        "top/Ä/1.png": png(4, 16, 10),
    }
    out, _ = run(tmp_path, files)
    expected = ["top/b/10.png", "top/b/9.png", "top/b c/2.png", "top/Ä/1.png"]
    images = np.load(out / "images.npy", allow_pickle=False)
    assert images.shape == (4, 3, 8, 8)
    assert images.dtype == np.uint8
    for row, name in enumerate(expected[:3]):
        np.testing.assert_array_equal(
            images[row].transpose(1, 2, 0), np.asarray(Image.open(io.BytesIO(files[name])))
        )
    assert read_index(out / "index.csv") == (
        Row("b/10.png", "b", 0, 8, 8, "RGB"),
        Row("b/9.png", "b", 0, 8, 8, "RGB"),
        Row("b c/2.png", "b c", 1, 8, 8, "RGB"),
        Row("Ä/1.png", "Ä", 2, 10, 16, "RGB"),
    )


def test_the_manifest_says_what_the_folder_holds(tmp_path: Path) -> None:
    out, manifest = run(tmp_path, {"a/1.png": png(1), "a/2.png": png(2), "b/1.png": png(3), "b/x.txt": b""})
    assert sorted(os.listdir(out)) == ["images.npy", "index.csv", "manifest.json"]
    assert manifest == {
        "shape": [3, 3, 8, 8],
        "classes": ["a", "b"],
        "counts": {"a": 2, "b": 1},
        "images_sha256": hashlib.sha256((out / "images.npy").read_bytes()).hexdigest(),
        "index_sha256": hashlib.sha256((out / "index.csv").read_bytes()).hexdigest(),
        "settings": {"side": 8, "filter": "bilinear", "non_square": "squash", "undecodable": "refuse"},
        "skipped": [],
        "ignored": 1,
    }
    assert json.loads((out / "manifest.json").read_text()) == manifest


def test_zip_tar_and_folder_give_the_same_bytes_in_any_member_order(tmp_path: Path) -> None:
    files = {f"{name}/{i}.png": png(i, 9 + i, 12) for i in range(40) for name in ("a", "b")}
    run(tmp_path, files)
    with tarfile.open(tmp_path / "raw.tgz", "w:gz") as archive:
        for name, data in reversed(files.items()):
            info = tarfile.TarInfo(f"./deep/er/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    for name, data in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(data)
    settings = Dataset("demo", "folder", str(tmp_path / "root"), None, None)
    fetch(settings, tmp_path / "packed", {}, lambda done, total: None)
    for other in ("raw.tgz", "packed"):
        prepare(tmp_path / other, tmp_path / f"{other}.out", SETTINGS, lambda done, total: None)
        for name in ("images.npy", "index.csv", "manifest.json"):
            assert (tmp_path / f"{other}.out" / name).read_bytes() == (
                tmp_path / "prepared" / name
            ).read_bytes()


def test_parts_that_a_publisher_split_come_together(tmp_path: Path) -> None:
    out, manifest = run(tmp_path, {"train/A0/1.png": png(1), "val/A0/2.png": png(2), "val/A1/1.png": png(3)})
    assert [row.key for row in read_index(out / "index.csv")] == ["A0/1.png", "A0/2.png", "A1/1.png"]
    assert manifest["counts"] == {"A0": 2, "A1": 1}


def test_progress_counts_every_image(tmp_path: Path) -> None:
    path = make_zip(
        tmp_path / "raw.zip", {f"{c}/{i}.png": png(i) for c in "ab" for i in range(30)} | {"c": b""}
    )
    seen: list[tuple[int, int]] = []
    prepare(path, tmp_path / "out", SETTINGS, lambda *step: seen.append(step))
    assert seen == [(i + 1, 60) for i in range(60)]


def test_a_second_run_replaces_the_folder_and_a_failed_one_leaves_it(tmp_path: Path) -> None:
    out, _ = run(tmp_path, {"a/1.png": png(1), "b/1.png": png(2)})
    (out / "stale").write_text("")
    _, manifest = run(tmp_path, {"a/1.png": png(1), "c/1.png": png(2)})
    with pytest.raises(ErktError):
        run(tmp_path, {"a/1.png": png(1), "b/1.png": b"broken"})
    assert sorted(os.listdir(out)) == ["images.npy", "index.csv", "manifest.json"]
    assert json.loads((out / "manifest.json").read_text()) == manifest
    assert sorted(os.listdir(tmp_path)) == ["prepared", "raw.zip"]


def test_a_run_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    path = make_zip(tmp_path / "raw.zip", {f"{c}/{i}.png": png(i) for c in "ab" for i in range(30)})
    with pytest.raises(KeyboardInterrupt):
        prepare(path, tmp_path / "out", SETTINGS, interrupt)
    assert os.listdir(tmp_path) == ["raw.zip"]


# ---------------------------------------------------------------- names


def test_what_is_no_image_is_ignored_and_counted(tmp_path: Path) -> None:
    names = [
        "readme.txt",
        "a/Thumbs.db",
        "a/._1.png",
        "a/.DS_Store",
        "__MACOSX/a/1.png",
        ".git/a.png",
        "a/noext",
        "x.py",
    ]
    _, manifest = run(tmp_path, {"a/1.png": png(1), "b/1.PNG": png(2)} | dict.fromkeys(names, b"junk"))
    assert manifest["shape"][0] == 2
    assert manifest["ignored"] == len(names)


def test_two_members_of_one_key_are_both_named(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"train/a/1.png": png(1), "val/a/1.png": png(2), "b/1.png": png(3)})
    assert "'train/a/1.png' and 'val/a/1.png' are both the image 'a/1.png'" in message


def test_keys_are_composed_and_collide_once_composed(tmp_path: Path) -> None:
    out, _ = run(tmp_path, {"Cafe\u0301/u\u0308.png": png(1), "b/1.png": png(2)})
    assert read_index(out / "index.csv")[0].key == "Caf\u00e9/\u00fc.png"
    assert json.loads((out / "manifest.json").read_text())["classes"] == ["Caf\u00e9", "b"]
    for path in out.iterdir():
        path.unlink()
    out.rmdir()
    message = refusal(tmp_path, {"Cafe\u0301/1.png": png(1), "Caf\u00e9/1.png": png(2), "b/1.png": png(2)})
    assert "'Caf\u00e9/1.png'" in message


@pytest.mark.parametrize("name", ["a/x\ty.png", "a/x\ny.png", "a\r/y.png", "a/x\u2028y.png"])
def test_a_name_that_a_list_cannot_carry_is_refused(tmp_path: Path, name: str) -> None:
    assert f"rename {name!r}" in refusal(tmp_path, {"b/1.png": png(1), name: png(2)})


def test_a_name_of_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "raw.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a/\udcff.png"))
    with pytest.raises(ErktError, match="rename"):
        prepare(tmp_path / "raw.tar", tmp_path / "out", SETTINGS, lambda done, total: None)


def test_commas_and_quotes_in_names_come_back_from_the_index(tmp_path: Path) -> None:
    out, _ = run(tmp_path, {'a, "b"/x,1.png': png(1), "c/ 1 .png": png(2)})
    assert [row.key for row in read_index(out / "index.csv")] == ['a, "b"/x,1.png', "c/ 1 .png"]


def test_an_image_without_a_class_folder_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"1.png": png(1), "a/1.png": png(2), "b/1.png": png(2)})
    assert "'1.png' lies in no class folder" in message


@pytest.mark.parametrize(
    "files", [{}, {"a/1.png": png(1), "a/2.png": png(2)}, {"a/1.doc": b"", "b/1.doc": b""}]
)
def test_fewer_than_two_classes_are_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert "at least 2 classes are needed" in refusal(tmp_path, files)


# ---------------------------------------------------------------- files that do not decode

JPEG = encode(Image.fromarray(noise(32, 32, 3)), "JPEG")
BOMB = png_chunks(20_000, 20_000, 8, 0)
LARGE = png_chunks(10_000, 10_000, 1, 0)  # Pillow would only warn of this one
FLOAT = encode(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")
INTEGER = encode(Image.fromarray(np.zeros((4, 4), np.int32)), "TIFF")
BAD = {
    "zero bytes": (b"", "empty file"),
    "text": (b"<html>not found</html>", "not an image of a known format"),
    "cut png": (png(1, 64, 64)[:2000], "truncated"),
    "cut jpeg": (JPEG[:-200], "truncated"),
    "only a jpeg header": (JPEG[:20], "not an image of a known format"),
    "a program's input": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
        "not an image of a known format",
    ),
    "bomb": (BOMB, "400000000 pixels"),
    "large": (LARGE, "100000000 pixels"),
    "float": (FLOAT, "pixel mode F is not supported"),
    "32-bit integer": (INTEGER, "pixel mode I is not supported"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    data, reason = BAD[name]
    message = refusal(tmp_path, {"top/a/1.png": png(1), "top/b/1.png": png(2), "top/b/bad.png": data})
    start = f"{tmp_path / 'raw.zip'}: 1 of its images cannot be used: 'top/b/bad.png' ("
    assert message.startswith(start)
    assert message.endswith("); repair them, or set prepare.undecodable to skip")
    assert reason in message[len(start) :]


def test_of_many_bad_files_ten_are_named_in_key_order(tmp_path: Path) -> None:
    files = {f"b/{i:02}.png": b"bad" for i in reversed(range(13))} | {"a/1.png": png(1), "b/99.png": png(2)}
    message = refusal(tmp_path, files)
    assert "13 of its images" in message
    assert [f"'b/{i:02}.png'" in message for i in range(13)] == [True] * 10 + [False] * 3
    assert "and 3 more" in message


def test_skipped_files_leave_the_others_in_place_and_are_listed(tmp_path: Path) -> None:
    good = {f"{name}/{i}.png": png(i) for i in range(4) for name in ("a", "b")}
    bad = {"a/00.png": b"", "a/2x.png": JPEG[:-200], "b/9.png": FLOAT}
    (tmp_path / "alone").mkdir()
    out, manifest = run(tmp_path, bad | good, SKIP)
    alone, expected = run(tmp_path / "alone", good, SKIP)
    for name in ("images.npy", "index.csv"):
        assert (out / name).read_bytes() == (alone / name).read_bytes()
    assert [entry["member"] for entry in manifest["skipped"]] == ["a/00.png", "a/2x.png", "b/9.png"]
    assert manifest["skipped"][0]["reason"] == "empty file"
    assert manifest | {"skipped": []} == expected
    assert sorted(os.listdir(out)) == ["images.npy", "index.csv", "manifest.json"]


def test_a_class_that_would_vanish_is_refused_even_when_skipping(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"a/1.png": png(1), "b/1.png": png(1), "c/1.png": b"", "c/2.png": b"x"}, SKIP)
    assert "no image of the class 'c' can be decoded" in message


def test_a_damaged_archive_is_refused_even_when_skipping(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "raw.zip", {"a/1.png": png(1), "b/1.png": png(2)})
    path.write_bytes(path.read_bytes().replace(png(2)[20:60], bytes(40)))
    with pytest.raises(ErktError, match=r"member 'b/1.png': the archive is cut short or damaged"):
        prepare(path, tmp_path / "out", SKIP, lambda done, total: None)
    assert os.listdir(tmp_path) == ["raw.zip"]


# ---------------------------------------------------------------- pixels


def test_an_image_of_the_asked_side_is_not_touched() -> None:
    image = noise(8, 8, 3)
    for name in ("box", "bilinear", "bicubic", "lanczos"):
        for rule in ("squash", "center_crop"):
            settings = Prepare(8, name, rule, "refuse")
            np.testing.assert_array_equal(pixels(encode(Image.fromarray(image)), settings), image)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"])
def test_every_format_is_decoded(kind: str) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    found = pixels(encode(Image.fromarray(flat), kind)).astype(int)
    assert np.abs(found - flat[:8, :8]).max() <= 4  # three of them are lossy


def test_shrinking_by_a_whole_factor_with_the_box_filter_is_the_mean() -> None:
    image = noise(24, 16, 3)
    means = image.reshape(8, 3, 8, 2, 3).mean((1, 3))
    found = pixels(encode(Image.fromarray(image)), Prepare(8, "box", "squash", "refuse"))
    assert np.abs(found - means).max() <= 1  # each of the two directions rounds


@pytest.mark.parametrize("name", ["box", "bilinear", "bicubic", "lanczos"])
def test_the_named_filter_is_the_one_that_is_used(name: str) -> None:
    image = noise(21, 33, 3)
    kernels = {
        "box": lambda x: (x > -0.5) * (x <= 0.5) * 1.0,
        "bilinear": lambda x: np.clip(1 - np.abs(x), 0, None),
        "bicubic": lambda x: np.where(
            np.abs(x) < 1,
            1.5 * np.abs(x) ** 3 - 2.5 * x**2 + 1,
            np.where(np.abs(x) < 2, -0.5 * np.abs(x) ** 3 + 2.5 * x**2 - 4 * np.abs(x) + 2, 0),
        ),
        "lanczos": lambda x: (np.abs(x) < 3) * np.sinc(x) * np.sinc(x / 3),
    }

    def matrix(size: int) -> NDArray[np.float64]:
        scale = size / 8
        centres = (np.arange(8) + 0.5) * scale
        places = np.arange(size) + 0.5
        weights = kernels[name]((places - centres[:, None]) / scale)
        return np.asarray(weights / weights.sum(1, keepdims=True))

    across = np.clip(np.round(np.einsum("ij,hjc->hic", matrix(33), image)), 0, 255)
    expected = np.clip(np.round(np.einsum("ij,jwc->iwc", matrix(21), across)), 0, 255)
    settings = Prepare(8, name, "squash", "refuse")
    found = pixels(encode(Image.fromarray(image)), settings)
    assert np.abs(found - expected).max() <= 1  # Pillow's weights are fixed-point


@pytest.mark.parametrize(("height", "width"), [(8, 17), (17, 8), (8, 16), (8, 8)])
def test_center_crop_cuts_the_central_square_and_squash_does_not(height: int, width: int) -> None:
    image = noise(height, width, 3)
    top, left = (height - 8) // 2, (width - 8) // 2
    cropped = pixels(encode(Image.fromarray(image)), Prepare(8, "bicubic", "center_crop", "refuse"))
    np.testing.assert_array_equal(cropped, image[top : top + 8, left : left + 8])
    squashed = pixels(encode(Image.fromarray(image)), Prepare(8, "bicubic", "squash", "refuse"))
    assert np.array_equal(squashed, cropped) == (height == width)


def test_images_of_one_pixel_are_enlarged() -> None:
    for rule in ("squash", "center_crop"):
        settings = Prepare(8, "lanczos", rule, "refuse")
        found = pixels(encode(Image.fromarray(np.array([[[9, 8, 7]]], np.uint8))), settings)
        np.testing.assert_array_equal(found, np.broadcast_to([9, 8, 7], (8, 8, 3)))


# ---------------------------------------------------------------- colours


def test_grey_is_repeated_and_bits_become_black_and_white() -> None:
    grey = noise(8, 8)
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(grey))), np.stack([grey] * 3, -1))
    bits = encode(Image.fromarray(grey > 127))
    np.testing.assert_array_equal(pixels(bits), np.stack([(grey > 127) * np.uint8(255)] * 3, -1))
    assert decode(bits, SETTINGS).mode == "1"


def test_alpha_is_dropped_and_not_composited() -> None:
    image = noise(8, 8, 4)
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(image))), image[..., :3])
    grey = noise(8, 8, 2)
    found = pixels(encode(Image.fromarray(grey, "LA")))
    np.testing.assert_array_equal(found, np.stack([grey[..., 0]] * 3, -1))


@pytest.mark.parametrize("options", [{}, {"transparency": 3}, {"transparency": bytes(range(256))}])
def test_a_palette_is_looked_up_whatever_is_transparent_in_it(options: dict[str, Any]) -> None:
    places, colours = noise(8, 8), noise(256, 3, seed=5)
    image = Image.fromarray(places, "P")
    image.putpalette(colours.tobytes())
    data = encode(image, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode(data, SETTINGS)
    np.testing.assert_array_equal(decoded.pixels.transpose(1, 2, 0), colours[places])
    assert decoded.mode == "P"


def test_a_transparent_colour_is_dropped_from_grey_and_colour() -> None:
    grey, colour = noise(8, 8), noise(8, 8, 3)
    found = pixels(encode(Image.fromarray(grey), transparency=int(grey[0, 0])))
    np.testing.assert_array_equal(found, np.stack([grey] * 3, -1))
    found = pixels(encode(Image.fromarray(colour), transparency=tuple(map(int, colour[0, 0]))))
    np.testing.assert_array_equal(found, colour)


def test_cmyk_becomes_the_product_of_what_the_inks_leave() -> None:
    inks = noise(8, 8, 4)
    found = pixels(encode(Image.fromarray(inks, "CMYK"), "TIFF"))
    expected = (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255
    assert np.abs(found - expected).max() <= 0.5
    flat = Image.fromarray(np.full((16, 16, 4), (10, 60, 120, 30), np.uint8), "CMYK")
    found = pixels(encode(flat, "JPEG", quality=100))
    assert np.abs(found - np.array([245, 195, 135]) * 225 / 255).max() <= 3


def deep_grey() -> NDArray[np.uint16]:
    return (
        np.array([0, 128, 129, 256, 257, 385, 386, 32767, 32768, 65149, 65150, 65406, 65407, 65535] * 5)[:64]
        .reshape(8, 8)
        .astype(np.uint16)
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    deep = deep_grey()
    expected = np.array([[round(int(value) * 255 / 65535) for value in row] for row in deep])
    decoded = decode(encode(Image.fromarray(deep), kind), SETTINGS)
    np.testing.assert_array_equal(decoded.pixels, np.stack([expected] * 3))
    assert decoded.mode == "I;16"
    assert set(expected.flat) >= {0, 1, 2, 127, 128, 253, 254, 255}


def test_big_endian_16_bit_grey_is_read_as_such() -> None:
    deep = deep_grey()
    entries = [(256, 8), (257, 8), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, 128)]
    directory = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    start = 8 + 128
    tiff = b"MM\0*" + struct.pack(">I", start) + deep.astype(">u2").tobytes()
    tiff += struct.pack(">H", len(entries)) + directory + bytes(4)
    decoded = decode(tiff, SETTINGS)
    expected = np.round(deep * (255 / 65535))
    np.testing.assert_array_equal(decoded.pixels, np.stack([expected] * 3))


def test_16_bit_colour_keeps_the_high_byte() -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (8, 8, 3)).astype(np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    np.testing.assert_array_equal(pixels(png_chunks(8, 8, 16, 2, rows)), deep >> 8)


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_an_image_is_turned_as_its_exif_orientation_says(kind: str, orientation: int) -> None:
    image = noise(8, 12, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(
        encode(Image.fromarray(image), kind, exif=exif), Prepare(8, "box", "center_crop", "refuse")
    )
    upright = UPRIGHT[orientation](image)
    assert (decoded.height, decoded.width) == upright.shape[:2]
    top, left = (upright.shape[0] - 8) // 2, (upright.shape[1] - 8) // 2
    np.testing.assert_array_equal(decoded.pixels.transpose(1, 2, 0), upright[top : top + 8, left : left + 8])


def test_a_jpeg_is_turned_before_it_is_resized() -> None:
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 16:] = 255  # black on the left, white on the right
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: black on top
    found = pixels(encode(Image.fromarray(image), "JPEG", exif=exif, quality=95))
    assert found[:3].max() < 40
    assert found[5:].min() > 215


# ---------------------------------------------------------------- the index


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("key,class,label,width,height,mode\n", ""),
        ("mode", "colour"),
        ("a/1.png,a,0,8", "a/1.png,a,x,8"),
        ("a/1.png,a,0,8,8,RGB", "a/1.png,a,0,8,8"),
        ("a/1.png,a,0", "a/1.png,b,0"),
        ("b/1.png,b,1", "b/1.png,b,0"),
        ("a/2.png,a,0", "a/1.png,a,0"),
        ("a/2.png,a,0", "a/0.png,a,0"),
        ("RGB\na/2", "RGB\n\na/2"),
        ("a/1.png,a", '"a/1.png,a'),
    ],
)
def test_an_index_that_was_changed_by_hand_is_refused(tmp_path: Path, old: str, new: str) -> None:
    out, _ = run(tmp_path, {"a/1.png": png(1), "a/2.png": png(2), "b/1.png": png(3)})
    text = (out / "index.csv").read_text()
    assert old in text
    (out / "index.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(ErktError, match=r"index\.csv"):
        read_index(out / "index.csv")


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(ErktError, match=r"index\.csv"):
        read_index(tmp_path / "index.csv")
