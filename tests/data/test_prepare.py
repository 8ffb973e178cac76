import hashlib
import io
import json
import os
import struct
import tarfile
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from packed import Files, ignore, refused, tar_of, unpack, write, zip_of
from PIL import Image

from erkt.data.index import Row, read_index
from erkt.data.prepare import decode, prepare
from erkt.data.sources import fetch
from erkt.params.dataset import Dataset
from erkt.params.prepare import Prepare

SETTINGS = Prepare(side=8, filter="bilinear", non_square="squash", undecodable="refuse")
SKIP = Prepare(side=8, filter="bilinear", non_square="squash", undecodable="skip")
CROP = Prepare(side=8, filter="bicubic", non_square="center_crop", undecodable="refuse")
MADE = ["images.npy", "index.csv", "manifest.json"]


def noise(height: int, width: int, *channels: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8)


def encode(pixels: NDArray[Any] | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(seed: int = 0, height: int = 8, width: int = 8) -> bytes:
    return encode(noise(height, width, 3, seed=seed))


def png_chunks(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """Return a PNG assembled by hand: also for what Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def run(tmp_path: Path, files: Files, settings: Prepare = SETTINGS) -> tuple[Path, dict[str, Any]]:
    archive = write(tmp_path / "raw.zip", zip_of(files))
    return tmp_path / "prepared", prepare(archive, tmp_path / "prepared", settings, ignore)


def refusal(tmp_path: Path, files: Files, settings: Prepare = SETTINGS) -> str:
    """Return the message with which preparing is refused, having checked that nothing is left behind."""
    message = refused(run, tmp_path, files, settings)
    assert os.listdir(tmp_path) == ["raw.zip"]
    return message


def pixels(data: bytes, settings: Prepare = SETTINGS) -> NDArray[np.uint8]:
    """Return decoded pixels as (side, side, 3)."""
    return decode(data, settings).pixels.transpose(1, 2, 0)


# ---------------------------------------------------------------- the folder


def test_array_index_and_manifest_hold_every_image_in_key_order(tmp_path: Path) -> None:
    files = {
        "top/b c/2.png": png(1),
        "top/b/9.png": png(2),
        "top/b/10.png": png(3),
        "top/A\u0308/u\u0308.png": png(4, 16, 10),  # keys are composed
        'top/a, "b"/x,1.png': png(5),
    }
    others = ("readme.txt", "a/Thumbs.db", "a/._1.png", "__MACOSX/a/1.png", ".git/a.png", "a/noext", "x.py")
    out, manifest = run(tmp_path, files | dict.fromkeys(others, b"junk"))
    assert sorted(os.listdir(out)) == MADE
    assert read_index(out / "index.csv") == (
        Row('a, "b"/x,1.png', 'a, "b"', 0, 8, 8, "RGB"),
        Row("b/10.png", "b", 1, 8, 8, "RGB"),
        Row("b/9.png", "b", 1, 8, 8, "RGB"),
        Row("b c/2.png", "b c", 2, 8, 8, "RGB"),
        Row("\u00c4/\u00fc.png", "\u00c4", 3, 10, 16, "RGB"),
    )
    images = np.load(out / "images.npy", allow_pickle=False)
    assert images.dtype == np.uint8
    for row, seed in zip(images, (5, 3, 2, 1), strict=False):
        np.testing.assert_array_equal(row.transpose(1, 2, 0), noise(8, 8, 3, seed=seed))
    assert manifest == json.loads((out / "manifest.json").read_text())
    assert manifest == {
        "shape": [5, 3, 8, 8],
        "classes": ['a, "b"', "b", "b c", "\u00c4"],
        "counts": {'a, "b"': 1, "b": 2, "b c": 1, "\u00c4": 1},
        "images_sha256": hashlib.sha256((out / "images.npy").read_bytes()).hexdigest(),
        "index_sha256": hashlib.sha256((out / "index.csv").read_bytes()).hexdigest(),
        "settings": {"side": 8, "filter": "bilinear", "non_square": "squash", "undecodable": "refuse"},
        "skipped": [],
        "ignored": len(others),
    }


def test_zip_tar_and_folder_give_the_same_bytes_in_any_member_order(tmp_path: Path) -> None:
    files = {f"{name}/{i}.png": png(i, 9 + i, 12) for i in range(40) for name in ("a", "b")}
    out, _ = run(tmp_path, files)
    write(tmp_path / "raw.tgz", tar_of({f"./x/{name}": files[name] for name in reversed(files)}, "w:gz"))
    settings = Dataset("demo", "folder", str(unpack(tmp_path / "root", files)), None, None, None)
    fetch(settings, tmp_path / "packed", {}, ignore)
    for other in ("raw.tgz", "packed"):
        prepare(tmp_path / other, tmp_path / "other", SETTINGS, ignore)
        for name in MADE:
            assert (tmp_path / "other" / name).read_bytes() == (out / name).read_bytes()


def test_a_failed_or_interrupted_run_leaves_the_folder_before_and_a_whole_one_replaces_it(
    tmp_path: Path,
) -> None:
    out, _ = run(tmp_path, {"a/1.png": png(1), "b/1.png": png(2)})
    (out / "stale").write_text("")
    _, manifest = run(tmp_path, {"a/1.png": png(1), "c/1.png": png(2)})
    refused(run, tmp_path, {"a/1.png": png(1), "b/1.png": b"broken"})

    def interrupt(done: int, total: int) -> None:
        if (done, total) == (7, 60):  # progress counts every image
            raise KeyboardInterrupt

    many = write(tmp_path / "raw.zip", zip_of({f"{c}/{i}.png": png(i) for c in "ab" for i in range(30)}))
    with pytest.raises(KeyboardInterrupt):
        prepare(many, out, SETTINGS, interrupt)
    assert sorted(os.listdir(tmp_path)) == ["prepared", "raw.zip"]
    assert sorted(os.listdir(out)) == MADE
    assert json.loads((out / "manifest.json").read_text()) == manifest


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("train/a/1.png", "val/a/1.png", "b/1.png"), "are both the image 'a/1.png'"),
        (("e\u0301/1.png", "x/\u00e9/1.png", "b/1.png"), "are both the image '\u00e9/1.png'"),
        (("1.png", "a/1.png", "b/1.png"), "'1.png' lies in no class folder"),
        (("b/1.png", "a/x\ty.png"), "rename 'a/x\\ty.png'"),
        (("b/1.png", "a\r/y.png"), "rename 'a\\r/y.png'"),
        (("b/1.png", "a/x\u2028y.png"), "rename 'a/x\\u2028y.png'"),
        (("a/1.png", "a/2.png"), "2 images in 1 class folders, at least 2 classes are needed; images lie in"),
        (("a/1.doc", "b/1.doc"), "0 images in 0 class folders"),
    ],
)
def test_names_that_make_no_set_of_classes_are_refused(
    tmp_path: Path, files: tuple[str, ...], expected: str
) -> None:
    assert expected in refusal(tmp_path, dict.fromkeys(files, png()))


def test_a_name_of_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "raw.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a/\udcff.png"))
    assert "rename" in refused(prepare, tmp_path / "raw.tar", tmp_path / "out", SETTINGS, ignore)


# ---------------------------------------------------------------- files that do not decode

JPEG = encode(noise(32, 32, 3), "JPEG")
UNKNOWN = "not an image of a known format"
BAD = {
    "zero bytes": (b"", "empty file"),
    "text": (b"not found", UNKNOWN),
    "a page": (b"\n<!DOCTYPE html><title>404</title>", "a web page in place of an image"),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "fetch the images with git lfs pull",
    ),
    "cut png": (png(1, 64, 64)[:2000], "truncated"),
    "cut jpeg": (JPEG[:-200], "truncated"),
    "only a jpeg header": (JPEG[:20], UNKNOWN),
    "a program's input": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", UNKNOWN),
    "bomb": (png_chunks(20_000, 20_000, 8, 0), "400000000 pixels"),
    "large": (png_chunks(10_000, 10_000, 1, 0), "100000000 pixels"),  # Pillow would only warn of this one
    "float": (encode(np.zeros((4, 4), np.float32), "TIFF"), "1 band of float32; set prepare.bands"),
    "32-bit integer": (encode(np.zeros((4, 4), np.int32), "TIFF"), "1 band of int32; set prepare.bands"),
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
    bad = {"a/00.png": b"", "a/2x.png": JPEG[:-200], "b/9.png": BAD["float"][0]}
    out, manifest = run(tmp_path / "some", bad | good, SKIP)
    alone, expected = run(tmp_path / "alone", good, SKIP)
    for name in ("images.npy", "index.csv"):
        assert (out / name).read_bytes() == (alone / name).read_bytes()
    assert [entry["member"] for entry in manifest["skipped"]] == ["a/00.png", "a/2x.png", "b/9.png"]
    assert manifest["skipped"][0]["reason"] == "empty file"
    assert manifest | {"skipped": []} == expected
    assert sorted(os.listdir(out)) == MADE


def test_a_lost_class_or_a_damaged_archive_is_refused_even_when_skipping(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"a/1.png": png(1), "b/1.png": png(1), "c/1.png": b"", "c/2.png": b"x"}, SKIP)
    assert "no image of the class 'c' can be decoded" in message
    damaged = zip_of({"a/1.png": png(1), "b/1.png": png(2)}).replace(png(2)[20:60], bytes(40))
    message = refused(prepare, write(tmp_path / "raw.zip", damaged), tmp_path / "out", SKIP, ignore)
    assert "member 'b/1.png': the archive is cut short or damaged" in message
    assert os.listdir(tmp_path) == ["raw.zip"]


# ---------------------------------------------------------------- pixels


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"])
def test_every_format_is_decoded(kind: str) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    assert np.abs(pixels(encode(flat, kind)).astype(int) - flat[:8, :8]).max() <= 4  # three of them are lossy


@pytest.mark.parametrize("name", ["box", "bilinear", "bicubic", "lanczos"])
def test_the_named_filter_is_the_one_that_is_used_and_the_asked_side_is_not_touched(name: Any) -> None:
    settings = Prepare(8, name, "squash", "refuse")
    image = noise(24, 16, 3)
    resized = Image.fromarray(image).resize((8, 8), getattr(Image.Resampling, name.upper()))
    np.testing.assert_array_equal(pixels(encode(image), settings), resized)
    np.testing.assert_array_equal(pixels(png(), settings), noise(8, 8, 3))
    if name == "box":  # antialiased: shrinking by a whole factor is the mean, but for two roundings
        assert np.abs(np.asarray(resized) - image.reshape(8, 3, 8, 2, 3).mean((1, 3))).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(8, 17), (17, 8), (8, 16), (8, 8)])
def test_center_crop_cuts_the_central_square_and_squash_does_not(height: int, width: int) -> None:
    image = noise(height, width, 3)
    top, left = (height - 8) // 2, (width - 8) // 2
    cropped = pixels(encode(image), CROP)
    np.testing.assert_array_equal(cropped, image[top : top + 8, left : left + 8])
    assert np.array_equal(pixels(encode(image)), cropped) == (height == width)


# ---------------------------------------------------------------- colours


def repeated(grey: NDArray[Any]) -> NDArray[Any]:
    return np.stack([grey] * 3, -1)


GREY, COLOUR, PLACES, PALETTE = noise(8, 8), noise(8, 8, 3), noise(8, 8), noise(256, 3, seed=5)
ALPHA, PAIR = noise(8, 8, 4), noise(8, 8, 2)
INDEXED = Image.fromarray(PLACES, "P")
INDEXED.putpalette(PALETTE.tobytes())
DEEP = np.array(
    [0, 128, 129, 256, 257, 385, 386, 32767, 32768, 65149, 65150, 65406, 65407, 65535] * 5, np.uint16
)[:64].reshape(8, 8)
DEEP_COLOUR = np.random.default_rng(0).integers(0, 2**16, (8, 8, 3)).astype(np.uint16)


def big_endian_tiff() -> bytes:
    entries = [(256, 8), (257, 8), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, 128)]
    directory = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    head = b"MM\0*" + struct.pack(">I", 8 + 128) + DEEP.astype(">u2").tobytes()
    return head + struct.pack(">H", len(entries)) + directory + bytes(4)


def deep_colour_png() -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in DEEP_COLOUR)
    return png_chunks(8, 8, 16, 2, rows)


@pytest.mark.parametrize(
    ("data", "mode", "expected"),
    [
        (encode(GREY), "L", repeated(GREY)),
        (encode(GREY > 127), "1", repeated((GREY > 127) * np.uint8(255))),
        (encode(ALPHA), "RGBA", ALPHA[..., :3]),  # dropped, not composited
        (encode(Image.fromarray(PAIR, "LA")), "LA", repeated(PAIR[..., 0])),
        (encode(INDEXED), "P", PALETTE[PLACES]),
        (encode(INDEXED, transparency=3), "P", PALETTE[PLACES]),
        (encode(INDEXED, transparency=bytes(range(256))), "P", PALETTE[PLACES]),
        (encode(GREY, transparency=int(GREY[0, 0])), "L", repeated(GREY)),
        (encode(COLOUR, transparency=tuple(map(int, COLOUR[0, 0]))), "RGB", COLOUR),
        (encode(DEEP), "I;16", repeated(np.round(DEEP * (255 / 65535)))),  # scaled, not clipped
        (encode(DEEP, "TIFF"), "I;16", repeated(np.round(DEEP * (255 / 65535)))),
        (big_endian_tiff(), "I;16B", repeated(np.round(DEEP * (255 / 65535)))),
        (deep_colour_png(), "RGB", DEEP_COLOUR >> 8),  # Pillow keeps the high byte
    ],
)
def test_colours_become_rgb_by_the_rules(data: bytes, mode: str, expected: NDArray[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode(data, SETTINGS)
    np.testing.assert_array_equal(decoded.pixels.transpose(1, 2, 0), expected)
    assert decoded.mode == mode


def test_cmyk_becomes_the_product_of_what_the_inks_leave() -> None:
    inks = noise(8, 8, 4)
    found = pixels(encode(Image.fromarray(inks, "CMYK"), "TIFF"))
    expected = (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255
    assert np.abs(found - expected).max() <= 0.5
    flat = Image.fromarray(np.full((16, 16, 4), (10, 60, 120, 30), np.uint8), "CMYK")
    found = pixels(encode(flat, "JPEG", quality=100))
    assert np.abs(found - np.array([245, 195, 135]) * 225 / 255).max() <= 3


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
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_an_image_is_turned_as_its_exif_orientation_says_before_it_is_cut(
    kind: str, orientation: int
) -> None:
    image = np.kron(noise(2, 3, 3), np.ones((4, 4, 1), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    decoded = decode(encode(image, kind, exif=exif, **options), CROP)
    upright = UPRIGHT[orientation](image)
    assert (decoded.height, decoded.width) == upright.shape[:2]
    top, left = (upright.shape[0] - 8) // 2, (upright.shape[1] - 8) // 2
    expected = upright[top : top + 8, left : left + 8].astype(int)
    assert np.abs(decoded.pixels.transpose(1, 2, 0) - expected).max() <= (4 if kind == "JPEG" else 0)


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
def test_an_index_that_is_missing_or_was_changed_by_hand_is_refused(
    tmp_path: Path, old: str, new: str
) -> None:
    out, _ = run(tmp_path, {"a/1.png": png(1), "a/2.png": png(2), "b/1.png": png(3)})
    text = (out / "index.csv").read_text()
    assert old in text
    (out / "index.csv").write_text(text.replace(old, new, 1))
    assert "index.csv" in refused(read_index, out / "index.csv")
    assert "index.csv" in refused(read_index, tmp_path / "index.csv")
