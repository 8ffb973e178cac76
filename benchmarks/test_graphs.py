"""Steps launched as CUDA graphs (``runtime.graphs``), against usual ones and a bare step as a graph."""

from collections.abc import Callable
from functools import partial

import pytest
from torch import Tensor

from benchmarks import paper
from benchmarks.session import Bench, Race
from benchmarks.test_training import STEPS
from benchmarks.training import bare_step, cached_teachers, epochs, times
from erkt.training.graphs import BEFORE, Made, Recorder, own_recorder


@pytest.mark.parametrize("side", [128, 256])
def test_graphs(side: int, bench: Bench, race: Race) -> None:
    """A step from the cache, by graphs: against the same without, and against the student's bare step as one.

    Each is warm and recorded before it is timed; a training has thousands of steps.
    """
    if bench.device.type == "cpu" and not bench.eager:
        pytest.skip("graphs are a GPU's")  # what is eager on a CPU is a rehearsal
    steps = BEFORE + 2 if bench.quick else STEPS[bench.device.type]  # the first epoch records
    data = paper.data(paper.images(steps * paper.BATCH, side), bench.device)
    cached = cached_teachers(paper.teachers(side, bench.device), data)
    usual, recorded, bare = (paper.network(paper.STUDENT, side, bench.device) for _ in range(3))

    def own() -> Recorder:
        return own_recorder(bench.device) or _Again()

    calls = {"graphs": epochs(recorded, data, cached, graphs=own()), "usual": epochs(usual, data, cached)}
    for call in calls.values():
        call()
    batch, record = data.batch(data.view(0), data.in_order(0)[0]), own()
    step = bare_step(bare, batch, recorded=True)
    for _ in range(BEFORE):
        record.beside(step)
    calls["bare"] = partial(times, steps, record.record(step))
    seconds = race(calls, longer=1 if bench.quick else 3)
    for name, key, against in (
        ("graphs", "usual", "the step without graphs"),
        ("graphs step", "bare", "the student's bare step as a graph"),
    ):
        ratios = [its / ours for ours, its in zip(seconds["graphs"], seconds[key], strict=True)]
        bench.add(name, against, ratios, size=side, batch=paper.BATCH)


class _Again:
    """Records nothing, in a rehearsal on a CPU: what a GPU would replay is called again."""

    def beside(self, call: Callable[[], Made]) -> Made:
        return call()

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        return call
