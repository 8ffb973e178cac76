"""Who exchanges pixels with whom, and in which batches the training set is visited."""

import numpy as np
import pytest
from made import batches as view_batches
from scipy import stats

from erkt.errors import ErktError
from erkt.views.pairs import batches, in_order, partners, places


@pytest.mark.parametrize("count", [2, 10, 601, 3150])
def test_partners_are_each_others_partners_and_only_an_odd_last_sample_is_alone(count: int) -> None:
    partner = partners(0, 0, count)
    assert partner.dtype == np.int64
    np.testing.assert_array_equal(partner[partner], np.arange(count))
    assert (partner == np.arange(count)).sum() == count % 2


def test_partners_depend_on_seed_and_view_and_every_pairing_is_equally_likely() -> None:
    first = partners(5, 3, 100)
    assert (first != partners(5, 4, 100)).mean() > 0.9
    assert (first != partners(6, 3, 100)).mean() > 0.9
    four = [partners(0, view, 4)[0] for view in range(3000)]
    assert stats.chisquare(np.bincount(four, minlength=4)[1:]).pvalue > 1e-3
    lone = [int(np.flatnonzero(partners(0, view, 5) == np.arange(5))[0]) for view in range(3000)]
    assert stats.chisquare(np.bincount(lone, minlength=5)).pvalue > 1e-3


def test_partners_and_batches_are_those_of_earlier_versions() -> None:
    partner = partners(7, 3, 9)
    assert partner.tolist() == [8, 5, 2, 7, 6, 1, 4, 3, 0]
    assert [batch.tolist() for batch in batches(partner, 7, 5, 4)] == [[3, 7, 1, 5], [0, 8, 4, 6, 2]]


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (600, 30, [30] * 20),
        (614, 30, [30] * 19 + [44]),
        (615, 30, [30] * 20 + [15]),
        (601, 30, [30] * 19 + [31]),
        (31, 2, [2] * 15 + [1]),
        (9, 4, [4, 5]),
        (10, 4, [4, 4, 2]),
        (7, 30, [7]),
        (1, 30, [1]),
    ],
)
def test_an_epoch_holds_every_sample_once_in_whole_pairs_and_a_small_remainder_joins_its_neighbour(
    count: int, batch_size: int, sizes: list[int]
) -> None:
    partner = partners(1, 2, count)
    epoch, listed = batches(partner, 1, 9, batch_size), in_order(partner, batch_size)
    assert [len(batch) for batch in epoch] == sizes
    assert max(len(batch) for batch in listed) <= batch_size
    for order in (epoch, listed):
        np.testing.assert_array_equal(np.sort(np.concatenate(order)), np.arange(count))
        for batch in order:
            whole = batch[: len(batch) - len(batch) % 2]
            np.testing.assert_array_equal(partner[whole[0::2]], whole[1::2])


def test_the_order_of_pairs_is_drawn_from_seed_and_epoch() -> None:
    partner = partners(0, 0, 200)

    def order(seed: int, epoch: int, batch_size: int = 20) -> list[int]:
        return np.concatenate(batches(partner, seed, epoch, batch_size)).tolist()

    assert order(0, 0) == order(0, 0, batch_size=6)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    # Where the pair of sample 0 falls over many epochs: uniformly among 100 places.
    place = [order(0, epoch).index(0) // 2 for epoch in range(1000)]
    assert stats.kstest((np.array(place) + 0.5) / 100, "uniform").pvalue > 1e-3


def test_epochs_show_the_views_in_turn_and_a_repeated_view_in_another_order() -> None:
    shown = [view_batches(views=2).epoch(epoch, 4) for epoch in range(4)]
    assert [view.number for view, _ in shown] == [0, 1, 0, 1]
    assert len({tuple(np.concatenate(order).tolist()) for _, order in shown}) == 4


@pytest.mark.parametrize("batch_size", [-2, 0, 1, 31])
def test_a_batch_size_that_splits_pairs_is_refused(batch_size: int) -> None:
    with pytest.raises(ErktError, match=f"batch size {batch_size}: .* even number, at least 2"):
        batches(partners(0, 0, 10), 0, 0, batch_size)


def test_places_finds_partners_in_any_order_of_a_batch_and_refuses_one_that_splits_a_pair() -> None:
    partner = np.array([3, 2, 1, 0, 5, 4, 6])
    assert places(partner, np.array([5, 0, 6, 4, 3])).tolist() == [3, 4, 2, 0, 1]
    assert places(partner, np.array([6])).tolist() == [0]
    for batch in ([0, 1, 2], [5], [6, 3], [3, 2, 1, 4, 5]):
        with pytest.raises(ErktError, match=r"splits 1 pairs: sample [035] is there without its partner"):
            places(partner, np.array(batch))
