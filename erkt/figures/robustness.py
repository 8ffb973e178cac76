"""Curves of accuracy over the strength of corruptions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from erkt.figures.canvas import ENSEMBLE, STUDENT, rows_of, save

_BESIDE = 3
_TEACHERS = ("#9aa7b3", "#b3a79a", "#a79ab3", "#9ab3a7")


def robustness_figure(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw OA in percent of every network over the strengths of each kind in ``rows``.

    Rows are those of ``erkt.evaluation.robustness.measure``; that of ``kind: none`` is drawn as a line across.
    """
    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["kind"] != "none"))
    clean = next(row for row in rows if row["kind"] == "none")
    lines = rows_of(len(kinds), _BESIDE)
    figure = Figure(figsize=(9.6, 2.6 * lines), layout="constrained")
    cells = figure.subplots(lines, _BESIDE, squeeze=False, sharey=True).ravel()
    others = ("kind", "strength", "unit", "student", "ensemble")
    teachers = [name for name in rows[0] if name not in others]
    colors = {name: _TEACHERS[place % len(_TEACHERS)] for place, name in enumerate(teachers)}
    colors |= {"student": STUDENT, "ensemble": ENSEMBLE}
    for axes, kind in zip(cells, kinds, strict=False):
        own = sorted((row for row in rows if row["kind"] == kind), key=lambda row: row["strength"])
        for name in [*teachers, "ensemble", "student"]:
            strengths, oa = [row["strength"] for row in own], [row[name] for row in own]
            axes.plot(strengths, oa, "o-", color=colors[name], markersize=2.5, linewidth=1.2, label=name)
        axes.axhline(clean["student"], color=STUDENT, linewidth=0.6, linestyle=":")
        axes.set_title(f"{kind} ({own[0]['unit']})", fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in cells[len(kinds) :]:
        axes.set_axis_off()
    for axes in cells[::_BESIDE]:
        axes.set_ylabel("OA (%)", fontsize=8)
    cells[0].legend(fontsize=6)
    save(figure, path)
