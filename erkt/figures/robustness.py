"""Curves of accuracy over the strength of corruptions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erkt.figures.canvas import COLORS, page, rows_of

_BESIDE = 3
_TEACHERS = ("#7a8ba0", "#a08a6a", "#8a6aa0", "#6aa08a")
_LINES = ("--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))


def robustness_figure(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw OA in percent of every network over the strengths of each kind in ``rows``.

    Rows are those of ``erkt.evaluation.robustness.measure``; the student's in the first is a line across.
    """
    clean, *corrupted = rows
    kinds = list(dict.fromkeys(row["kind"] for row in corrupted))
    teachers = [name for name in clean if name not in ("kind", "strength", "unit", *COLORS)]
    looks = {name: _look(place) for place, name in enumerate(teachers)}
    looks |= {name: {"color": color} for name, color in COLORS.items()}
    lines = rows_of(len(kinds), _BESIDE)
    with page(path, 9.6, 2.6 * lines) as figure:
        cells = figure.subplots(lines, _BESIDE, squeeze=False, sharey=True).ravel()
        for axes, kind in zip(cells, kinds, strict=False):
            own = sorted((row for row in corrupted if row["kind"] == kind), key=lambda row: row["strength"])
            strengths = [row["strength"] for row in own]
            for name in [*teachers, "ensemble", "student"]:
                oa = [row[name] for row in own]
                axes.plot(strengths, oa, marker="o", markersize=2.5, linewidth=1.2, label=name, **looks[name])
            untouched = axes.axhline(clean["student"], linewidth=0.6, linestyle=":", **looks["student"])
            untouched.set_label("student, untouched")
            axes.set_title(f"{kind} ({own[0]['unit']})", fontsize=8)
            axes.tick_params(labelsize=7)
        for axes in cells[len(kinds) :]:
            axes.set_axis_off()
        for axes in cells[::_BESIDE]:
            axes.set_ylabel("OA (%)", fontsize=8)
        figure.legend(*cells[0].get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=6)


def _look(place: int) -> dict[str, Any]:
    """Return how the line of teacher ``place`` looks, other than those of fifteen more."""
    lap, own = divmod(place, len(_LINES))
    return {"color": _TEACHERS[(own + lap) % len(_TEACHERS)], "linestyle": _LINES[own]}
