"""Paired differences against closed forms and scipy's own test, and the command that prints them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT
from scipy.stats import ttest_rel

from erkt.errors import ErktError
from erkt.evaluation.paired import difference, verdict
from erkt.pipeline.finished import read_run


@pytest.mark.parametrize("level", [90.0, 95.0, 99.0])
def test_the_interval_is_that_of_the_paired_t_test(level: float) -> None:
    one, other = [91.0, 92.5, 90.25, 93.0], [90.0, 90.5, 90.0, 91.75]
    numbers = difference(dict(enumerate(one)), dict(enumerate(other)), level)
    assert (numbers["by_seed"], numbers["mean"]) == ({0: 1.0, 1: 2.0, 2: 0.25, 3: 1.25}, 1.125)
    expected = ttest_rel(one, other).confidence_interval(level / 100)
    assert (numbers["low"], numbers["high"]) == pytest.approx((expected.low, expected.high))


def test_the_sign_and_the_verdict() -> None:
    better, worse = {0: 90.0, 1: 91.0, 2: 92.0}, {0: 80.0, 1: 81.1, 2: 82.0}
    assert verdict(difference(better, worse)) == "higher"
    assert verdict(difference(worse, better)) == "lower"
    assert verdict(difference({0: 1.0, 1: 0.0}, {0: 0.0, 1: 1.0})) == "no difference shown"
    assert verdict(difference({0: 90.0}, {0: 80.0})) == "one seed, no verdict"


def test_other_seeds_are_not_paired() -> None:
    with pytest.raises(ErktError, match="the seeds are 0, 1 and 0, 2"):
        difference({0: 1.0, 1: 2.0}, {0: 1.0, 2: 2.0})


def write_run(folder: Path, oa: dict[int, float], images: str = "a/1.png") -> Path:
    for seed, value in oa.items():
        for name in ("evaluate", "predictions"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        rows = [{"network": "student", "oa": value}, {"network": "ensemble", "oa": value + 1}]
        (folder / f"evaluate/{seed}.json").write_text(json.dumps(rows))
        (folder / f"predictions/{seed}.csv").write_text(f"key,actual\n{images},a\n")
    return folder


def compare(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "erkt", "compare", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_prints_and_keeps_the_comparison(tmp_path: Path) -> None:
    one, two = (
        write_run(tmp_path / "one", {0: 90.0, 1: 91.0}),
        write_run(tmp_path / "two", {0: 92.0, 1: 93.0}),
    )
    done = compare(one, f"better={two}", "--json", tmp_path / "kept.json")
    assert done.returncode == 0, done.stderr
    assert "one      2   90.50 ± 0.71    91.50 ± 0.71" in done.stdout
    assert (
        "better minus one: +2.00 points, 95 % interval +2.00 to +2.00 (2 seeds: +2.00 +2.00): higher"
        in done.stdout
    )
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept["oa"]["better"]["student"] == {"0": 92.0, "1": 93.0}
    assert kept["minus one"]["better"]["mean"] == 2.0


def test_other_test_images_are_not_compared(tmp_path: Path) -> None:
    one, two = (
        write_run(tmp_path / "one", {0: 90.0}),
        write_run(tmp_path / "two", {0: 90.0}, images="a/2.png"),
    )
    done = compare(one, two)
    assert (done.returncode, done.stderr) == (1, "error: two and one have other test images at seed 0\n")


@pytest.mark.parametrize("text", ["[]", "[{}]", "{", '{"network": 1}', '[{"network": "student", "oa": "x"}]'])
def test_what_evaluate_did_not_write_is_one_line(tmp_path: Path, text: str) -> None:
    run = write_run(tmp_path / "run", {0: 90.0})
    (run / "evaluate/0.json").write_text(text)
    with pytest.raises(ErktError, match=r"run: evaluate/0.json is not what evaluate writes") as error:
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
