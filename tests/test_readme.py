"""README's commands for one's own images and for sharing, as they stand, on a tiny protocol."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from clone import Clone, finished_clone
from closure import ROOT

pytestmark = pytest.mark.slow

BLOCKS = re.findall(r"(?:^ {4}.+\n)+", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)


def block(start: str, **places: str) -> str:
    """Return the commands of the block that starts so, with ``/path/to/...`` replaced."""
    (found,) = [text for text in BLOCKS if text.strip().startswith(start)]
    for path, place in places.items():
        found = found.replace(f"/path/to/{path}", place)
    return found


def shell(clone: Clone, commands: str) -> str:
    folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
    names = {f"GIT_{role}_{fact}": "t@t" for role in ("AUTHOR", "COMMITTER") for fact in ("NAME", "EMAIL")}
    environment = os.environ | names | {"PATH": os.pathsep.join(folders), "PYTHONPATH": str(clone.folder)}
    command = ["bash", "-e", "-u", "-c", commands]
    done = subprocess.run(
        command, cwd=clone.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def use_the_student(clone: Clone, given: str, folder: Path) -> int:
    """Run the block on the student, without its map where rasterio is missing; return the table's lines."""
    commands = block("erkt export", **{"raster.tif": str(folder / "raster.tif"), "new/images": "$MY_SCENES"})
    if find_spec("rasterio") is None:
        commands = "".join(line for line in commands.splitlines(keepends=True) if "erkt map" not in line)
    else:
        large_raster(folder / "raster.tif")
    shell(clone, given + commands)
    lines = (clone.folder / "predictions.csv").read_text().count("\n")
    assert (clone.folder / "map/classes.tif").is_file() is (find_spec("rasterio") is not None)
    shutil.rmtree(clone.folder / "map", ignore_errors=True)
    for made in ("student.onnx", "predictions.csv"):
        (clone.folder / made).unlink()
    return lines


def large_raster(path: Path) -> None:
    """Write a georeferenced image of noise."""
    import rasterio

    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(2, 0, 500_000, 0, -2, 5_600_000)}
    with rasterio.open(
        path, "w", driver="GTiff", height=96, width=128, count=3, dtype="uint8", **place
    ) as file:
        file.write(np.random.default_rng(0).integers(0, 256, (3, 96, 128), dtype=np.uint8))


def test_the_commands_of_the_readme_work_one_after_the_other(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone, _ = finished_clone(tmp_path_factory)
    with zipfile.ZipFile(clone.folder / "data/archive") as archive:
        archive.extractall(tmp_path / "scenes")
    own = yaml.safe_load((clone.folder / "presets/own-images.yaml").read_text(encoding="utf-8"))
    small = clone.params | {"dataset": own["dataset"]}
    (clone.folder / "presets/own-images.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")
    clone.git("init", "-q", "--bare", str(tmp_path / "git"))
    clone.git("remote", "add", "origin", str(tmp_path / "git"))
    clone.git("push", "-q", "-u", "origin", "HEAD")
    (tmp_path / "remote").mkdir()

    given = f"export MY_SCENES={tmp_path / 'scenes'}\n"
    assert shell(clone, block("export MY_SCENES", scenes=str(tmp_path / "scenes"))).endswith("\nfit\n")
    printed = shell(clone, given + block("erkt params"))
    assert printed.index("params.yaml: my-scenes") < printed.index("ensemble of teachers")
    assert use_the_student(clone, given, tmp_path) == 71
    compared = shell(clone, given + block("git add metrics"))
    assert re.search(r"distill\.loss_ratio\s+1\.0\s+0\.5", compared)
    assert "files pushed" in shell(
        clone, block("dvc remote add", **{"a/shared/folder": str(tmp_path / "remote")})
    )
