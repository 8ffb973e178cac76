"""One network of Table 9 in a process of its own: trained, tried on the test part, kept in a folder.

The same functions as the pipeline's stages call, with the same seeds; but logits stay arrays in a scratch
folder, and a student first shows its pace among all others, since the epochs that fit follow from that.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any

import numpy as np
import torch

from benchmarks.day.protocols import Params, kind_of, stored_views
from erkt.data.images import Part, open_parts
from erkt.errors import ErktError
from erkt.evaluation.metrics import headline, report
from erkt.files.json_file import read_json, write_json
from erkt.losses.objective import Objective
from erkt.losses.supervised import Supervised
from erkt.machine.device import choose
from erkt.networks import models
from erkt.networks.inference import predict
from erkt.networks.models import Classifier
from erkt.params.distill import Distill
from erkt.params.network import Network
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.params.teacher import Teacher
from erkt.params.views import ViewSettings
from erkt.seeds import derive
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.teach import Teach
from erkt.teachers.writer import block_logits
from erkt.training.engine import fit
from erkt.views.batches import ViewBatches

CURVE, SCORES, DONE, PACE, LENGTH, ENSEMBLE = (
    "curve.jsonl", "test.npy", "done.json", "pace.json", "length.json", "ensemble.json",
)  # fmt: skip
_PACED = 5  # epochs
_TOGETHER = 30.0  # seconds for which a student waits for the others before it shows its pace
_ENDLESS = 1_000_000


@dataclass(frozen=True)
class Work:
    """What all cells share: params by row, the folder they write to, the device and how it is used."""

    rows: Mapping[str, Params]
    folder: Path
    device: str
    threads: int
    inference_batch: int
    environment: Mapping[str, str]
    until: float
    graphs: bool = False

    @property
    def params(self) -> Params:
        """What does not differ between rows: data, teachers, the network of the student."""
        return next(iter(self.rows.values()))

    @property
    def prepared(self) -> Path:
        """Return the folder of the decoded images."""
        return self.folder / "prepared"

    def split(self, seed: int, part: str) -> Path:
        """Return the list of ``part``: train, val or test."""
        return self.folder / f"splits/{seed}/{part}.txt"

    def of(self, seed: int, name: str) -> Path:
        """Return the folder of a teacher, by its name, or of a row's student."""
        return self.folder / f"networks/{seed}/{name}"

    def parts(self, seed: int, *names: str) -> list[Part]:
        """Return the images of the parts."""
        return open_parts(self.prepared, *(self.split(seed, name) for name in names))

    def chosen(self) -> torch.device:
        """Return the device, chosen as stages do."""
        changes = {"device": self.device, "threads": self.threads, "inference_batch": self.inference_batch}
        return choose(build(Runtime, self.params["runtime"] | changes, "runtime"))


def train_teacher(work: Work, seed: int, name: str) -> None:
    """Train a teacher; keep its logits on the validation and test parts, and on the views of the students."""
    started, device, folder = time.time(), work.chosen(), work.of(seed, name)
    settings = build(Teacher, work.params["teachers"][name], f"teachers.{name}")
    base = build(ViewSettings, work.params["base"], "base")
    train, val, test = work.parts(seed, "train", "val", "test")
    own = derive(seed, "teacher", name)
    model = models.build(settings.network, train.classes, train.side, own, work.environment)
    views, recipe = settings.views_beside(base), settings.recipe
    data = ViewBatches(train, views, own, recipe.epochs, recipe.batch_size, device)
    folder.mkdir(parents=True)
    with (folder / CURVE).open("w", encoding="utf-8") as curve:
        for epoch in fit(model, data, Supervised(), recipe=recipe, seed=own, graphs=work.graphs):
            curve.write(json.dumps(epoch) + "\n")
    np.save(folder / "val.npy", predict(model, val, work.inference_batch, device))
    for kind, count in stored_views(work.rows).items():
        shown = build(ViewSettings, work.params["base"] if kind == "base" else _vsm(work), kind)
        data = ViewBatches(train, shown, seed, count, work.inference_batch, device)
        np.save(folder / f"{kind}.npy", block_logits(model, data, range(count)))
    _finish(work, folder, model, test, device, {"epochs": recipe.epochs, "seconds": time.time() - started})


def train_student(work: Work, seed: int, row: str, all_ready: Barrier) -> None:
    """Train the student of a row for as many epochs as ``length.json`` says by then; show the pace before."""
    params, device, folder = work.rows[row], work.chosen(), work.of(seed, row)
    settings, network = (
        build(Distill, params["distill"], "distill"),
        build(Network, params["student"], "student"),
    )
    train, test = work.parts(seed, "train", "test")
    data = ViewBatches(
        train,
        build(ViewSettings, params["vsm"], "vsm"),
        seed,
        params["cache"]["views_per_block"],
        settings.recipe.batch_size,
        device,
    )
    objective, own = Objective(settings), derive(seed, "student")
    teach = _teachers(work, seed, kind_of(params)) if objective.needs_teacher else None
    folder.mkdir(parents=True)
    all_of_it = _Student(work, network, own, data, objective, settings, teach)
    length = _show_pace(all_of_it, folder, all_ready)
    epochs = length["epochs"] * settings.recipe.epochs // length["asked"]

    started, model, done = time.time(), all_of_it.network_anew(), 0
    with (folder / CURVE).open("w", encoding="utf-8") as curve:
        for epoch in all_of_it.epochs(model, epochs):
            curve.write(json.dumps(epoch) + "\n")
            curve.flush()
            done += 1
            if time.time() > length["cut"]:
                break
    seconds = time.time() - started
    steps = done * len(data.epoch(0, 1)[1])
    facts = {"epochs": done, "planned": epochs, "seconds": seconds, "steps_a_second": steps / seconds}
    _finish(work, folder, model, test, device, facts)


@dataclass(frozen=True)
class _Student:
    """Everything from which a student is trained, once for its pace and once for good."""

    work: Work
    network: Network
    seed: int
    data: ViewBatches
    objective: Objective
    settings: Distill
    teach: Teach | None

    def network_anew(self) -> Classifier:
        images = self.data.subset
        return models.build(self.network, images.classes, images.side, self.seed, self.work.environment)

    def epochs(self, model: Classifier, count: int) -> Any:
        recipe = replace(
            self.settings.recipe,
            epochs=count,
            warmup_epochs=min(self.settings.recipe.warmup_epochs, count - 1),
        )
        return fit(
            model,
            self.data,
            self.objective,
            recipe=recipe,
            seed=self.seed,
            teach=self.teach,
            resizing=self.settings.resizing,
            averaging=self.settings.averaging,
            graphs=self.work.graphs,
        )


def _show_pace(student: _Student, folder: Path, all_ready: Barrier) -> dict[str, Any]:
    """Write the seconds of an epoch, measured while every other student trains too; return the length.

    It goes on until the length is known, so that the others measure theirs beside it.
    """
    work, taken = student.work, []
    for number, _ in enumerate(student.epochs(student.network_anew(), _ENDLESS)):
        if number == 0:  # which is slow: all begin to count after theirs
            try:
                all_ready.wait(_TOGETHER)
            except BrokenBarrierError:
                print(f"  {folder.name}: not all students began; the pace is that of fewer", flush=True)
            last = time.time()
            continue
        taken.append(time.time() - last)
        last = time.time()
        if len(taken) == _PACED:
            write_json(folder / PACE, {"seconds": sum(taken) / _PACED})
        if (work.folder / LENGTH).exists():
            return read_json(work.folder / LENGTH)
        if last > work.until:
            break
    raise ErktError("nobody said in time how many epochs fit")


def _teachers(work: Work, seed: int, kind: str) -> CachedTeachers:
    ensemble = read_json(work.folder / f"networks/{seed}/{ENSEMBLE}")
    members = [dict(enumerate(np.load(work.of(seed, name) / f"{kind}.npy"))) for name in ensemble["weights"]]
    return CachedTeachers(members, list(ensemble["weights"].values()), ensemble["space"])


def _vsm(work: Work) -> Params:
    return next(params["vsm"] for params in work.rows.values() if kind_of(params) == "vsm")


def _finish(
    work: Work, folder: Path, model: Classifier, test: Part, device: torch.device, facts: dict[str, Any]
) -> None:
    scores = predict(model, test, work.inference_batch, device)
    np.save(folder / SCORES, scores)
    figures = headline(report(scores, test.labels, test.classes))
    write_json(folder / DONE, {**figures, **facts, "parameters": model.parameters_count})
