"""A published split goes through ``dvc repro`` as it is: downloaded, prepared and divided, for every seed."""

import io
from pathlib import Path

import numpy as np
from clone import Clone
from packed import unpack
from PIL import Image

CLASSES = ("beach", "forest", "viaduct")
COUNTS = {"train": 5, "test": 3}


def images() -> dict[str, bytes]:
    """Return a tree of two parts with class folders, in which both parts have the same file names."""
    made = {}
    draw = np.random.default_rng(0)
    for part, count in COUNTS.items():
        for name in CLASSES:
            for number in range(count):
                out = io.BytesIO()
                Image.fromarray(draw.integers(0, 256, (40, 40, 3), np.uint8)).save(out, "PNG")
                made[f"{part}/{name}/{number}.png"] = out.getvalue()
    return made


def test_parts_in_folders_become_the_lists_of_every_seed(tmp_path: Path) -> None:
    tree = unpack(tmp_path / "tree", images() | {"train/beach/x.jfif": b"x"})
    (tmp_path / "clone").mkdir()
    clone = Clone(tmp_path / "clone")
    clone.params["seeds"] = [0, 1]
    parts = {"source": "folders", "location": None, "train": ["train"], "val": [], "test": ["test"]}
    clone.params["dataset"] |= {"name": "mine", "source": "folder", "location": str(tree), "scenes": None}
    clone.params["dataset"]["parts"] = parts
    clone.params["split"] |= {"train_percent": None, "val_percent": 20, "unlabelled_percent": 0}
    clone.write_params()
    done = clone.python("-m", "erkt", "data", "check", str(tree))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "fit"), done.stdout + done.stderr
    assert "warning: files left out, since no image ends so: 1 .jfif" in done.stdout
    assert ["split", "15", "train,", "9", "test"] in [line.split() for line in done.stdout.splitlines()]
    done = clone.python("-m", "dvc", "repro", "split")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "download: files left out, since no image ends so: 1 .jfif" in done.stderr
    lists = {}
    for seed in (0, 1):
        for part in ("train", "val", "test", "unlabelled"):
            text = (clone.folder / f"data/splits/{seed}/{part}.txt").read_text()
            lists[seed, part] = {line.partition("\t")[0] for line in text.splitlines()}
    published = {
        part: {f"{name}/{part}-{i}.png" for name in CLASSES for i in range(COUNTS[part])} for part in COUNTS
    }
    for seed in (0, 1):
        assert lists[seed, "test"] == published["test"]
        assert lists[seed, "train"] | lists[seed, "val"] == published["train"]
        assert [sum(key.startswith(name) for key in lists[seed, "val"]) for name in CLASSES] == [1, 1, 1]
        assert lists[seed, "unlabelled"] == set()
    assert lists[0, "val"] != lists[1, "val"]
    clone.params["dataset"]["parts"] = None
    clone.params["split"]["train_percent"] = 60
    clone.write_params()
    done = clone.python("-m", "dvc", "repro", "split")
    assert done.returncode != 0
    assert "lies in a folder of a class folder; location is the folder of the classes" in done.stderr
    assert "to take that split as it is, set dataset.parts" in done.stderr
