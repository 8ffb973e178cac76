"""What a step does on a device, counted: no wait, one vector sent, and as many launches for any batch."""

import torch

from benchmarks import paper
from benchmarks.meta_device import META, standing_in
from benchmarks.step_calls import counted


def test_a_step_on_a_device_waits_for_nothing_and_sends_one_vector() -> None:
    found = counted(META, 4, 32, "device")
    step = found["whole step"]
    assert (step["reads"], step["sent"], step["waiting"]) == (0, 1, 0)
    assert found["stored logits"]["launches"] == 1
    assert 0 < found["views"]["launches"] < step["launches"] < step["operators"]
    parts = [calls["launches"] for part, calls in found.items() if part != "whole step"]
    assert sum(parts) < step["launches"] < 1.2 * sum(parts), "the optimizer and the sums are the rest"


def test_on_a_cpu_operators_are_counted_and_nothing_is_sent() -> None:
    step = counted(torch.device("cpu"), 4, 32, "host")["whole step"]
    assert step["operators"] > step["launches"] > 0
    assert (step["reads"], step["sent"], step["waiting"]) == (0, 0, 0)


def test_a_view_takes_as_many_launches_for_any_batch() -> None:
    launches = set()
    with standing_in() as calls:
        for batch in (12, 24, 48):
            data = paper.data(paper.images(48, 32), META, batch)
            view = data.view(0)
            for positions in data.in_order(0):
                data.batch(view, positions)
                calls.launches.clear()
                if view.draws.resized_crop[positions].sum() > 1:  # one image alone takes a launch less
                    data.batch(view, positions)
                    launches.add(len(calls.launches))
    assert len(launches) == 1
    assert launches.pop() <= 80
