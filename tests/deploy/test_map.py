"""Maps of rasters whose truth is known, read back with rasterio."""

import re
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from closure import ROOT
from made_model import SCALE, Brightness, card, write_onnx
from numpy.typing import NDArray
from PIL import Image

import erkt
from erkt.cli import map as map_command
from erkt.deploy.card import Calibration
from erkt.deploy.geo.colours import colours
from erkt.deploy.predictor import Predictor
from erkt.errors import ErktError
from erkt.scenes import render

rasterio = pytest.importorskip("rasterio", reason="maps need rasterio: pip install 'erkt[geo]'")

Pixels = NDArray[Any]
Capture = pytest.CaptureFixture[str]

CALIBRATION = Calibration("val", 10, 0.7, 5.0, 4.0, 90.0, 0.6, 50.0, 95.0)
UTM = {"crs": "EPSG:32632", "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_600_000)}


def write(path: Path, pixels: Pixels, **settings: Any) -> Path:
    """Write pixels (H, W, bands) as a GeoTIFF in UTM, half a metre a pixel, unless settings say otherwise."""
    height, width, bands = pixels.shape
    settings = {**UTM, "driver": "GTiff", **settings}
    alpha = settings.pop("alpha", None)
    with rasterio.open(
        path, "w", height=height, width=width, count=bands, dtype=pixels.dtype, **settings
    ) as file:
        file.write(pixels.transpose(2, 0, 1))
        if alpha is not None:
            file.write_mask(alpha)
    return path


def read(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return classes and confidence of a map."""
    found = []
    for name in ("classes.tif", "confidence.tif"):
        with rasterio.open(folder / name) as file:
            found.append(file.read(1))
    return found[0], found[1]


def run(*arguments: object) -> int:
    parser = ArgumentParser()
    map_command.arguments(parser)
    return map_command.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def with_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Return what makes the command load a given model."""

    def use(model: Any) -> Path:
        monkeypatch.setattr(map_command, "load", lambda path, threads: Predictor(model))
        path = tmp_path / "model.onnx"
        path.write_bytes(b"made")
        return path

    return use


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return noise (H, W, 3) in patches of a colour each, so that neighbouring windows differ."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 160, (height // 5 + 1, width // 5 + 1, 3))
    large = np.kron(patches, np.ones((5, 5, 1), np.int64))[:height, :width]
    return (large + rng.integers(0, 90, (height, width, 3))).astype(np.uint8)


def expected(
    image: NDArray[np.uint8], valid: NDArray[np.bool_], window: int, stride: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return classes and percent by the definition, a window and a pixel at a time."""
    height, width = valid.shape
    total, count = np.zeros((height, width, 3)), np.zeros((height, width))

    def starts(length: int) -> list[int]:
        found = list(range(0, length - window + 1, stride))
        return found if found[-1] == length - window else [*found, length - window]

    for top in starts(height):
        for left in starts(width):
            here = np.s_[top : top + window, left : left + window]
            if valid[here].mean() < 0.5:
                continue
            filled = image[here].copy()
            for channel in range(3):
                band = filled[..., channel]
                band[~valid[here]] = round(float(band[valid[here]].mean()))
            total[here] += filled.mean(axis=(0, 1)) * SCALE
            count[here] += 1
    classes = np.full((height, width), 255, np.uint8)
    percent = np.full((height, width), 255, np.uint8)
    for y in range(height):
        for x in range(width):
            if valid[y, x] and count[y, x]:
                logits = total[y, x] / count[y, x]
                raised = np.exp(logits - logits.max())
                classes[y, x] = logits.argmax()
                percent[y, x] = round(100 * float(raised.max() / raised.sum()))
    return classes, percent


@pytest.mark.parametrize("nodata", [False, True], ids=["whole", "nodata"])
def test_overlapping_windows_are_averaged_as_the_definition_says(
    with_model: Any, tmp_path: Path, nodata: bool
) -> None:
    image = noise(37, 53) + 1
    valid = np.ones(image.shape[:2], np.bool_)
    if nodata:
        valid[:12, :20] = False
        valid[20:, 33] = False
        valid[30, 10:12] = False
        image[~valid] = 0
    model = Brightness(card(8))
    scene = write(tmp_path / "scene.tif", image, nodata=0 if nodata else None)
    assert run(with_model(model), scene, tmp_path / "map", "--stride", 3) == 0
    classes, percent = read(tmp_path / "map")
    wanted, confidence = expected(image, valid, 8, 3)
    np.testing.assert_array_equal(classes, wanted)
    np.testing.assert_array_equal(percent, confidence)
    assert len(np.unique(classes)) == 3 + nodata
    assert (classes[~valid] == 255).all()


def test_without_overlap_a_window_is_what_predict_says_of_it(tmp_path: Path) -> None:
    """Of a window that is resized, with the filter of the training images."""
    image = noise(96, 144)
    model = write_onnx(tmp_path / "made.onnx", card(32, calibration=CALIBRATION))
    scene = write(tmp_path / "scene.tif", image)
    assert run(model, scene, tmp_path / "map", "--window", 48, "--stride", 48) == 0
    classes, percent = read(tmp_path / "map")
    predictor = erkt.load(model)
    for top in (0, 48):
        for left in (0, 48, 96):
            Image.fromarray(image[top : top + 48, left : left + 48]).save(tmp_path / "window.png")
            (found,) = predictor.predict([tmp_path / "window.png"])
            here = np.s_[top : top + 48, left : left + 48]
            assert set(classes[here].ravel()) == {predictor.classes.index(found.class_name)}
            assert set(percent[here].ravel()) == {round(100 * found.probability)}


SCENES = ("dense_residential", "farmland", "forest")
TILE = 160


def texture(windows: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return mean, deviation and steps of each colour (B, 10), and a 1, of windows (B, s, s, 3)."""
    share = windows / 255
    found = [
        share.mean(axis=(1, 2)),
        share.std(axis=(1, 2)),
        np.abs(np.diff(share, axis=2)).mean(axis=(1, 2)),
    ]
    return np.concatenate([*found, np.ones((len(share), 1))], axis=1)


class Texture:
    """A linear classifier of texture that knows the ``regions``, one a class, by least squares.

    What is tested are places, not what a model can learn: it has seen windows that lie side by side.
    """

    def __init__(self, side: int, regions: list[NDArray[np.uint8]]) -> None:
        self.card = card(side, SCENES)
        parts, labels = [], []
        for label, region in enumerate(regions):
            cut = region.reshape(len(region) // side, side, -1, side, 3).swapaxes(1, 2)
            parts.append(cut.reshape(-1, side, side, 3))
            labels += [label] * len(parts[-1])
        truth = 8 * np.eye(3)[labels]
        self.weights = np.linalg.lstsq(texture(np.concatenate(parts)), truth, rcond=None)[0]

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (texture(pixels) @ self.weights).astype(np.float32)


def test_regions_of_known_classes_are_found_and_borders_lie_within_a_window(
    with_model: Any, tmp_path: Path
) -> None:
    """Three regions side by side, each one scene that is five windows wide and ten high."""
    regions = [np.concatenate([render(name, 0, index, TILE) for index in (0, 1)]) for name in SCENES]
    truth = np.repeat(np.arange(3), TILE)[None].repeat(2 * TILE, axis=0)
    scene = write(tmp_path / "scene.tif", np.concatenate(regions, axis=1))
    model = with_model(Texture(32, regions))
    assert run(model, scene, tmp_path / "map", "--stride", 8) == 0
    classes, percent = read(tmp_path / "map")
    inside = np.ones(truth.shape, np.bool_)
    for border in (TILE, 2 * TILE):
        inside[:, border - 32 : border + 32] = False
    right = classes == truth
    assert right[inside].mean() > 0.9
    assert percent[inside & right].mean() > percent[inside & ~right].mean()
    # The border of a row is where as few of its pixels as possible lie on the wrong side.
    for border, (left, other) in ((TILE, (0, 1)), (2 * TILE, (1, 2))):
        strip = classes[:, border - 64 : border + 64]
        wrong = [
            (strip[:, :place] == other).sum(axis=1) + (strip[:, place:] == left).sum(axis=1)
            for place in range(129)
        ]
        found = np.argmin(wrong, axis=0) - 64
        assert abs(np.median(found)) <= 16
        assert (np.abs(found) <= 32).mean() > 0.8


PLACES = {
    "utm": UTM,
    "rotated": {"crs": "EPSG:25833", "transform": rasterio.Affine(0.3, 0.1, 412_345.6, 0.1, -0.3, 5_654_321)},
    "degrees": {"crs": "EPSG:4326", "transform": rasterio.Affine(1e-5, 0, 13.0, 0, -1e-5, 60.0)},
    "south up": {"crs": "EPSG:32632", "transform": rasterio.Affine(2, 0, 5e5, 0, 2, 5e6)},
}


@pytest.mark.parametrize("name", PLACES)
def test_crs_transform_and_size_are_those_of_the_scene(with_model: Any, tmp_path: Path, name: str) -> None:
    scene = write(tmp_path / "scene.tif", noise(70, 90), **PLACES[name])
    assert run(with_model(Brightness(card(8))), scene, tmp_path / "map") == 0
    with rasterio.open(scene) as source:
        for file in ("classes.tif", "confidence.tif"):
            with rasterio.open(tmp_path / "map" / file) as made:
                assert made.crs == source.crs
                assert made.transform.almost_equals(source.transform, precision=1e-12)
                assert made.shape == source.shape
                assert (made.count, made.dtypes, made.nodata) == (1, ("uint8",), 255)
                assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert made.tags()["ERKT_WINDOW"] == ("8 x 4" if name == "degrees" else "8 x 8")


def test_gdal_finds_names_and_colours(with_model: Any, tmp_path: Path) -> None:
    model = Brightness(card(8, ("a & b", "<c>", 'd"e')))
    image = noise(600, 600)
    scene = write(tmp_path / "scene.tif", image)
    assert run(with_model(model), scene, tmp_path / "map", "--window", 40, "--stride", 40) == 0
    assert sorted(path.name for path in (tmp_path / "map").iterdir()) == [
        *("classes.qml", "classes.tif", "classes.tif.aux.xml", "confidence.tif", "preview.png")
    ]
    with rasterio.open(tmp_path / "map/classes.tif") as made:
        table, values = made.colormap(1), made.read(1)
        assert made.overviews(1) == [2]
        smaller = made.read(1, out_shape=(300, 300))
    assert len({table[value] for value in range(3)}) == 3
    assert set(smaller.ravel()) <= {0, 1, 2}
    text = (tmp_path / "map/classes.tif.aux.xml").read_text(encoding="utf-8")
    assert "<Category>a &amp; b</Category><Category>&lt;c&gt;</Category>" in text
    counted = [int(count) for count in re.findall(r'<Row index="\d+"><F>\d+</F><F>(\d+)</F>', text)]
    assert counted == np.bincount(values.ravel(), minlength=3).tolist()
    with Image.open(tmp_path / "map/preview.png") as preview:
        assert preview.size[0] > 1600


def test_the_ground_of_a_window_follows_the_training_images(
    with_model: Any, tmp_path: Path, capsys: Capture
) -> None:
    scene = write(tmp_path / "scene.tif", noise(60, 60))
    model = with_model(Brightness(card(8)))
    run(model, scene, tmp_path / "a", "--train-gsd", 2)
    told = capsys.readouterr()
    assert "windows of 32 x 32 pixels (16 m), stride 16; 0.5 m a pixel" in told.out
    assert "training images: 8 pixels (16 m); 2 m a pixel" in told.out
    assert "warning: the raster has 0.5 m a pixel, finer than in training: windows are shrunk" in told.err
    run(model, scene, tmp_path / "b", "--train-gsd", 0.1, "--train-side", 40)
    told = capsys.readouterr()
    assert "windows of 8 x 8 pixels (4 m)" in told.out
    assert "warning" not in told.err  # of 40 pixels in 4 m the model has seen 8
    run(model, scene, tmp_path / "c", "--train-gsd", 0.1, "--train-side", 80, "--window", 40)
    assert "warning: a window shows 20 m, a training image 8 m" in capsys.readouterr().err
    run(model, scene, tmp_path / "d", "--train-gsd", 0.3)
    assert "coarser than in training: it lacks detail" in capsys.readouterr().err
    run(model, scene, tmp_path / "e", "--window", 20)
    assert "metres a pixel unknown (--train-gsd)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("crs", "at", "size", "metres"),
    [
        ("EPSG:32632", (500_000, 5_600_000), 2.0, (2 / 0.9996, 2 / 0.9996)),
        ("EPSG:3857", (1_000_000, 8_399_738), 1.0, (0.5, 0.5)),  # at 60 degrees
        (
            "EPSG:4326",
            (13.0, 60.0),
            1e-5,
            (0.5580, 1.1141),
        ),  # of Wikipedia's table of a degree: 55.80, 111.41 km
        ("EPSG:2263", (987_000, 210_000), 1.0, (0.3048, 0.3048)),  # feet
    ],
)
def test_metres_a_pixel_are_those_of_the_ground(
    crs: str, at: tuple[float, float], size: float, metres: tuple[float, float]
) -> None:
    from erkt.deploy.geo.ground import metres_a_pixel

    transform = rasterio.Affine(size, 0, at[0] - 50 * size, 0, -size, at[1] + 50 * size)
    found = metres_a_pixel(rasterio.crs.CRS.from_string(crs), transform, 100, 100)
    assert found == pytest.approx(metres, rel=4e-3)


def test_nobody_knows_the_metres_of_a_grid_that_is_tied_to_nothing() -> None:
    from erkt.deploy.geo.ground import metres_a_pixel

    site = rasterio.crs.CRS.from_wkt('LOCAL_CS["a building site",UNIT["metre",1]]')
    assert metres_a_pixel(site, rasterio.Affine(1, 0, 0, 0, -1, 0), 100, 100) is None


def test_opacity_mask_and_floats_say_where_there_is_data(
    with_model: Any, tmp_path: Path, capsys: Capture
) -> None:
    image, hole = noise(40, 40), np.zeros((40, 40), np.bool_)
    hole[10:14, 3:30] = True
    model = with_model(Brightness(card(8)))
    opacity = np.where(hole, 0, 255).astype(np.uint8)
    rgba = np.dstack([image, opacity])
    floats = image.astype(np.float32)
    floats[hole] = np.nan
    run(model, write(tmp_path / "a.tif", rgba, photometric="RGB", ALPHA="YES"), tmp_path / "a")
    assert "bands 1,2,3 of 4 (4 is the opacity), uint8" in capsys.readouterr().out
    run(model, write(tmp_path / "b.tif", image, alpha=opacity), tmp_path / "b")
    run(model, write(tmp_path / "c.tif", floats), tmp_path / "c", "--stretch", "0,255")
    found = [read(tmp_path / name)[0] for name in "abc"]
    for classes in found:
        np.testing.assert_array_equal(classes == 255, hole)
        np.testing.assert_array_equal(classes, found[0])
    # Named as a band, the fourth is no opacity, whatever the file says: 0 is a value.
    run(model, tmp_path / "a.tif", tmp_path / "d", "--bands", "4,3,2")
    assert "is the opacity" not in capsys.readouterr().out
    assert (read(tmp_path / "d")[0] != 255).all()


def test_sixteen_bits_in_another_order_are_the_same_map(with_model: Any, tmp_path: Path) -> None:
    image = noise(40, 40)
    image[0, :20], image[0, 20:] = 0, 255
    large = np.dstack([image[..., 2], image[..., 1], np.zeros((40, 40), np.uint8), image[..., 0]])
    large = large.astype(np.uint16) * 10 + 500
    model = with_model(Brightness(card(8)))
    run(model, write(tmp_path / "a.tif", image), tmp_path / "a")
    scene = write(tmp_path / "b.tif", large)
    run(model, scene, tmp_path / "b", "--bands", "4,2,1", "--stretch", "500,3050")
    run(model, scene, tmp_path / "c", "--bands", "4,2,1", "--stretch", "percent:0,100")
    # What the card says need not be said again.
    told = with_model(Brightness(replace(card(8), bands=(4, 2, 1), stretch=(500.0, 3050.0))))
    run(told, scene, tmp_path / "e")
    for name in "bce":
        for found, wanted in zip(read(tmp_path / name), read(tmp_path / "a"), strict=True):
            np.testing.assert_array_equal(found, wanted)
    with rasterio.open(tmp_path / "e/classes.tif") as file:
        assert (file.tags()["ERKT_BANDS"], file.tags()["ERKT_STRETCH"]) == ("4,2,1", "500,3050")
    model = with_model(Brightness(card(8)))
    grey = write(tmp_path / "d.tif", image[..., :1])
    run(model, grey, tmp_path / "d", "--bands", 1)
    assert set(read(tmp_path / "d")[1].ravel()) == {33}  # three equal channels


def refused(capsys: Capture, *arguments: object) -> str:
    with pytest.raises(ErktError) as error:
        run(*arguments)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().err == ""
    return str(error.value)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # what the test writes
def test_what_cannot_be_mapped_is_one_line(with_model: Any, tmp_path: Path, capsys: Capture) -> None:
    model, out = with_model(Brightness(card(8))), tmp_path / "map"
    image = noise(60, 60)
    bare = write(tmp_path / "bare.tif", image, crs=None, transform=rasterio.Affine.identity())
    assert "no CRS and transform" in refused(capsys, model, bare, out)
    assert "--no-crs" in refused(capsys, model, write(tmp_path / "half.tif", image, crs=None), out)
    four = write(tmp_path / "four.tif", np.dstack([image, image[..., :1]]), photometric="MINISBLACK")
    assert "--bands 4,3,2" in refused(capsys, model, four, out)
    deep = write(tmp_path / "deep.tif", image.astype(np.uint16))
    assert "3 bands of uint16; add --stretch LOW,HIGH" in refused(capsys, model, deep, out)
    told = refused(capsys, model, write(tmp_path / "shallow.tif", image), out, "--stretch", "0,4095")
    assert told.endswith("or another stretch")
    assert "shallow.tif: uint8 ends at 255, and the stretch at 4095" in told
    (tmp_path / "text.tif").write_text("text")
    assert "cannot be read as a raster" in refused(capsys, model, tmp_path / "text.tif", out)
    assert "no such file" in refused(capsys, model, tmp_path / "none.tif", out)
    scene = write(tmp_path / "scene.tif", image)
    (tmp_path / "cut.tif").write_bytes(scene.read_bytes()[:-2000])
    assert "cut short or damaged" in refused(capsys, model, tmp_path / "cut.tif", out)
    assert "a window of 61 pixels on a side of 60" in refused(capsys, model, scene, out, "--window", 61)
    assert "--train-gsd" in refused(capsys, model, bare, out, "--no-crs", "--train-gsd", 1)
    assert "--train-side" in refused(capsys, model, scene, out, "--train-side", 8)
    assert "--threads 0: expected more than 0" in refused(capsys, model, scene, out, "--threads", 0)
    assert "--train-gsd nan" in refused(capsys, model, scene, out, "--train-gsd", "nan")
    out.mkdir()
    assert f"{out}: exists" in refused(capsys, model, scene, out)
    assert list(out.iterdir()) == []
    out.rmdir()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_that_lies_nowhere_is_mapped_where_that_is_accepted(
    with_model: Any, tmp_path: Path, capsys: Capture
) -> None:
    scene = write(tmp_path / "bare.tif", noise(60, 60), crs=None, transform=rasterio.Affine.identity())
    assert run(with_model(Brightness(card(8))), scene, tmp_path / "map", "--no-crs") == 0
    with rasterio.open(tmp_path / "map/classes.tif") as made:
        assert (made.crs, made.transform.is_identity, made.shape) == (None, True, (60, 60))
    assert "metres a pixel: unknown" in capsys.readouterr().out


def test_damage_in_the_middle_leaves_nothing_behind(with_model: Any, tmp_path: Path, capsys: Capture) -> None:
    scene = write(tmp_path / "scene.tif", noise(400, 60), compress="deflate", blockysize=20)
    data = bytearray(scene.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    scene.write_bytes(data)
    with pytest.raises(ErktError, match=r"scene\.tif: cut short or damaged"):
        run(with_model(Brightness(card(8))), scene, tmp_path / "map")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "scene.tif"]


def test_windows_that_are_mostly_without_data_are_not_asked(
    with_model: Any, tmp_path: Path, capsys: Capture
) -> None:
    image = noise(64, 64) | 1
    image[:32] = 0
    model = Brightness(card(16))
    run(with_model(model), write(tmp_path / "scene.tif", image, nodata=0), tmp_path / "map", "--stride", 16)
    assert model.asked == 8
    assert "no data 50.0%" in capsys.readouterr().out
    image[:] = 0
    run(with_model(model), write(tmp_path / "empty.tif", image, nodata=0), tmp_path / "empty")
    assert model.asked == 8
    assert (read(tmp_path / "empty")[0] == 255).all()
    assert "no data anywhere" in capsys.readouterr().out


def test_without_rasterio_one_line_says_what_to_install(tmp_path: Path) -> None:
    script = "import sys; sys.modules['rasterio'] = None\nfrom erkt.cli import main; main()"
    command = [sys.executable, "-c", script, "map", "model.onnx", "scene.tif", str(tmp_path / "map")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: maps need rasterio, which is not installed; run: pip install 'erkt[geo]'\n"
    )


@pytest.mark.parametrize("size", [300, 2300, 30_000])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path: Path, size: int) -> None:
    """At the limit of a file's size the kernel writes no more, as on a disk that is full."""
    scene = write(tmp_path / "scene.tif", noise(300, 300))
    model = write_onnx(tmp_path / "made.onnx", card(32))
    script = (
        f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        "from erkt.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "map", model, scene, tmp_path / "map", "--stride", 16]
    done = subprocess.run(map(str, command), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"error: .*map: not written: ", done.stderr.splitlines()[-1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.onnx", "scene.tif"]


@pytest.mark.slow
def test_memory_is_bounded_on_a_large_raster(tmp_path: Path) -> None:
    """8,000 x 8,000 pixels in tiles; the most memory held at once, as the kernel counts it."""
    tile = np.tile(noise(500, 1000), (1, 8, 1)).transpose(2, 0, 1)
    settings = {"tiled": True, "compress": "deflate", "blockxsize": 512, "blockysize": 512}
    with rasterio.open(
        tmp_path / "scene.tif", "w", height=8000, width=8000, count=3, dtype="uint8", **UTM, **settings
    ) as file:
        for top in range(0, 8000, 500):
            file.write(tile, window=rasterio.windows.Window(0, top, 8000, 500))
    script = (
        "from erkt.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as left:\n    assert left.code == 0\n"
        "(peak,) = [line for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(peak.split()[1])\n"
    )
    model = write_onnx(tmp_path / "made.onnx", card(96))
    arguments = ["map", model, tmp_path / "scene.tif", tmp_path / "map", "--window", 150]
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert int(done.stdout.split()[-1]) < 500_000
    with rasterio.open(tmp_path / "map/classes.tif") as made:
        assert made.shape == (8000, 8000)


QGIS = """
import sys
from qgis.core import QgsApplication, QgsRasterLayer
application = QgsApplication([], False)
application.initQgis()
layer = QgsRasterLayer(sys.argv[1], "map")
assert layer.isValid()
print(layer.crs().authid(), layer.extent().xMinimum(), layer.extent().yMaximum())
for entry in layer.renderer().classes():
    print(int(entry.value), entry.color.name(), entry.label)
del layer
application.exitQgis()
"""


@pytest.mark.slow
def test_qgis_lists_the_classes_with_names_and_colours_and_nothing_else(
    with_model: Any, tmp_path: Path
) -> None:
    """In QGIS itself, which Debian's python3-qgis brings for its own Python."""
    python = ["/usr/bin/python3", "-c"]
    if (
        not Path(python[0]).exists()
        or subprocess.run(
            [*python, "import qgis.core"], check=False, capture_output=True, env={"PATH": "/usr/bin"}
        ).returncode
    ):
        pytest.skip("no QGIS for /usr/bin/python3; on Debian: apt install python3-qgis")
    names = ("a & b", "<c>", 'naïve "森"')
    scene = write(tmp_path / "scene.tif", noise(60, 60))
    run(with_model(Brightness(card(8, names))), scene, tmp_path / "map")
    done = subprocess.run(
        [*python, QGIS, str(tmp_path / "map/classes.tif")],
        env={"PATH": "/usr/bin", "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    where, *entries = done.stdout.splitlines()
    assert where == "EPSG:32632 500000.0 5600000.0"
    shades = ["#{:02x}{:02x}{:02x}".format(*shade) for shade in colours(3)]
    assert entries == [f"{label} {shades[label]} {name}" for label, name in enumerate(names)]
