import numpy as np
import pytest

from erkt.seeds import derive, stream


def test_streams_are_the_same_for_ever() -> None:
    """Written down once: a change here would change every view, split and initial weight."""
    doubles = [0.826270826966023, 0.9027851105656644, 0.1400179463440081]
    assert stream(0, "a", 1).doubles(3).tolist() == doubles
    assert derive(7, "student") == 3638671267836785149


@pytest.mark.parametrize(
    "other", [(1, "a", 1), (0, "b", 1), (0, "a", 2), (0, "a", "1"), (0, "a"), (0, 1, "a")]
)
def test_another_seed_or_name_is_another_stream(other: tuple[int, *tuple[int | str, ...]]) -> None:
    assert not np.any(stream(*other).doubles(100) == stream(0, "a", 1).doubles(100))
    assert derive(*other) != derive(0, "a", 1)


def test_doubles_and_integers_are_uniform() -> None:
    values = np.sort(stream(3, "uniform").doubles(40_000))
    assert 0 <= values[0] <= values[-1] < 1
    # Kolmogorov's bound for a false alarm of one in a million.
    assert np.abs(values - (np.arange(40_000) + 0.5) / 40_000).max() < 2.7 / 200
    counts = np.bincount(stream(3, "integers").integers(5, 50_000), minlength=5)
    assert len(counts) == 5
    assert np.abs(counts - 10_000).max() < 5 * np.sqrt(50_000 * 0.2 * 0.8)


def test_a_permutation_holds_everything_once_and_moves_it_evenly() -> None:
    places = np.stack([stream(seed, "p").permutation(10) for seed in range(4_000)])
    assert np.array_equal(np.sort(places, axis=1), np.tile(np.arange(10), (4_000, 1)))
    assert np.abs(places.mean(axis=0) - 4.5).max() < 5 * np.sqrt(99 / 12 / 4_000)
