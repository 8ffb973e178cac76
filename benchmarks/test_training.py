"""Training from the cache: against the student's bare step, and against Algorithm 1."""

import os
import statistics
import subprocess
import sys
from functools import partial

import pytest
import torch

from benchmarks import paper
from benchmarks.session import Bench, Race
from erkt.networks.models import Classifier
from erkt.networks.onnx_teacher import OnnxTeacher
from erkt.progress import Progress
from erkt.teachers.online import OnlineTeachers
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.writer import block_logits
from erkt.training.engine import Teach, fit
from erkt.views.batches import Batch, ViewBatches


@pytest.mark.parametrize("side", [128, 256])
def test_step(side: int, bench: Bench, race: Race) -> None:
    """A step from the cache (read, VSM, loss, backward, optimizer, logging) against the student's alone.

    Both with the same optimizer in the same form; the bare step's loss is cross-entropy.
    """
    if bench.quick and side > 128:
        pytest.skip("the short version")
    # An epoch has a hundred steps and more, so what it starts with should weigh little here too.
    steps, longer = (3, 1) if bench.quick else (5, 3)
    data = paper.data(paper.images(steps * paper.BATCH, side), bench.device)
    cached = cached_teachers(paper.teachers(side, bench.device), data)
    ours, bare = (paper.network(paper.STUDENT, side, bench.device) for _ in range(2))
    batch = data.batch(data.view(0), data.in_order(0)[0])

    calls = {"ours": partial(epoch, ours, data, cached), "bare": partial(bare_steps, bare, batch, steps)}
    seconds = race(calls, longer=longer)
    ratios = [theirs / own for own, theirs in zip(seconds["ours"], seconds["bare"], strict=True)]
    bench.add("step", "the student's bare step", ratios, size=side, batch=paper.BATCH)


@pytest.mark.parametrize("side", [128, 256])
def test_epoch_and_total(side: int, bench: Bench, race: Race) -> None:
    """An epoch from the cache against an online one; from both, what 1, 3 and 5 students cost with caching.

    Online is Algorithm 1 in this engine with the same teachers in the same mode. Views are as many as epochs:
    each is cached once. Start-up and export are not counted, a run has hundreds of epochs.
    """
    if bench.quick and side > 128:
        pytest.skip("the short version")
    data = paper.data(paper.images(2 * paper.BATCH, side), bench.device)
    online = paper.teachers(side, bench.device)
    large = paper.data(data.subset, bench.device, paper.PARAMS["runtime"]["inference_batch"])
    cached = cached_teachers(online, data)
    students = [paper.network(paper.STUDENT, side, bench.device) for _ in range(2)]
    calls = {
        "cached": partial(epoch, students[0], data, cached),
        "online": partial(epoch, students[1], data, online),
        "eager": partial(cached_teachers, online, large),
    }
    if bench.device.type == "cpu" and not (bench.quick or bench.eager):
        onnx = [OnnxTeacher(member) for member in online.members]
        calls["onnx"] = partial(
            lambda members: [block_logits(member, large, [0]) for member in members], onnx
        )
    seconds = race(calls)
    facts = {"size": side, "batch": paper.BATCH}
    epochs = [online / cached for cached, online in zip(seconds["cached"], seconds["online"], strict=True)]
    bench.add("epoch", "an epoch with the teachers online", epochs, **facts)
    if "onnx" in seconds:
        faster = [eager / onnx for eager, onnx in zip(seconds["eager"], seconds["onnx"], strict=True)]
        bench.add("caching", "caching: onnx against eager", faster, **facts | {"batch": large.batch_size})
    for mode in [name for name in calls if name in ("eager", "onnx")]:
        rounds = list(zip(seconds["cached"], seconds["online"], seconds[mode], strict=True))
        pays = statistics.median(caching / (online - cached) for cached, online, caching in rounds)
        for count in (1, 3, 5):
            ratios = [count * online / (caching + count * cached) for cached, online, caching in rounds]
            note = f"caching: {mode}" + (f", pays from {pays:.2f} students on" if count == 1 else "")
            bench.add("total", f"{count} online run{'s'[: count > 1]}", ratios, note=note, **facts)


def test_recompute(bench: Bench) -> None:
    """A student's epoch with ``runtime.recompute``, against one without; in turns, each a process.

    What becomes of freed memory belongs to the setting, and cannot be changed twice within a process.
    """
    side = 128
    seconds: dict[str, list[float]] = {"": [], "--recompute": []}
    for _ in range(bench.rounds):
        for option, taken in seconds.items():
            command = [sys.executable, "-m", "benchmarks.steps", str(side), *filter(None, [option])]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            taken.append(float(done.stdout))
    ratios = [usual / again for usual, again in zip(*seconds.values(), strict=True)]
    bench.add("recompute", "recompute: false", ratios, size=side, batch=paper.BATCH)


def cached_teachers(teachers: OnlineTeachers, data: ViewBatches) -> CachedTeachers:
    """Run every teacher on the view of ``data`` and return their logits, kept in memory."""
    members = [dict(enumerate(block_logits(member, data, [0]))) for member in teachers.members]
    return CachedTeachers(members, teachers.weights, teachers.space)


def bare_steps(network: Classifier, batch: Batch, steps: int) -> None:
    """Train ``network`` on the ready images of ``batch``, without distillation, for ``steps`` steps."""
    model, images = network.train(), batch.images.contiguous(memory_format=torch.channels_last)
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=1e-6, fused=True)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(model(images), batch.label_a)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def epoch(student: Classifier, data: ViewBatches, teach: Teach) -> None:
    """Train ``student`` for one epoch with the paper's recipe and loss, with progress shown to nobody."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        shown = Progress(None, label="benchmark", unit="steps", stream=nowhere)
        steps = fit(
            student,
            data,
            paper.objective(),
            recipe=paper.recipe(),
            seed=0,
            teach=teach,
            on_step=lambda done, _: shown.update(done),
        )
        list(steps)
