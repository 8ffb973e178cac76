"""A student of a run in miniature: noise images of three classes, as a run would leave it behind."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from made import CLASSES
from PIL import Image

from erkt.data.archive import members
from erkt.data.lists import write_list, write_unlabelled
from erkt.data.prepare import prepare
from erkt.deploy.describe import Described, Run, describe
from erkt.networks import models
from erkt.params.network import Network, Weights
from erkt.params.prepare import Prepare

SIDE = 32
SETTINGS = Prepare(SIDE, "bilinear", "center_crop", "refuse")


def picture(label: int, number: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Return a noisy image of ``size`` (width, height) that is brighter in the channel of its class."""
    rng = np.random.default_rng([label, number])
    pixels = rng.integers(0, 128, (size[1], size[0], 3)).astype(np.uint8)
    pixels[..., 2 - label] += 100
    return Image.fromarray(pixels)


@dataclass(frozen=True)
class Made:
    """A run's files, and the folder of the original images, one folder a class."""

    run: Run
    images: Path
    described: Callable[[], Described]


def made_run(root: Path) -> Made:
    """Return a student, its images, a validation part, two teachers and metrics, made below ``root``."""
    images, keys = root / "images", []
    for label, name in enumerate(CLASSES):
        (images / name).mkdir(parents=True)
        for number in range(8):
            keys.append((f"{name}/{number}.jpg", label))
            picture(label, number).save(images / keys[-1][0], quality=95)
    archive = _zip(root, images)
    assert len(list(members(archive))) == 24
    prepare(archive, root / "data/prepared", SETTINGS, lambda done, total: None)

    splits = root / "data/splits/0"
    for name, chosen in {"train": keys[::2], "val": keys[1::2]}.items():
        write_list(splits / f"{name}.txt", *zip(*chosen, strict=True))
    write_unlabelled(splits / "unlabelled.txt", [])
    archs = {
        "students/0": "test_resnet",
        "teachers/0/one": "test_byobnet",
        "teachers/0/two": "test_efficientnet",
    }
    for place, arch in archs.items():
        settings = Network(arch, Weights("none", None, None, None), 0.0, 0.0)
        model = models.build(settings, CLASSES, SIDE, seed=0, environment={}).train()
        with torch.no_grad():
            for _ in range(20):  # statistics of batch norm, and logits with a spread
                model(torch.rand(16, 3, SIDE, SIDE))
            list(model.network.parameters())[-2].mul_(10)
        models.save_folder(model, root / "data" / place)
    (root / "data/teaching/0").mkdir(parents=True)
    weights = {"weights": {"one": 0.75, "two": 0.25}, "space": "logits"}
    (root / "data/teaching/0/ensemble.json").write_text(json.dumps(weights))
    (root / "metrics").mkdir()
    rows = [
        {"network": "student", "oa": 91.5, "nll": 0.25, "weights": None},
        {"network": "ensemble", "oa": 95.0},
    ]
    (root / "metrics/0.json").write_text(json.dumps(rows))
    run = Run(
        network=root / "data/students/0",
        prepared=root / "data/prepared",
        train=splits / "train.txt",
        val=splits / "val.txt",
        unlabelled=splits / "unlabelled.txt",
        ensemble=root / "data/teaching/0/ensemble.json",
        teachers=root / "data/teachers/0",
        metrics=root / "metrics/0.json",
        dataset="noise",
        seed=0,
        commit="0123456-dirty",
        inputs=None,
    )
    return Made(run, images, lambda: describe(run, aim=25.0, batch_size=7, device=torch.device("cpu")))


def _zip(root: Path, images: Path) -> Path:
    return Path(shutil.make_archive(str(root / "archive"), "zip", images))
