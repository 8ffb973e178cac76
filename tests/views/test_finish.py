"""The last epochs show views of other settings: which epochs, which views, and that nothing else moves."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made import subset
from views_settings import BASE, NOTHING, TABLE_1

from erkt.views.batches import ViewBatches
from erkt.views.finish import Finish


def epochs_of(views: int, finish: Finish | None, count: int = 31) -> ViewBatches:
    return ViewBatches(subset(count), TABLE_1, 0, views, 8, torch.device("cpu"), finish)


@pytest.mark.parametrize(
    ("share", "per_block", "views", "epochs", "shown"),
    [
        (0.0, 4, 4, 4, [0, 1, 2, 3]),
        (0.25, 4, 4, 4, [0, 1, 2, 3]),
        (0.5, 4, 4, 8, [0, 1, 0, 1, 2, 3, 2, 3]),
        (0.25, 4, 8, 8, [0, 1, 2, 4, 5, 6, 3, 7]),
        (0.2, 5, 5, 10, [0, 1, 2, 3, 0, 1, 2, 3, 4, 4]),
        (1.0, 3, 3, 4, [0, 1, 2, 0]),
    ],
)
def test_the_last_epochs_show_the_last_views_of_each_block(
    share: float, per_block: int, views: int, epochs: int, shown: list[int]
) -> None:
    finish = Finish(share, NOTHING, per_block)
    assert [finish.shown(epoch, epochs, views) for epoch in range(epochs)] == shown
    last = [finish.includes(number) for number in shown]
    assert last == sorted(last)
    assert sum(last) == round(share * epochs)


def test_a_finishing_view_has_its_own_settings_and_the_pairs_and_order_that_its_number_gives() -> None:
    with_finish, without = epochs_of(4, Finish(0.5, NOTHING, 4)), epochs_of(4, None)
    for epoch in range(4):
        (view, order), (usual, usual_order) = with_finish.epoch(epoch, 4), without.epoch(epoch, 4)
        assert all(map(np.array_equal, order, usual_order))
        same = torch.equal(with_finish.batch(view, order[0]).images, without.batch(usual, order[0]).images)
        assert same == (epoch < 2)
    view, order = with_finish.epoch(3, 4)
    whole = torch.from_numpy(with_finish.subset.pixels(order[0])) / 255
    torch.testing.assert_close(with_finish.batch(view, order[0]).images, whole)


def test_finishing_all_along_is_training_on_those_views() -> None:
    all_along = epochs_of(3, Finish(1.0, BASE, 3))
    base = replace(epochs_of(3, None), settings=BASE)
    for epoch in range(3):
        (view, order), (other, _) = all_along.epoch(epoch, 3), base.epoch(epoch, 3)
        assert torch.equal(all_along.batch(view, order[0]).images, base.batch(other, order[0]).images)
