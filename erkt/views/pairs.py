"""Which samples exchange pixels in CutMix, and in which batches the training set is visited.

Partners belong to the view, batches are cut between pairs: the pixels of a view are therefore the same for
every batch size, order, number of processes and point of resumption.
"""

import numpy as np
from numpy.typing import NDArray

from erkt.errors import ErktError
from erkt.seeds import stream

Positions = NDArray[np.int64]


def partners(seed: int, view: int, count: int) -> Positions:
    """Return the partner of each of ``count`` samples, int64 of shape (count,).

    A permutation drawn from (seed, view) is cut into twos; an odd last sample is its own partner.
    """
    order = stream(seed, "pairs", view).permutation(count)
    first, second = order[: count - count % 2].reshape(-1, 2).T
    result = np.arange(count)
    result[first], result[second] = second, first
    return result


def batches(partners: Positions, seed: int, epoch: int, batch_size: int) -> list[Positions]:
    """Return the batches of one epoch: sample positions, int64 arrays that hold every sample exactly once.

    ``partners`` (N,) is a view's; its pairs come in an order drawn from (seed, epoch), the two of a pair side
    by side, and a sample without a partner comes last. All batches have ``batch_size`` samples but the last:
    a remainder smaller than half a batch joins the batch before it. Raises ErktError if ``batch_size`` is odd
    or less than 2.
    """
    if batch_size < 2 or batch_size % 2:
        raise ErktError(
            f"batch size {batch_size}: a batch holds whole pairs, choose an even number, at least 2"
        )
    first = _first(partners)
    flat = _flat(partners, first[stream(seed, "order", epoch).permutation(len(first))])
    cuts = list(range(batch_size, len(flat), batch_size))
    if cuts and len(flat) - cuts[-1] < batch_size // 2:
        cuts.pop()
    return [np.asarray(batch) for batch in np.split(flat, cuts)]


def in_order(partners: Positions, batch_size: int) -> list[Positions]:
    """Return every sample once in batches of at most ``batch_size`` (even), pairs by their first position.

    For passes that do not train: neighbours in the list are read together.
    """
    flat = _flat(partners, _first(partners))
    return np.split(flat, range(batch_size, len(flat), batch_size))


def _first(partners: Positions) -> Positions:
    everyone = np.arange(len(partners))
    return everyone[everyone < partners]


def _flat(partners: Positions, first: Positions) -> Positions:
    """Return the pairs that begin with ``first`` in its order, then the sample without a partner."""
    everyone = np.arange(len(partners))
    pairs = np.stack([first, partners[first]], axis=1)
    return np.concatenate([pairs.ravel(), everyone[everyone == partners]])


def places(partners: Positions, batch: Positions) -> Positions:
    """Return for each entry of ``batch`` (B,) where in the batch its partner stands, int64 of shape (B,).

    ``partners`` (N,) is the view's. Raises ErktError if the batch splits a pair.
    """
    wanted = partners[batch]
    order = np.argsort(batch, kind="stable")
    found = order[np.minimum(np.searchsorted(batch, wanted, sorter=order), len(batch) - 1)]
    split = np.flatnonzero(batch[found] != wanted)
    if len(split):
        lone = split[0]
        raise ErktError(
            f"the batch splits {len(split)} pairs: sample {batch[lone]} is there without its partner "
            f"{wanted[lone]}; take batches from erkt.views.pairs.batches"
        )
    return found
