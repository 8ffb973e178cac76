"""Every ensemble that a search could choose, scored on the test part: the paper's Table 6, and no choice."""

from collections.abc import Mapping
from typing import Any

from erkt.ensemble import search
from erkt.ensemble.mixing import Space
from erkt.networks.logits import Floats, Integers


def sweep(members: Mapping[str, Floats], labels: Integers, space: Space) -> list[dict[str, Any]]:
    """Return the accuracy of every ensemble that a search could choose: a report (Table 6), no choice.

    ``members`` are logits (N, C) by name. One row a candidate: ``lead`` (the member that eq. 14's line sweeps,
    None on the simplex), a weight a member, ``oa`` in percent, ``nll``.
    """
    names = list(members)
    grid: list[tuple[str | None, dict[str, float]]] = [
        (lead, weights) for lead in names for weights in search.line(names, lead)
    ]
    grid += [(None, weights) for weights in search.simplex(names)]
    rows: list[dict[str, Any]] = []
    for lead, weights in grid:
        candidate = search.score(members, labels, weights, space)
        rows.append({"lead": lead, **weights, "oa": candidate.oa, "nll": candidate.nll})
    return rows
