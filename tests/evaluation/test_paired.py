"""Paired differences against closed forms, scipy's test and simulations, and the command that prints them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from closure import ROOT
from scipy import stats

from erkt.errors import ErktError
from erkt.evaluation.paired import NOTHING, Bounds, Difference, Scores, against, explained, in_tables
from erkt.pipeline.finished import read_run


def scores(*figures: float, name: str = "run") -> Scores:
    return Scores(name, dict(enumerate(figures)))


@pytest.mark.parametrize(("count", "level"), [(None, 0.95), (2, 0.975), (5, 0.99)])
def test_the_interval_of_one_row_is_that_of_scipys_paired_test(count: int | None, level: float) -> None:
    one, other = [91.0, 92.5, 90.25, 93.0], [90.0, 90.5, 90.0, 91.75]
    found = against(scores(*other), {"one": scores(*one)}, count)["one"]
    assert (found.by_seed, found.mean) == ({0: 1.0, 1: 2.0, 2: 0.25, 3: 1.25}, 1.125)
    expected = stats.ttest_rel(one, other).confidence_interval(level)
    assert found.bounds == pytest.approx((expected.low, expected.high))
    assert found.level == pytest.approx(100 * level)


@pytest.mark.parametrize("sizes", [[3], [1, 1], [2, 3, 1]])
def test_the_variance_is_pooled_with_satterthwaites_degrees_of_freedom(
    sizes: list[int],
) -> None:
    """Tables of so many rows beside a reference; if all vary alike, rows less the reference have I + 11'."""
    rng, seeds = np.random.default_rng(0), 4
    firsts = [rng.normal(90, 1, seeds) for _ in sizes]
    others = [{f"{place}": rng.normal(91, 1, seeds) for place in range(size)} for size in sizes]
    found = in_tables(
        [
            (scores(*first), {name: scores(*row) for name, row in rows.items()})
            for first, rows in zip(firsts, others, strict=True)
        ]
    )
    differences = [row - first for first, rows in zip(firsts, others, strict=True) for row in rows.values()]
    blocks = [np.eye(size) + np.ones((size, size)) for size in sizes]
    eigenvalues = np.concatenate([np.linalg.eigvalsh(block) for block in blocks])
    freedom = (seeds - 1) * eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    variances = np.array([row.var(ddof=1) for row in differences])
    level = 1 - 0.05 / sum(sizes)
    flat = [difference for table in found for difference in table.values()]
    assert [table.keys() for table in found] == [rows.keys() for rows in others]
    tables = np.repeat(range(len(sizes)), sizes)
    for row, difference, table in zip(differences, flat, tables, strict=True):
        error = np.sqrt(max(variances.mean(), variances[tables == table].mean()) / seeds)
        assert difference.freedom == pytest.approx(freedom)
        assert difference.bounds == pytest.approx(stats.t.interval(level, freedom, row.mean(), error))


def test_points_of_a_curve_hold_though_short_trainings_vary_more() -> None:
    """Two rows beside a reference at three lengths, whose deviations are as 2 : 1 : 0.6; nothing differs.

    With the mean variance alone, all six intervals hold in 88 % of cases.
    """
    rng, curves = np.random.default_rng(2), 2000
    held = np.zeros((curves, 6), dtype=bool)
    for place in range(curves):
        points = [rng.normal(90, deviation, (3, 3)) for deviation in (2, 1, 0.6)]
        found = in_tables(
            [(scores(*first), {"one": scores(*one), "two": scores(*two)}) for first, one, two in points]
        )
        held[place] = [row.verdict == NOTHING for table in found for row in table.values()]
    assert held.all(axis=1).mean() >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / curves)


@pytest.mark.parametrize(("rows", "noisy"), [(1, 1.0), (4, 1.0), (7, 1.0), (4, 2.0)])
def test_intervals_of_rows_that_do_not_differ_hold_0_as_often_as_they_say(rows: int, noisy: float) -> None:
    """Also all at once; to 0.5 %, if the reference varies ``noisy`` times as much as the others.

    Degrees of freedom that are summed over the rows, as if they did not share their reference, fall short.
    """
    rng, tables, seeds = np.random.default_rng(1), 3000, 3
    held, summed = np.zeros((2, tables, rows), dtype=bool)
    for place in range(tables):
        split = rng.normal(90, 2, seeds)  # as all rows of a seed have it
        first, *others = split + rng.normal(0, 1, (rows + 1, seeds)) * np.array([[noisy], *[[1.0]] * rows])
        found = against(scores(*first), {str(row): scores(*own) for row, own in enumerate(others)})
        held[place] = [difference.verdict == NOTHING for difference in found.values()]
        error = np.sqrt(np.mean([(own - first).var(ddof=1) for own in others]) / seeds)
        reach = error * stats.t.ppf(1 - 0.025 / rows, rows * (seeds - 1))
        summed[place] = [abs(difference.mean) < reach for difference in found.values()]
    nominal, slack = 1 - 0.05 / rows, 0.005 if noisy > 1 else 0.0
    errors = held.mean(axis=1).std() / np.sqrt(tables)
    assert held.mean() >= nominal - 3 * errors - slack
    assert held.all(axis=1).mean() >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / tables)
    if rows > 1:
        assert summed.mean() < nominal - 3 * errors


TABLE_7 = {
    "r00": (80.1667, 80.6250, 80.4167),
    "r05": (80.2500, 82.2083, 80.7917),
    "r15": (78.8750, 78.6250, 79.2083),
    "r20": (73.8750, 76.2917, 74.6250),
}
"""OA at three seeds in results/aid100-64/one-low-rate/table7.csv, beside ``REFERENCE``."""

REFERENCE = (79.7917, 82.1250, 80.2500)
NO_DISTILLATION = (74.5417, 76.2083, 75.2083)
"""Of losses.csv there: R = 2 but for a factor of the loss, which the optimizer ignores."""


def test_seeds_that_agree_by_luck_make_no_difference() -> None:
    """R = 2 is as far off at all seeds; by luck, for two runs that are in effect the same vary more."""
    small = tuple(first + 0.4 + luck for first, luck in zip(REFERENCE, (-0.14, 0.09, 0.05), strict=True))
    assert stats.ttest_rel(small, REFERENCE).confidence_interval().low > 0
    rows = {name: scores(*figures) for name, figures in (TABLE_7 | {"small": small}).items()}
    found = against(scores(*REFERENCE), rows)
    assert (found["small"].verdict, found["r20"].verdict) == (NOTHING, "lower")
    own = stats.ttest_rel(TABLE_7["r20"], REFERENCE).confidence_interval()
    equal = np.subtract(TABLE_7["r20"], NO_DISTILLATION)
    assert (own.high - own.low) / 2 < np.abs(equal).max()
    low, high = found["r20"].bounds or (0, 0)
    assert (high - low) / 2 > np.abs(equal).max()


SEEDS = {0: 1.0, 1: 1.0, 2: 1.0}


@pytest.mark.parametrize(
    ("student", "bootstrap", "bounds", "word"),
    [
        ((0.1, 2), (0.2, 1), (0.1, 2), "higher"),
        ((-2, -0.1), (-1, -0.2), (-2, -0.1), "lower"),
        ((-0.1, 2), (0.2, 1), (-0.1, 2), NOTHING),
        ((0.1, 2), (-0.2, 1), (-0.2, 2), NOTHING),
        ((-2, -0.1), (-1, 0.2), (-2, 0.2), NOTHING),
        ((0.5, 1), (0.1, 2), (0.1, 2), "higher"),
        ((0.0, 2), (0.1, 1), (0.0, 2), NOTHING),
        ((0.1, 2), None, (0.1, 2), "higher"),
    ],
)
def test_each_end_is_that_of_the_wider_interval(
    student: Bounds, bootstrap: Bounds | None, bounds: Bounds, word: str
) -> None:
    found = Difference(SEEDS, 95.0, 2.0, student, bootstrap)
    assert (found.bounds, found.verdict) == (bounds, word)
    turned = -found
    assert (turned.mean, turned.bounds) == (-1.0, (-bounds[1], -bounds[0]))
    assert turned.verdict == {"higher": "lower", "lower": "higher"}.get(word, word)


def test_a_difference_is_shown_with_its_sign_and_interval() -> None:
    found = Difference({0: 0.4, 1: 0.36, 2: 0.38}, 97.5, 3.2, (-0.61, 1.36), (0.0, 1.0))
    assert found.shown() == "+0.38 [-0.61, +1.36]"
    assert found.shown("+.1f") == "+0.4 [-0.6, +1.4]"
    assert found.row()["low"] == -0.61
    one = Difference({0: 0.4}, 95.0, 0.0, None, (0.1, 0.7))
    assert one.shown() == "+0.40 [+0.10, +0.70] (test images alone)"


@pytest.mark.parametrize(("seeds", "word"), [(1, "one seed, no verdict"), (2, "two seeds, no verdict")])
def test_few_seeds_have_no_verdict(seeds: int, word: str) -> None:
    found = against(scores(*[80.0] * seeds), {"one": scores(*np.linspace(90, 90.1, seeds))})["one"]
    assert found.verdict == word
    assert (found.bounds is None) == (seeds == 1)


def test_the_bootstrap_has_the_level_of_the_interval_and_needs_hits_of_both() -> None:
    """Nine images of 100 are gained, none lost: the mean of a resample is a binomial share."""
    worse, better = np.arange(100) < 80, np.arange(100) < 89
    first, one = (Scores("run", {0: 100 * hits.mean()}, {0: hits}) for hits in (worse, better))
    for count in (1, 10):
        found = against(first, {"one": one}, count)["one"]
        expected = stats.binom.ppf([0.025 / count, 1 - 0.025 / count], 100, 0.09)
        assert found.bootstrap == found.bounds == pytest.approx(tuple(expected), abs=1.0)
    assert against(first, {"one": scores(89.0)})["one"].bootstrap is None


def test_other_seeds_or_images_are_not_paired() -> None:
    with pytest.raises(ErktError, match=r"a and b: .* the seeds are 0, 1 and 0, 2"):
        against(Scores("b", {0: 1.0, 2: 2.0}), {"one": Scores("a", {0: 1.0, 1: 2.0})})
    with pytest.raises(ErktError, match="the seeds are none and none"):
        against(Scores("b", {}), {"one": Scores("a", {})})
    first, one = (Scores(name, {0: 1.0}, images={0: (name,)}) for name in "ba")
    with pytest.raises(ErktError, match="a and b have other test images at seed 0"):
        against(first, {"one": one})
    more = (scores(1.0, 2.0), {"one": scores(1.0, 2.0)})
    with pytest.raises(ErktError, match="the same number of seeds"):
        in_tables([more, (scores(1.0), {"one": scores(1.0)})])


def test_nothing_to_compare_is_no_difference() -> None:
    assert in_tables([(scores(1.0), {}), (scores(2.0), {})]) == [{}, {}]


def test_the_level_is_said_with_how_it_comes_about() -> None:
    first, rows = scores(1.0, 2.0, 3.0), {name: scores(1.0, 2.0, 4.0) for name in "abcd"}
    assert "98.75 %, which is 100 - 5 / 4, for 4 rows" in explained(list(against(first, rows).values()))
    planned = explained(list(against(first, rows, 6).values()))
    assert "99.17 %, which is 100 - 5 / 6, for 6 rows" in planned
    assert "pooled over the 4 rows" in planned
    assert "an interval at 95 %." in explained(list(against(first, {"a": rows["a"]}).values()))


def write_run(folder: Path, oa: Mapping[int, float], images: int = 400, first: str = "0") -> Path:
    """Write what ``erkt compare`` reads: the student is right on the first images."""
    for name in ("evaluate", "predictions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for seed, value in oa.items():
        rows = [{"network": "student", "oa": value}, {"network": "ensemble", "oa": value + 1}]
        (folder / f"evaluate/{seed}.json").write_text(json.dumps(rows))
        keys = [first, *map(str, range(1, images))]
        lines = [f"{key},a,{'a' if 100 * n < value * images else 'b'}" for n, key in enumerate(keys)]
        (folder / f"predictions/{seed}.csv").write_text("key,actual,student\n" + "\n".join(lines) + "\n")
    return folder


def compare(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "erkt", "compare", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_prints_and_keeps_the_comparison(tmp_path: Path) -> None:
    one, two, three = (
        write_run(tmp_path / name, dict(enumerate(oa)))
        for name, oa in (("one", (80, 81, 80.5)), ("two", (92, 93, 92.5)), ("three", (80.5, 81, 80.25)))
    )
    done = compare(one, f"better={two}", three, "--json", tmp_path / "kept.json")
    assert done.returncode == 0, done.stderr
    assert "one      3   80.50 ± 0.50    81.50 ± 0.50" in done.stdout
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept["oa"]["better"]["student"] == {"0": 92, "1": 93, "2": 92.5}
    runs = [read_run(str(place), place.name, "metrics") for place in (one, two, three)]
    found = against(runs[0].scores(), {"better": runs[1].scores(), "three": runs[2].scores()})
    assert {name: row["low"] for name, row in kept["minus one"].items()} == pytest.approx(
        {name: difference.row()["low"] for name, difference in found.items()}
    )
    assert f"better minus one: {found['better'].shown()} points (0:+12.00 1:+12.00 2:+12.00): higher" in (
        done.stdout
    )
    assert "three minus one: +0.08 [" in done.stdout
    assert "0:+0.50 1:+0.00 2:-0.25): no difference shown" in done.stdout
    assert "97.5 %, which is 100 - 5 / 2" in done.stdout


def test_runs_are_compared_as_the_hits_on_their_test_images_say(tmp_path: Path) -> None:
    """With seeds that agree to the digit, the interval is the bootstrap's alone, over the images."""
    small, large = (
        [write_run(tmp_path / f"{oa}-{images}", dict.fromkeys(range(3), oa), images) for oa in (90.0, 92.5)]
        for images in (40, 4000)
    )
    for runs, word in ((small, "no difference shown"), (large, "higher")):
        assert compare(*runs).stdout.splitlines()[3].endswith(word)


def test_other_test_images_are_not_compared(tmp_path: Path) -> None:
    one, two = (write_run(tmp_path / name, {0: 90.0}, first=name) for name in ("one", "two"))
    done = compare(one, two)
    assert (done.returncode, done.stderr) == (1, "error: two and one have other test images at seed 0\n")


def test_predictions_without_a_column_are_one_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {0: 90.0})
    (run / "predictions/0.csv").write_text("key,actual\n1,a\n")
    with pytest.raises(ErktError, match=r"run: predictions/0\.csv has no column 'student'"):
        read_run(str(run), "run", "metrics")


@pytest.mark.parametrize("text", ["[]", "[{}]", "{", '{"network": 1}', '[{"network": "student", "oa": "x"}]'])
def test_what_evaluate_did_not_write_is_one_line(tmp_path: Path, text: str) -> None:
    run = write_run(tmp_path / "run", {0: 90.0})
    (run / "evaluate/0.json").write_text(text)
    with pytest.raises(
        ErktError, match=r"run: evaluate/0\.json(: not readable as JSON| is not what evaluate writes)"
    ) as error:
        read_run(str(run), "run", "metrics")
    assert "\n" not in str(error.value)


def test_a_revision_is_read_from_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "metrics", {3: 77.0})
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    write_run(tmp_path / "metrics", {3: 78.0})
    assert read_run("HEAD", "x", "metrics").students == {3: 77.0}
    assert read_run("metrics", "x", "metrics").students == {3: 78.0}
    with pytest.raises(ErktError, match="neither a folder nor a revision"):
        read_run("nowhere", "x", "metrics")
