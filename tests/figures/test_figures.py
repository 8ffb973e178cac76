"""Pictures are drawn from what they are given: same bytes for the same content, for 3 classes and for 50."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made import batches
from PIL import Image

from erkt.evaluation.literature import read_literature, size_in_millions
from erkt.figures.confusion import confusion_figure, hard_classes_figure
from erkt.figures.embedding import embedding_figure
from erkt.figures.heat import Look, heat_figure
from erkt.figures.reliability import reliability_figure
from erkt.figures.samples import pairs_figure, samples_figure
from erkt.figures.tradeoff import tradeoff_figure
from erkt.figures.views import named_draws, views_figure

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 255, (3, 16, 16)).astype(np.uint8)
HEAT = RNG.random((16, 16)).astype(np.float32)


def names(count: int) -> list[str]:
    return [f"a_rather_long_class_name_{number}" for number in range(count)]


def matrix(count: int) -> list[list[int]]:
    counts = (RNG.random((count, count)) < 3 / count).astype(int) + 40 * np.eye(count, dtype=int)
    counts[0] = 50 * (np.arange(count) == 0)  # an easy class
    return counts.tolist()


def draw(name: str, path: Path, count: int) -> None:
    classes = names(count)
    labels = np.arange(4 * count) % count
    look = Look(PICTURE, classes[0], classes[1], classes[0], HEAT, HEAT)
    pairs = [{"one": classes[0], "other": classes[1], "percent": 12.0}]
    right = np.arange(50) % 3 > 0
    calls = {
        "confusion": lambda: confusion_figure(path, MATRICES[count], classes),
        "hard_classes": lambda: hard_classes_figure(path, MATRICES[count], classes),
        "embedding": lambda: embedding_figure(path, POINTS[: 4 * count], labels, classes, pairs),
        "heat": lambda: heat_figure(path, [(look, None), (None, look)]),
        "reliability": lambda: reliability_figure(path, {"student": (CONFIDENCE, right)}),
        "samples": lambda: samples_figure(path, {name: [PICTURE] * 5 for name in classes}),
        "pairs": lambda: pairs_figure(path, [(classes[0], [PICTURE] * 5, classes[1], [PICTURE] * 2)]),
        "tradeoff": lambda: tradeoff_figure(
            path, {"student": (5.3, 97.2, 0.1), "ensemble": (43, 97.4, None)}, []
        ),
    }
    calls[name]()


MATRICES = {count: matrix(count) for count in (3, 50)}
POINTS = RNG.normal(size=(200, 2)).astype(np.float32)
CONFIDENCE = RNG.random(50)
DRAWN = ["confusion", "hard_classes", "embedding", "heat", "reliability", "samples", "pairs", "tradeoff"]


@pytest.mark.parametrize("count", [3, 50])
@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_a_picture_with_the_same_bytes_each_time(tmp_path: Path, name: str, count: int) -> None:
    for file in ("one.png", "two.png"):
        draw(name, tmp_path / file, count)
    with Image.open(tmp_path / "one.png") as picture:
        assert len(np.unique(np.asarray(picture))) > 10, "it is blank"
        assert max(picture.size) < 4000
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize(
    "draw_nothing",
    [
        lambda path: hard_classes_figure(path, [[5, 0], [0, 5]], ["a", "b"]),
        lambda path: heat_figure(path, []),
        lambda path: pairs_figure(path, []),
    ],
)
def test_a_perfect_student_has_its_figures_too(tmp_path: Path, draw_nothing: Callable[[Path], None]) -> None:
    draw_nothing(tmp_path / "none.png")
    assert (tmp_path / "none.png").is_file()


def test_the_words_beside_a_view_are_its_draws(tmp_path: Path) -> None:
    data = batches()
    view = data.view(0)
    for place in range(12):
        row = view.draws.rows(np.array([place]))
        words = named_draws(row, view.side, "red")
        assert words[:3] == [
            f"{('brightness', 'contrast', 'saturation')[i]} x {row.jitter_factors[0, i]:.2f}"
            for i in row.jitter_order[0]
        ]
        assert f"rotated {row.rotation_angle[0]:+.0f}°" in words
        assert ("gray" in words) == row.grayscale[0]
        assert any(word.startswith("cropped") for word in words) == row.resized_crop[0]
        mixed = [word for word in words if word.endswith("of red")]
        assert mixed == ([f"{100 * row.alpha(view.side)[0]:.0f} % of red"] if row.cutmix[0] else [])


def test_a_page_of_views_is_drawn(tmp_path: Path) -> None:
    data = batches()
    view, positions = data.view(0), data.in_order(0)[0]
    images = data.subset.pixels(positions)
    words = ["red"] * len(positions)
    views_figure(tmp_path / "views.png", images, images, view.draws.rows(positions), words, words)
    assert (tmp_path / "views.png").stat().st_size > 5000


LITERATURE = Path(__file__).parents[2] / "results/literature.csv"


def test_the_literature_is_the_papers() -> None:
    """Counted and read off Tables 3 to 5, without the paper's own two rows."""
    sizes = {key: len(read_literature(LITERATURE, *key)) for key in [("aid30", 20.0), ("aid30", 50.0)]}
    sizes |= {key: len(read_literature(LITERATURE, *key)) for key in [("nwpu45", 10.0), ("afgr50", 30.0)]}
    assert sizes == {("aid30", 20.0): 33, ("aid30", 50.0): 33, ("nwpu45", 10.0): 33, ("afgr50", 30.0): 3}
    rows = {row["method"]: row for row in read_literature(LITERATURE, "aid30", 20.0)}
    assert (rows["ViT-AEv2"]["oa"], rows["ViT-AEv2"]["std"], size_in_millions(rows["ViT-AEv2"])) == (
        "96.91",
        "0.06",
        18.8,
    )
    assert size_in_millions(rows["ACNet"]) == 276.6
    assert size_in_millions(rows["HHTL-Net"]) is None
    assert read_literature(LITERATURE, "scenes", 60.0) == []
