"""Pictures show all that they are given, for 3 classes and 50, with the same bytes for the same content."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made import batches
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from erkt.data.images import Subset
from erkt.evaluation.literature import read_literature, size_in_millions
from erkt.evaluation.predictions import Predictions
from erkt.figures import run_figures
from erkt.figures.canvas import literal, plain
from erkt.figures.confusion import NAMED, confused_pairs, confusion_figure, hard_classes_figure
from erkt.figures.embedding import overlapping_pairs
from erkt.figures.robustness import robustness_figure
from erkt.figures.samples import samples_figure
from erkt.figures.tradeoff import tradeoff_figure
from erkt.figures.views import named_draws
from erkt.networks import models
from erkt.params.network import Network, Weights

LITERATURE = Path(__file__).parents[2] / "results/literature.csv"
ALL = {"confusion", "features", "hard_classes", "heat", "pairs", "reliability", "samples", "views"}


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Return what is written in each figure that is saved from now on."""
    found: list[set[str]] = []
    save = Figure.savefig

    def listen(figure: Figure, *arguments: object, **options: object) -> None:
        save(figure, *arguments, **options)
        found.append({text.get_text() for text in figure.findobj(Text)})

    monkeypatch.setattr(Figure, "savefig", listen)
    return found


def names(count: int) -> list[str]:
    return [f"long_name_of_class_{number}" for number in range(count)]


def draw_run(folder: Path, count: int, wrong: int) -> tuple[list[dict], list[dict]]:
    """Draw all figures of a run with ``count`` classes and ``wrong`` wrong predictions; return the pairs."""
    classes = tuple(names(count))
    labels = np.arange(4 * count) % count
    pixels = np.random.default_rng(0).integers(0, 255, (len(labels), 3, 16, 16)).astype(np.uint8)
    keys = tuple(map(str, range(len(labels))))
    images = Subset(np.arange(len(labels)), labels, keys, classes, pixels)
    said = np.where(np.arange(len(labels)) < wrong, (labels + 1) % count, labels)
    predicted = Predictions.of(images, student=3 * np.eye(count)[said], ensemble=np.eye(count)[labels])
    settings = Network("test_resnet", Weights("none", None, None, None), 0.0, 0.0)
    student, teacher = (models.build(settings, classes, 16, seed, {}) for seed in (0, 1))

    confused = run_figures.draw_predictions(folder, predicted)
    run_figures.draw_samples(folder, images, confused)
    overlap = run_figures.draw_features(folder, student, images, 0, torch.device("cpu"))
    teachers, weights = {"one": student, "two": teacher}, {"one": 0.5, "two": 0.5}
    run_figures.draw_heat(folder, images, predicted, student, teachers, weights)
    run_figures.draw_views(folder, batches(count=33, batch_size=run_figures.BATCH))
    return confused, overlap


@pytest.mark.parametrize("count", [3, 50])
def test_the_figures_of_a_run_show_every_class(tmp_path: Path, words: list[set[str]], count: int) -> None:
    confused, overlap = draw_run(tmp_path, count, wrong=2)
    assert {path.stem for path in tmp_path.iterdir()} == ALL
    assert [pair["images"] for pair in confused] == [1, 1]
    assert all(0 < pair["percent"] <= 100 for pair in overlap)
    confusion, hard, reliability, samples, pairs, features, heat, views = words
    classes, named = names(count), {plain(name) for name in names(count)}
    assert named <= confusion
    assert {plain(name) for name in classes[:3]} <= hard
    assert named <= samples
    assert named <= features
    assert {plain(classes[0]), f"taken for {plain(classes[1])}"} <= pairs
    assert {f"true: {plain(classes[0])}", f"student: {plain(classes[1])}"} <= heat
    assert {"red", "green", "blue"} <= views
    assert any(word.startswith("ensemble, ECE") for word in reliability)


def test_a_perfect_student_has_its_figures_too(tmp_path: Path, words: list[set[str]]) -> None:
    draw_run(tmp_path, 3, wrong=0)
    assert {path.stem for path in tmp_path.iterdir()} == ALL
    assert {"every class has a recall above 98 %", "none"} <= words[1]


def test_the_same_run_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        draw_run(tmp_path / name, 3, wrong=2)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_accuracies_are_drawn_of_all_networks(tmp_path: Path, words: list[set[str]]) -> None:
    rows = [
        {"kind": kind, "strength": strength, "unit": "%", "student": 80, "t1": 70, "t2": 75, "ensemble": 90}
        for kind, strength in (("none", 0.0), ("blur", 2.0), ("blur", 1.0), ("haze", 1.0))
    ]
    robustness_figure(tmp_path / "one.png", rows)
    assert {"t1", "t2", "student", "ensemble", "blur (%)", "haze (%)"} <= words[0]
    networks = {"student": (5.3, 97.2, 0.1), "ensemble": (43.0, 97.4, None), "t1": (9.0, 97.0, None)}
    tradeoff_figure(tmp_path / "two.png", networks, read_literature(LITERATURE, "aid30", 20.0))
    assert {*networks, "ViT-AEv2"} <= words[1]
    assert "HHTL-Net" not in words[1], "its size is not known"


def test_pairs_are_listed_by_their_share() -> None:
    confusion = np.array([[6, 2, 0], [0, 3, 1], [0, 0, 4]])
    assert confused_pairs(confusion, "abc") == [
        {"true": "a", "predicted": "b", "images": 2, "percent": 25.0},
        {"true": "b", "predicted": "c", "images": 1, "percent": 25.0},
    ]
    shares = np.array([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0], [0.0, 0.0, 1.0]])
    assert overlapping_pairs(shares, "abc") == [{"one": "a", "other": "b", "percent": pytest.approx(30)}]


def test_the_words_beside_a_view_are_its_draws() -> None:
    view = batches().view(0)
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


def test_the_literature_is_the_papers() -> None:
    """Counted and read off Tables 3 to 5, without the paper's own two rows."""
    keys = [("aid30", 20.0), ("aid30", 50.0), ("nwpu45", 10.0), ("afgr50", 30.0), ("scenes", 60.0)]
    assert [len(read_literature(LITERATURE, *key)) for key in keys] == [33, 33, 33, 3, 0]
    rows = {row["method"]: row for row in read_literature(LITERATURE, "aid30", 20.0)}
    row = rows["ViT-AEv2"]
    assert (row["oa"], row["std"], size_in_millions(row)) == ("96.91", "0.06", 18.8)
    assert size_in_millions(rows["HHTL-Net"]) is None


HARD_NAMES = ("$100_to_$200", r"a\$b$c", "$", "$x^2$ {", "Forêt", "<script>", "100 %")


def test_names_are_drawn_as_they_are_and_never_as_mathematics(tmp_path: Path, words: list[set[str]]) -> None:
    counts = np.full((len(HARD_NAMES), len(HARD_NAMES)), 3)
    confusion_figure(tmp_path / "all.png", counts, HARD_NAMES)
    hard_classes_figure(tmp_path / "hard.png", counts, HARD_NAMES)
    image = np.zeros((3, 8, 8), np.uint8)
    samples_figure(tmp_path / "samples.png", {name: [image] for name in HARD_NAMES})
    for name in HARD_NAMES:
        assert all(plain(name) in written for written in words)
    shown = Text(text=literal("$100_to_$200"))
    assert shown._preprocess_math(shown.get_text()) == ("$100_to_$200", False)


def test_names_of_any_length_leave_room_for_the_matrix_and_no_mistake_is_rounded_away(
    tmp_path: Path, words: list[set[str]], recwarn: pytest.WarningsRecorder
) -> None:
    long = [f"class {place}: land principally occupied by agriculture, with natural areas" for place in "abc"]
    counts = np.array([[199, 1, 0], [0, 10, 0], [1, 0, 1]])
    confusion_figure(tmp_path / "all.png", counts, long)
    hard_classes_figure(tmp_path / "hard.png", counts, long)
    assert not recwarn.list
    assert {"99", "<1", "100", "50"} <= words[0]
    assert not {"0", "199"} & words[0]


def test_rows_of_names_that_are_cut_to_the_same_can_be_told_apart(
    tmp_path: Path, words: list[set[str]]
) -> None:
    alike = ["forest", *(f"land principally occupied by {crop}" for crop in ("maize", "wheat"))]
    confusion_figure(tmp_path / "all.png", np.eye(3, dtype=int), alike)
    named = {word for word in words[0] if "land" in word}
    assert {word.partition(":")[0] for word in named} == {"1", "2"}
    assert "forest" in words[0]


@pytest.mark.parametrize(
    "classes", [101, pytest.param(300, marks=pytest.mark.slow), pytest.param(701, marks=pytest.mark.slow)]
)
def test_figures_of_many_classes_stay_small_enough_to_be_looked_at(
    tmp_path: Path, words: list[set[str]], classes: int
) -> None:
    names = [f"class {place}" for place in range(classes)]
    counts = np.random.default_rng(0).integers(0, 3, (classes, classes))
    confusion_figure(tmp_path / "all.png", counts, names)
    hard_classes_figure(tmp_path / "hard.png", counts, names)
    for name in ("all.png", "hard.png"):
        with Image.open(tmp_path / name) as picture:
            assert max(picture.size) <= 4600
    named = {word for word in words[0] if word.startswith("class ")}
    assert {"class 0", f"class {-(-classes // NAMED)}"} <= named
    assert len(named) <= NAMED
    assert not any(word.isdigit() for word in words[0])
