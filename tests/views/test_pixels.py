"""Where a device finds pixels: all beside it, or read one batch ahead of it."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from made import batches, subset

from erkt.errors import ErktError
from erkt.views.batches import Batch, ViewBatches
from erkt.views.pixels import ahead, resident

CPU = torch.device("cpu")


def test_pixels_on_a_device_are_the_lists_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    images = replace(subset(31), rows=np.random.default_rng(0).permutation(31))
    monkeypatch.setattr(
        "erkt.views.pixels._CHUNK", 4 * 3 * 16**2
    )  # more than one chunk, the last one smaller
    there = resident(images, CPU, "auto")
    assert there is not None
    assert np.array_equal(there.numpy(), images.pixels(range(31)))


@pytest.mark.parametrize(
    ("images", "free", "fits"),
    [
        ("auto", 2.0, True),
        ("auto", 1.99, False),
        ("device", 1.0, True),
        ("host", 100.0, False),
    ],
)
def test_all_pixels_lie_there_if_half_of_the_free_memory_holds_them(
    images: str, free: float, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erkt.views.pixels.free_bytes", lambda _: int(free * 31 * 3 * 16**2))
    assert (resident(subset(31), CPU, images) is not None) == fits


def test_pixels_that_do_not_fit_are_refused_where_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erkt.views.pixels.free_bytes", lambda _: 31 * 3 * 16**2 - 1)
    with pytest.raises(ErktError, match=r"runtime\.images: device.* set images: auto"):
        resident(subset(31), CPU, "device")


def test_one_item_is_read_ahead_in_order() -> None:
    begun: list[int] = []
    second, third = threading.Event(), threading.Event()

    def read(item: int) -> int:
        begun.append(item)
        {1: second, 2: third}.get(item, threading.Event()).set()
        return 10 * item

    items = ahead(read, range(4))
    assert next(items) == 0
    assert second.wait(60), "nothing was read ahead"
    assert not third.wait(0.2), "more than one was"
    assert [next(items), next(items), next(items)] == [10, 20, 30]
    assert begun == [0, 1, 2, 3]
    assert list(ahead(read, [])) == []


def test_the_next_item_is_read_while_the_caller_works_on_one() -> None:
    read_next = threading.Event()
    for item in ahead(lambda item: item or None if item < 1 else read_next.set() or item, [0, 1]):
        assert item == 1 or read_next.wait(10)


def test_what_fails_in_reading_fails_at_its_item() -> None:
    items = ahead(lambda item: 1 // item, [1, 0])
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)


@pytest.fixture
def on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU passes for a device."""
    for module in ("batches", "view"):
        monkeypatch.setattr(f"erkt.views.{module}.on_host", lambda device: False)


def streamed(data: ViewBatches) -> list[Batch]:
    view, order = data.epoch(1, 4)
    return list(data.stream(view, order))


@pytest.mark.usefixtures("on_a_device")
@pytest.mark.parametrize("images", ["device", "host"])
def test_batches_are_the_same_wherever_their_pixels_come_from(images: str) -> None:
    data = replace(batches(), images=images)
    view, order = data.epoch(1, 4)
    for ours, positions in zip(streamed(data), order, strict=True):
        again, plain = (
            data.batch(view, positions),
            view.render(torch.from_numpy(data.subset.pixels(positions)), positions),
        )
        for name in ("images", "label_a", "label_b", "alpha"):
            assert torch.equal(getattr(ours, name), getattr(again, name))
            torch.testing.assert_close(getattr(ours, name), getattr(plain, name), rtol=0, atol=2e-6)
        assert np.array_equal(ours.index.numpy(), ours.positions)
        assert np.array_equal(ours.positions, positions)


def test_on_a_cpu_batches_are_read_one_by_one() -> None:
    data = batches()
    assert [batch.positions.tolist() for batch in streamed(data)] == [x.tolist() for x in data.epoch(1, 4)[1]]
    assert "_resident" not in vars(data)
