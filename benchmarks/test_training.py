"""Training from the cache: against the student's bare step, and against Algorithm 1."""

import statistics
import subprocess
import sys
from functools import partial

import pytest

from benchmarks import paper
from benchmarks.session import Bench, Race
from benchmarks.training import bare_step, cached_teachers, epochs, times
from erkt.networks.onnx_teacher import OnnxTeacher
from erkt.teachers.writer import block_logits

STEPS = {"cpu": 5, "cuda": 40}
"""Of an epoch, whose start weighs little in a run of a hundred steps and more; a GPU's step is short."""


@pytest.mark.parametrize("side", [128, 256])
def test_step(side: int, bench: Bench, race: Race) -> None:
    """A step from the cache (read, VSM, loss, backward, optimizer, logging) against the student's alone.

    Both are one training, with the same optimizer in the same form; the bare step's loss is cross-entropy.
    """
    if bench.quick and side > 128:
        pytest.skip("the short version")
    steps, longer = (3, 1) if bench.quick else (STEPS[bench.device.type], 3)
    data = paper.data(paper.images(steps * paper.BATCH, side), bench.device)
    cached = cached_teachers(paper.teachers(side, bench.device), data)
    ours, bare = (paper.network(paper.STUDENT, side, bench.device) for _ in range(2))
    batch = data.batch(data.view(0), data.in_order(0)[0])

    calls = {"ours": epochs(ours, data, cached), "bare": partial(times, steps, bare_step(bare, batch))}
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
    steps = 2 if bench.quick or bench.device.type == "cpu" else STEPS["cuda"] // 2
    data = paper.data(paper.images(steps * paper.BATCH, side), bench.device)
    online = paper.teachers(side, bench.device)
    large = paper.data(data.subset, bench.device, paper.PARAMS["runtime"]["inference_batch"])
    cached = cached_teachers(online, data)
    students = [paper.network(paper.STUDENT, side, bench.device) for _ in range(2)]
    calls = {
        "cached": epochs(students[0], data, cached),
        "online": epochs(students[1], data, online),
        "eager": partial(cached_teachers, online, large),
    }
    if bench.device.type == "cpu" and not (bench.quick or bench.eager):
        onnx = [OnnxTeacher(member) for member in online.members]
        calls["onnx"] = partial(
            lambda members: [block_logits(member, large, [0]) for member in members], onnx
        )
    seconds = race(calls)
    facts = {"size": side, "batch": paper.BATCH}
    ratios = [online / cached for cached, online in zip(seconds["cached"], seconds["online"], strict=True)]
    bench.add("epoch", "an epoch with the teachers online", ratios, **facts)
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
