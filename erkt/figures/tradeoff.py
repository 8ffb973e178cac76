"""Accuracy against size: the run's networks, and the literature's in grey (the paper's Tables 3 to 5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import LogLocator, NullFormatter

from erkt.evaluation.literature import size_in_millions
from erkt.figures.canvas import COLORS, page

_TEACHER = "#7a9a3a"


def tradeoff_figure(
    path: Path,
    networks: Mapping[str, tuple[float, float, float | None]],
    literature: Sequence[dict[str, str]],
) -> None:
    """Draw OA in percent over millions of parameters on a logarithmic axis.

    ``networks`` map a name to parameters, OA and its deviation over the seeds (None for one); ``literature``
    are rows of ``erkt.evaluation.literature``, of which those without a size are left out.
    """
    beside: dict[str, Any] = {"xytext": (5, -3), "textcoords": "offset points"}
    with page(path, 6.4, 4.4) as figure:
        axes = figure.subplots()
        for row in literature:
            least, accuracy = size_in_millions(row), float(row["oa"])
            if least is not None:
                axes.plot(least, accuracy, "o", color="0.75", markersize=4, zorder=1)
                axes.annotate(row["method"], (least, accuracy), fontsize=4.5, color="0.6", **beside)
        for name, (size, oa, deviation) in networks.items():
            color = COLORS.get(name, _TEACHER)
            axes.errorbar(size, oa, yerr=deviation, fmt="o", color=color, markersize=6, capsize=3, zorder=2)
            place = beside | {"xytext": (5, -11)} if name == "student" else beside  # often close to a teacher
            axes.annotate(name, (size, oa), fontsize=8, color=color, **place)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="x", which="both", labelsize=7)
        axes.margins(x=0.15)
        axes.set_xlabel("parameters (M)")
        axes.set_ylabel("OA (%)")
        axes.grid(color="0.93")
