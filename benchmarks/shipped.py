"""What leaves the lab, measured on real images: exports, images of no list, and a map with known truth.

    python -m benchmarks.shipped hold-out aid100.zip scenes
    cp results/aid100-shipped/params.yaml params.yaml
    KNOWN=$PWD/scenes/known dvc repro
    python -m benchmarks.shipped measure scenes results/aid100-shipped

The first command puts the last ten images of each class into ``scenes/unseen``, which no list ever names, and
the others into ``scenes/known``. The last one exports the student of seed 0 in every form, asks each form
about the files of the test list and about the unseen ones, and maps an image that is laid from unseen ones.
"""

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow.parquet
import rasterio
from PIL import Image

import erkt
from erkt.data.images import Part, open_parts
from erkt.deploy.int8 import milliseconds
from erkt.deploy.opening import file_of
from erkt.deploy.predictor import Predictor
from erkt.evaluation.paired import bootstrap
from erkt.files.csv_file import write_csv
from erkt.files.json_file import write_json
from erkt.pipeline import paths

_SEED = 0
_HELD_OUT = 10
_ACROSS = 6  # classes from left to right in the large image
_BLOCK = 3  # images across and down that a class has there
_METRES = 2.0  # a pixel of the large image: any will do, the windows are told in pixels
_BATCHES = (1, 64)
_FORMS: Mapping[str, Sequence[str]] = {
    "student.onnx": (),
    "student-int8.onnx": ("--int8",),
    "student-timm": (),
}


def main() -> None:
    """Do what the first argument names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    held = actions.add_parser("hold-out")
    held.add_argument("archive", type=Path)
    held.add_argument("scenes", type=Path)
    measured = actions.add_parser("measure")
    measured.add_argument("scenes", type=Path)
    measured.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.action == "hold-out":
        hold_out(options.archive, options.scenes)
    else:
        measure(options.scenes, options.out)


def hold_out(archive: Path, scenes: Path) -> None:
    """Unpack a zip of ``class/file`` into ``known`` and, the last ten by number of each class, ``unseen``."""
    members = defaultdict(list)
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if not name.endswith("/"):
                members[PurePosixPath(name).parent.name].append(name)
        for scene, names in members.items():
            names.sort(key=_number)
            for part, some in (("known", names[:-_HELD_OUT]), ("unseen", names[-_HELD_OUT:])):
                folder = scenes / part / scene
                folder.mkdir(parents=True)
                for name in some:
                    (folder / PurePosixPath(name).name).write_bytes(file.read(name))


def measure(scenes: Path, out: Path) -> None:
    """Write ``exports.csv`` and ``shipped.json`` into ``out``."""
    (test,) = open_parts(paths.PREPARED, paths.split_list(_SEED, "test"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        said = {name: _export(folder / name, flags) for name, flags in _FORMS.items()}
        models = {name: erkt.load(folder / name) for name in _FORMS}
        write_csv(out / "exports.csv", _exports(models, folder, scenes / "known", test))
        found = {
            "export": said,
            "unseen": _unseen(folder / "student.onnx", scenes / "unseen", folder / "unseen.parquet"),
            "map": _map(folder / "student.onnx", models["student.onnx"].classes, scenes / "unseen", folder),
        }
    write_json(out / "shipped.json", found)
    print(json.dumps(found, indent=1))


def _export(path: Path, flags: Sequence[str]) -> list[str]:
    """Export the student to ``path``; return what the command says of it, without its place."""
    said = _erkt("export", paths.student(_SEED), path, *flags)
    return [line.replace(f"{path.parent}/", "") for line in said]


def _exports(
    models: Mapping[str, Predictor], folder: Path, known: Path, test: Part
) -> list[dict[str, object]]:
    """Return a row for each form: OA on the test list's files, what agrees with the first, size, latency."""
    files = [known / key for key in test.keys]
    answers = {name: _answers(model, files) for name, model in models.items()}
    rows = []
    bare = {name: model.model for name, model in models.items()}
    spent = {batch: milliseconds(bare, batch) for batch in _BATCHES}
    first = answers[next(iter(models))]
    for name, answer in answers.items():
        hits = {0: answer == test.labels}, {0: first == test.labels}
        low, high = bootstrap(*hits, np.random.default_rng(0))
        rows.append(
            {
                "form": name,
                "precision": models[name].card.precision,
                "images": len(test),
                "oa": round(100 * float(hits[0][0].mean()), 2),
                "oa_minus_onnx_low": round(low, 2),
                "oa_minus_onnx_high": round(high, 2),
                "agrees_with_onnx": round(100 * float(np.mean(answer == first)), 2),
                "mb": round(file_of(folder / name).stat().st_size / 1e6, 2),
                **{f"ms_batch_{batch}": round(spent[batch][name], 2) for batch in _BATCHES},
            }
        )
    return rows


def _answers(model: Predictor, files: Sequence[Path]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([model.classes.index(found.class_name) for found in model.predict(files)])


def _unseen(model: Path, folder: Path, out: Path) -> dict[str, object]:
    """Return how ``erkt predict`` does on images of no list."""
    said = _erkt("predict", model, folder, "--out", out)
    rows = pyarrow.parquet.read_table(out).to_pylist()
    right = np.array([Path(row["path"]).parent.name == row["class"] for row in rows])
    sure = np.array([row["unsure"] is not True for row in rows])
    return {
        "images": len(rows),
        "oa": round(100 * float(right.mean()), 2),
        "sure_percent": round(100 * float(sure.mean()), 2),
        "oa_of_sure": round(100 * float(right[sure].mean()), 2),
        "said": said[-1].removeprefix(f"{out}: "),
    }


def _map(model: Path, classes: Sequence[str], folder: Path, work: Path) -> dict[str, object]:
    """Lay a large image of all classes, map it, and compare each pixel with its class."""
    raster, truth, side = work / "large.tif", _lay(folder, classes, work / "large.tif"), _side(folder)
    said = _erkt("map", model, raster, work / "map", "--window", side, "--stride", side // 2)
    with rasterio.open(work / "map" / "classes.tif") as file:
        found = file.read(1)
    right = found == truth
    height, width, block = *truth.shape, side * _BLOCK
    down, across = np.arange(height) % block, np.arange(width) % block
    inner = [(place >= side // 2) & (place < block - side // 2) for place in (down, across)]
    inside = inner[0][:, None] & inner[1][None, :]
    used = truth != len(classes)
    return {
        "pixels": [height, width],
        "classes": len(classes),
        "window": side,
        "oa": round(100 * float(right[used].mean()), 2),
        "oa_half_a_window_inside": round(100 * float(right[used & inside].mean()), 2),
        "said": [line for line in said if " windows of " in line],
    }


def _lay(folder: Path, classes: Sequence[str], path: Path) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Write a georeferenced image of a block of images for each class; return the class of each pixel."""
    side = _side(folder)
    block = side * _BLOCK
    rows = math.ceil(len(classes) / _ACROSS)
    image = np.zeros((rows * block, _ACROSS * block, 3), np.uint8)
    truth = np.full(image.shape[:2], len(classes))
    for number, scene in enumerate(classes):
        top, left = block * (number // _ACROSS), block * (number % _ACROSS)
        truth[top : top + block, left : left + block] = number
        files = sorted((folder / scene).iterdir())[: _BLOCK**2]
        for place, file in enumerate(files):
            row, column = top + side * (place // _BLOCK), left + side * (place % _BLOCK)
            with Image.open(file) as opened:
                image[row : row + side, column : column + side] = np.asarray(opened.convert("RGB"))
    height, width = truth.shape
    profile = {"crs": "EPSG:32632", "transform": rasterio.Affine(_METRES, 0, 500_000, 0, -_METRES, 5_600_000)}
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=3, dtype="uint8", **profile
    ) as file:
        file.write(image.transpose(2, 0, 1))
    return truth


def _side(folder: Path) -> int:
    """Return the side in pixels of the images below ``folder``, which all have the same."""
    sides = set()
    for path in folder.rglob("*.jpg"):
        with Image.open(path) as file:
            sides.update(file.size)
    (side,) = sides
    return side


def _erkt(*arguments: object) -> list[str]:
    """Run a command of ``erkt``; return the lines that it prints."""
    command = [sys.executable, "-m", "erkt", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()


def _number(name: str) -> int:
    found = re.search(r"(\d+)\.\w+$", name)
    if found is None:
        shown = f"{name}: no number at its end"
        raise SystemExit(shown)
    return int(found.group(1))


if __name__ == "__main__":
    main()
