"""Small made-up data and networks for tests of training and caching, and checkpoints that interrupt them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from views_settings import TABLE_1 as VSM

from erkt.data.images import Part, Subset
from erkt.files.digests import Sha256
from erkt.inflight.checkpoints import Checkpoint, FolderCheckpoints
from erkt.inflight.stopping import Stop
from erkt.networks.models import Card, Classifier
from erkt.params.loss import Dist, Dkd, Kd, Loss, MultiLevel
from erkt.params.recipe import Recipe
from erkt.params.runtime import Runtime
from erkt.params.schema import as_dict
from erkt.seeds import stream
from erkt.teachers.manifest import Origin
from erkt.views.batches import ViewBatches

CLASSES = ("blue", "green", "red")
SIDE = 16
CARD = Card("test_resnet", CLASSES, SIDE, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "made")
RECIPE = Recipe(
    epochs=2,
    batch_size=8,
    learning_rate=0.01,
    weight_decay=0.0,
    warmup_epochs=0,
    clip_norm=None,
    precision="fp32",
    processes=1,
)
ORIGIN = Origin(
    teacher=Sha256("teacher"),
    images=Sha256("images"),
    train=Sha256("train"),
    seed=0,
    settings=as_dict(VSM),
    finish=None,
    classes=list(CLASSES),
    precision="fp32",
)
RUNTIME = Runtime(
    device="auto",
    threads=None,
    inference_batch=2,
    checkpoint_seconds=60.0,
    recompute=False,
    caching="eager",
    images="auto",
    deterministic=True,
    fused_views=False,
    graphs=False,
)
LOSS = Loss(
    loss="dist",
    loss_ratio=1.0,
    dist=Dist(2.0, tau_squared=False),
    kd=Kd(4.0, standardised=False),
    dkd=Dkd(4.0, 1.0, 8.0, 20, standardised=False),
    multi_level=MultiLevel((2.0, 4.0), 1.0, 1.0, 1.0, standardised=False),
)


def subset(count: int = 31, seed: int = 0) -> Subset:
    """Return noise images that are brighter in the channel of their class; ``count`` may be odd."""
    labels = np.arange(count) % len(CLASSES)
    pixels = stream(seed, "made").integers(128, count, 3, SIDE, SIDE).astype(np.uint8)
    for place, label in enumerate(labels):
        pixels[place, 2 - label] += 100
    keys = tuple(f"{CLASSES[label]}/{place:03}.png" for place, label in enumerate(labels))
    return Subset(np.arange(count), labels, keys, CLASSES, pixels)


def part(count: int = 31, listed: str = "train") -> Part:
    """Return ``subset`` as the part of a split, whose list has the digest ``listed``."""
    return Part(**vars(subset(count)), array_sha256=Sha256("images"), list_sha256=Sha256(listed))


def batches(batch_size: int = 8, seed: int = 0, count: int = 31, views: int = 4) -> ViewBatches:
    """Return epochs of VSM views over ``subset``."""
    return ViewBatches(subset(count), VSM, seed, views, batch_size, torch.device("cpu"))


class Tiny(nn.Module):
    """A network with what training depends on: convolution, batch norm, dropout, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.drop(self.norm(self.conv(images)).relu().mean((2, 3))))


def classifier(seed: int = 0, **card: object) -> Classifier:
    """Return a tiny network with weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(Tiny(), replace(CARD, **card))


def no_warning(message: str) -> None:
    """Take a warning where none is due."""
    pytest.fail(f"a warning came where none was due: {message}")


def keeper(
    folder: Path, stop: Stop | None = None, seconds: float = 0.0, **options: object
) -> FolderCheckpoints:
    """Return checkpoints in ``folder``, after every step unless ``seconds`` says otherwise."""
    return FolderCheckpoints(folder, seconds, stop or Stop(), options.pop("warn", no_warning), **options)


class Interrupting(FolderCheckpoints):
    """Asks to leave after so many steps, and keeps no checkpoint before."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.stop, self.left = Stop(), steps
        super().__init__(folder, 1e9, self.stop, no_warning)

    def after_step(self, make: Callable[[], Checkpoint]) -> None:
        self.left -= 1
        self.stop.requested = self.left == 0
        super().after_step(make)
