"""What each benchmark is held against, by device: a ratio that must be reached, and one that is aimed at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """``must`` fails the benchmark if it is missed, ``aim`` is only shown; None without one."""

    must: float | None = None
    aim: float | None = None


GOALS: dict[str, dict[str, Goal]] = {
    "step": {"cpu": Goal(must=0.95), "cuda": Goal(must=0.95)},
    "graphs": {"cuda": Goal(aim=2.0)},
    "graphs step": {"cuda": Goal(aim=0.9)},
    "epoch": {"cpu": Goal(must=2.2), "cuda": Goal(must=4.0)},
    "plain": {"cpu": Goal(aim=2.5), "cuda": Goal(aim=5.0)},
    "vsm": {"cpu": Goal(must=2.0, aim=3.0)},
    "vsm workers": {"cuda": Goal(aim=20.0)},
    "vsm kornia": {"cpu": Goal(aim=3.0), "cuda": Goal(aim=3.0)},
    "loss": {"cpu": Goal(must=1.0), "cuda": Goal(aim=2.0)},
    "infer eager": {"cpu": Goal(must=4.8, aim=10.0), "cuda": Goal(must=4.8, aim=10.0)},
    "infer": {"cpu": Goal(aim=10.0), "cuda": Goal(aim=10.0)},
    "noop": {"cpu": Goal(must=1.0)},
    "memory": {"cpu": Goal(must=1.0), "cuda": Goal(must=1.0)},
}
"""By the name of a row; a row that is not here is reported without a goal."""


def goal_of(name: str, device: str) -> Goal:
    """Return the goal of rows ``name`` on ``device`` (``cpu`` or ``cuda``)."""
    return GOALS.get(name, {}).get(device, Goal())
