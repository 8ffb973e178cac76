"""Committed tables are those of the committed records: DVC's experiments in a git bundle beside them."""

import csv
import json
import subprocess
from pathlib import Path

import pytest
from closure import ROOT

FOLDER = ROOT / "results/aid100-64"
STUDENTS = [path.stem for path in sorted(FOLDER.glob("*.csv")) if path.read_text("utf-8").startswith("row,")]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone that has fetched the experiments."""
    folder = tmp_path_factory.mktemp("records")
    verified = subprocess.run(
        ["git", "bundle", "verify", "-q", FOLDER / "experiments.bundle"], cwd=ROOT, check=False
    )
    if verified.returncode:
        pytest.skip("not a clone of the whole history")
    subprocess.run(["git", "clone", "-q", "--bare", ROOT, folder], check=True)
    fetch = ["git", "fetch", "-q", FOLDER / "experiments.bundle", "refs/exps/*:refs/exps/*"]
    subprocess.run(fetch, cwd=folder, check=True)
    return folder


def show(folder: Path, name: str) -> str:
    return subprocess.run(
        ["git", "show", name], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("name", STUDENTS)
def test_every_accuracy_is_that_of_its_run(records: Path, name: str) -> None:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        ref = f"refs/exps/{row['base'][:2]}/{row['base'][2:]}/{row['run']}"
        for part in row["oa_by_seed"].split():
            seed, oa = part.split(":")
            student, ensemble = json.loads(show(records, f"{ref}:metrics/evaluate/{seed}.json"))
            assert (student["network"], ensemble["network"]) == ("student", "ensemble")
            assert float(oa) == pytest.approx(student["oa"], abs=1e-4), (row["row"], seed)


def test_the_runs_share_their_test_images_and_teachers(records: Path) -> None:
    """Otherwise their differences would be those of something else."""
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", "refs/exps"],
        cwd=records,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert len(listed) > 1
    for seed in (0, 1, 2):
        keys, ensembles = set(), set()
        for ref in listed:
            lines = show(records, f"{ref}:metrics/predictions/{seed}.csv").splitlines()
            keys.add(tuple(line.split(",")[0] for line in lines))
            ensembles.add(json.loads(show(records, f"{ref}:metrics/evaluate/{seed}.json"))[1]["oa"])
        assert len(keys) == 1
        assert len(ensembles) == 1
