"""How the time left is shared: each part has its weight, and what one leaves goes to those after it."""

from collections.abc import Mapping


def until(part: str, weights: Mapping[str, float], now: float, end: float) -> float:
    """Return when ``part`` has to end if it begins ``now`` and all parts ``end`` then, in seconds.

    ``weights`` are those of the parts that have not run yet, ``part`` among them, each above 0.
    """
    return now + max(0.0, end - now) * weights[part] / sum(weights.values())
