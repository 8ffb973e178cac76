"""The paper's setting with made images and random weights: time does not depend on them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from erkt.data.images import Subset
from erkt.files.yaml_file import read_yaml
from erkt.losses.objective import Objective
from erkt.networks import models
from erkt.networks.models import Classifier
from erkt.params.distill import Distill
from erkt.params.network import Network, Weights
from erkt.params.recipe import Recipe
from erkt.params.schema import build
from erkt.params.views import ViewSettings
from erkt.pipeline import paths
from erkt.seeds import stream
from erkt.teachers.online import OnlineTeachers
from erkt.views.batches import ViewBatches

_ROOT = Path(__file__).parents[1]  # a process may begin elsewhere
PARAMS: dict[str, Any] = read_yaml(_ROOT / paths.PRESETS / "nwpu45-tr10.yaml")
TEACHERS = {name: own["network"]["arch"] for name, own in PARAMS["teachers"].items()}
STUDENT: str = PARAMS["student"]["arch"]
CLASSES = tuple(f"class {number:02}" for number in range(45))
BATCH: int = PARAMS["distill"]["recipe"]["batch_size"]


def shrink(student: str, teacher: str) -> None:
    """Put small architectures in the place of the paper's, from now on, to try what needs these modules."""
    global STUDENT  # who measures asks this module for them
    STUDENT = student
    TEACHERS.update(dict.fromkeys(TEACHERS, teacher))


def views() -> ViewSettings:
    """Return Table 1."""
    return build(ViewSettings, PARAMS["vsm"], "vsm")


def objective() -> Objective:
    """Return eq. 15 with R = 1."""
    return Objective(build(Distill, PARAMS["distill"], "distill"))


def recipe(epochs: int = 1) -> Recipe:
    """Return the student's recipe, shortened."""
    return build(Recipe, PARAMS["distill"]["recipe"] | {"epochs": epochs}, "recipe")


def images(count: int, side: int) -> Subset:
    """Return ``count`` images of noise, of all classes in turn."""
    pixels = stream(0, "benchmark").integers(256, count, 3, side, side).astype(np.uint8)
    labels = np.arange(count) % len(CLASSES)
    keys = tuple(f"{CLASSES[label]}/{place:05}.png" for place, label in enumerate(labels))
    return Subset(np.arange(count), labels, keys, CLASSES, pixels)


def data(subset: Subset, device: torch.device, batch: int = BATCH) -> ViewBatches:
    """Return one view of ``subset``."""
    return ViewBatches(subset, views(), seed=0, views=1, batch_size=batch, device=device)


def network(arch: str, side: int, device: torch.device) -> Classifier:
    """Return ``arch`` with random weights, in evaluation mode."""
    settings = Network(arch, Weights("none", None, None, None), drop_rate=0.0, drop_path_rate=0.0)
    return models.build(settings, CLASSES, side, seed=0, environment={}).to(device).eval()


def teachers(side: int, device: torch.device) -> OnlineTeachers:
    """Return the ensemble B0 + B3 + R50 with the paper's weights."""
    weights = PARAMS["ensemble"]["weights"]
    members = [
        network(TEACHERS[name], side, device).to(memory_format=torch.channels_last) for name in weights
    ]
    return OnlineTeachers(members, list(weights.values()), PARAMS["ensemble"]["space"])
