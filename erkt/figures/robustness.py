"""Curves of accuracy over the strength of corruptions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erkt.figures.canvas import COLORS, page, rows_of

_BESIDE = 3
_TEACHERS = ("#9aa7b3", "#b3a79a", "#a79ab3", "#9ab3a7")


def robustness_figure(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw OA in percent of every network over the strengths of each kind in ``rows``.

    Rows are those of ``erkt.evaluation.robustness.measure``; the student's in the first is a line across.
    """
    clean, *corrupted = rows
    kinds = list(dict.fromkeys(row["kind"] for row in corrupted))
    teachers = [name for name in clean if name not in ("kind", "strength", "unit", *COLORS)]
    colors = {name: _TEACHERS[place % len(_TEACHERS)] for place, name in enumerate(teachers)} | COLORS
    lines = rows_of(len(kinds), _BESIDE)
    with page(path, 9.6, 2.6 * lines) as figure:
        cells = figure.subplots(lines, _BESIDE, squeeze=False, sharey=True).ravel()
        for axes, kind in zip(cells, kinds, strict=False):
            own = sorted((row for row in corrupted if row["kind"] == kind), key=lambda row: row["strength"])
            strengths = [row["strength"] for row in own]
            for name in [*teachers, "ensemble", "student"]:
                oa = [row[name] for row in own]
                axes.plot(strengths, oa, "o-", color=colors[name], markersize=2.5, linewidth=1.2, label=name)
            axes.axhline(clean["student"], color=colors["student"], linewidth=0.6, linestyle=":")
            axes.set_title(f"{kind} ({own[0]['unit']})", fontsize=8)
            axes.tick_params(labelsize=7)
        for axes in cells[len(kinds) :]:
            axes.set_axis_off()
        for axes in cells[::_BESIDE]:
            axes.set_ylabel("OA (%)", fontsize=8)
        cells[0].legend(fontsize=6)
