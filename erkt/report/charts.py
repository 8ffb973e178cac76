"""Where the marks of a chart are; the templates draw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkt.evaluation.metrics import calibration

WIDTH, HEIGHT = 300, 196
LEFT, RIGHT, TOP, BOTTOM = 30, 10, 10, 24
_MOST_TICKS = 6
_ROUND = 2  # digits of a place: a hundredth of a pixel
_UNTOUCHED = {"brightness": 1.0}
"""The strength at which an image is as it was; 0 for other kinds."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Series:
    """A line through ``dots`` (x, y, radius), in the colour of whom it is about."""

    who: str
    dots: tuple[tuple[float, float, float], ...]

    @property
    def line(self) -> str:
        """The dots' places, as SVG's polyline takes them."""
        return " ".join(f"{x:g},{y:g}" for x, y, _ in self.dots)


@dataclass(frozen=True)
class Chart:
    """Lines over an axis whose ``ticks`` are (x, text); y goes from 0 to 100 percent.

    ``level`` is the y of a line to compare with, None for none; ``diagonal`` asks for one from corner to
    corner.
    """

    title: str
    unit: str
    ticks: tuple[tuple[float, str], ...]
    series: tuple[Series, ...]
    level: float | None = None
    diagonal: bool = False

    @property
    def grid(self) -> list[tuple[float, str]]:
        """The y of each line of the grid, and its text."""
        return [(_y(value), f"{value}") for value in (0, 25, 50, 75, 100)]


@dataclass(frozen=True)
class Scale:
    """An axis of percent or points from ``low`` to ``high``, drawn from 0 to 100."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Return the place of ``value``."""
        return round(100 * (value - self.low) / (self.high - self.low), _ROUND)


def scale(values: Sequence[float], bounds: tuple[float, float] | None = None) -> Scale:
    """Return an axis around ``values`` with round ends, within ``bounds`` if any."""
    low, high = min(values), max(values)
    span = max(high - low, 1.0)
    step = next(size for size in (1, 2, 5, 10, 20, 25, 50, 100, 1000) if span / size <= 5)
    first, last = step * np.floor(low / step), step * np.ceil(high / step)
    if bounds:
        first, last = max(first, bounds[0]), min(last, bounds[1])
    if last <= first:
        first, last = first - step, first
    ticks = np.arange(first, last + step / 2, step)
    return Scale(float(first), float(last), tuple(float(tick) for tick in ticks if tick <= last))


def robustness(seeds: Sequence[Rows]) -> list[Chart]:
    """Return a chart a corruption: OA over its strength, means over the seeds, clean images included."""
    rows = _mean(seeds)
    clean = rows[0]
    charts = []
    for kind in dict.fromkeys(row["kind"] for row in rows[1:]):
        own = [row for row in rows[1:] if row["kind"] == kind]
        unit = str(own[0]["unit"])
        if kind == "jpeg":  # quality: the lower, the worse, and clean images have none
            own = [clean | {"text": "none"}, *sorted(own, key=lambda row: -row["strength"])]
        else:
            own.append(clean | {"strength": _UNTOUCHED.get(kind, 0.0)})
            own.sort(key=lambda row: row["strength"])
        places = np.linspace(LEFT, WIDTH - RIGHT, len(own)).round(_ROUND)
        every = 1 if len(own) <= _MOST_TICKS else -(-len(own) // 4)
        texts = [row.get("text", f"{row['strength']:g}") for row in own]
        ticks = tuple((float(x), text) for x, text in zip(places[::every], texts[::every], strict=True))
        series = tuple(
            Series(who, tuple((float(x), _y(row[who]), 2.6) for x, row in zip(places, own, strict=True)))
            for who in ("ensemble", "student")
        )
        title = "JPEG compression" if kind == "jpeg" else kind.capitalize()
        charts.append(Chart(title, unit, ticks, series, level=_y(clean["student"])))
    return charts


def reliability(curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]) -> Chart:
    """Return how often predictions of a given probability are right; ``curves`` are confidences and hits.

    A dot is a bin of the calibration error, and its area the share of images in it.
    """
    series = []
    for who, (confidence, right) in curves.items():
        share, sure, good = calibration(confidence, right)
        dots = tuple(
            (_x(100 * float(sure[place])), _y(100 * float(good[place])), _radius(float(share[place])))
            for place in np.flatnonzero(share)
        )
        series.append(Series(who, dots))
    ticks = tuple((_x(value), f"{value}") for value in (0, 25, 50, 75, 100))
    return Chart("", "", ticks, tuple(series), diagonal=True)


def _mean(seeds: Sequence[Rows]) -> list[dict[str, Any]]:
    """Return rows whose accuracies are means over the seeds, which have the same conditions."""
    found = []
    for same in zip(*seeds, strict=True):
        means = {who: float(np.mean([row[who] for row in same])) for who in ("student", "ensemble")}
        found.append({name: same[0][name] for name in ("kind", "strength", "unit")} | means)
    return found


def by_kind(seeds: Sequence[Rows]) -> list[dict[str, Any]]:
    """Return one row a corruption: the mean OA over its strengths and the seeds, and that of clean images."""
    rows = _mean(seeds)
    found = []
    for kind in dict.fromkeys(row["kind"] for row in rows[1:]):
        own = [row for row in rows[1:] if row["kind"] == kind]
        means = {who: float(np.mean([row[who] for row in own])) for who in ("student", "ensemble")}
        found.append({"kind": kind, "clean": rows[0]["student"], **means})
    return sorted(found, key=lambda row: row["student"])


def _x(value: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * value / 100, _ROUND)


def _y(value: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / 100, _ROUND)


def _radius(share: float) -> float:
    return round(1.8 + 9 * float(np.sqrt(share)), _ROUND)
