"""OA against training steps, a curve for each method, and what each is ahead of one of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from erkt.figures.canvas import page

_COLORS = ("#1f5fa8", "#c8641b", "#7a9a3a", "#7d4f9e", "#b0304a", "#5a5a5a")
_APART = 0.02  # by how much of the steps curves stand apart, so that no bar hides another


def curve_figure(path: Path, rows: Sequence[Mapping[str, Any]], reference: str) -> None:
    """Draw at ``path`` OA in percent, and differences to the curve ``reference`` in points, against steps.

    Each of ``rows`` is a point: ``label`` names its curve, ``steps`` its place on a logarithmic axis, ``oa``
    and ``std`` (None for one seed) its OA over the seeds, ``difference`` with its bounds ``low`` and ``high``
    what it is ahead (None where there is nothing to compare with).
    """
    labels = list(dict.fromkeys(row["label"] for row in rows))
    with page(path, 9.6, 4.0) as figure:
        reached, ahead = figure.subplots(1, 2)
        for place, label in enumerate(labels):
            own = sorted((row for row in rows if row["label"] == label), key=lambda row: row["steps"])
            apart = 1 + _APART * (place - (len(labels) - 1) / 2)
            style = {"color": _COLORS[place % len(_COLORS)], "label": label, "linewidth": 1.2}
            deviations = [(row["std"] or 0.0,) * 2 for row in own]
            _draw(reached, own, "oa", deviations, apart, style)
            compared = [row for row in own if row["difference"] is not None]
            if compared:
                bounds = [
                    (row["difference"] - row["low"], row["high"] - row["difference"]) for row in compared
                ]
                _draw(ahead, compared, "difference", bounds, apart, style)
        ahead.axhline(0, color="0.4", linewidth=0.8)
        reached.set_ylabel("OA (%), with its deviation over the seeds", fontsize=8)
        ahead.set_ylabel(f"OA minus that of {reference} (points), with its interval", fontsize=8)
        steps = sorted({row["steps"] for row in rows})
        for axes in (reached, ahead):
            axes.set_xscale("log")
            axes.set_xlim(steps[0] / 1.2, steps[-1] * 1.2)
            axes.set_xticks(steps, labels=[f"{count:,}" for count in steps], fontsize=7)
            axes.minorticks_off()
            axes.set_xlabel("training steps", fontsize=8)
            axes.tick_params(axis="y", labelsize=7)
            axes.grid(color="0.93")
        reached.legend(fontsize=7)


def _draw(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    name: str,
    bars: Sequence[tuple[float, float]],
    apart: float,
    style: Mapping[str, Any],
) -> None:
    """Draw the number ``name`` of ``rows`` with ``bars``, how far each reaches down and up."""
    steps = [row["steps"] * apart for row in rows]
    reach = list(zip(*bars, strict=True))
    axes.errorbar(steps, [row[name] for row in rows], yerr=reach, fmt="o-", markersize=4, capsize=3, **style)
