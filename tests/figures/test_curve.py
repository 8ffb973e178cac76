"""The curve's picture shows every point, and differences where there are some."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from erkt.figures.curve import curve_figure


def point(label: str, steps: int, oa: float, *ahead: float) -> dict[str, Any]:
    difference, low, high = ahead or (None, None, None)
    return {"label": label, "steps": steps, "oa": oa, "std": 0.5} | {
        "difference": difference,
        "low": low,
        "high": high,
    }


ROWS = [
    point("DIST", 400, 85.0, 2.0, 0.5, 4.0),
    point("ERKT", 100, 70.0),
    point("ERKT", 400, 83.0),
    point("DIST", 100, 75.0, 5.0, -1.0, 9.0),
]


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    found: list[Figure] = []
    save = Figure.savefig

    def listen(figure: Figure, *arguments: object, **options: object) -> None:
        save(figure, *arguments, **options)
        found.append(figure)

    monkeypatch.setattr(Figure, "savefig", listen)
    return found


def curves(figure: Figure, panel: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by label the points (N, 2) of a panel, and the ends of their bars (N, 2)."""
    found = {}
    for container in figure.axes[panel].containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, (bars,) = container.lines
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        found[str(container.get_label())] = (np.asarray(line.get_xydata()), ends)
    return found


def test_both_panels_show_every_number(tmp_path: Path, saved: list[Figure]) -> None:
    curve_figure(tmp_path / "curve.png", ROWS, "ERKT")
    (figure,) = saved
    reached, ahead = curves(figure, 0), curves(figure, 1)
    assert reached.keys() == {"DIST", "ERKT"}
    points, bars = reached["ERKT"]
    assert points[:, 0] == pytest.approx([100, 400], rel=0.05)
    assert points[:, 1] == pytest.approx([70.0, 83.0])
    assert bars == pytest.approx(np.array([[69.5, 70.5], [82.5, 83.5]]))
    assert ahead.keys() == {"DIST"}
    points, bars = ahead["DIST"]
    assert points[:, 1] == pytest.approx([5.0, 2.0])
    assert bars == pytest.approx(np.array([[-1.0, 9.0], [0.5, 4.0]]))


def test_one_seed_and_one_point_are_drawn_with_the_same_bytes(tmp_path: Path) -> None:
    rows = [point("ERKT", 100, 70.0) | {"std": None}]
    for name in ("one", "two"):
        curve_figure(tmp_path / f"{name}.png", rows, "ERKT")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
