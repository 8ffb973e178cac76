"""Committed tables are those of the committed records: DVC's experiments in a git bundle beside them."""

import csv
import json
import statistics
import subprocess
from pathlib import Path

import pytest
import yaml
from closure import ROOT
from scipy import stats

from erkt.pipeline.cells import all_cells
from erkt.pipeline.recorded import breaks

FOLDER = ROOT / "results/aid100-64/one-low-rate"
STUDENTS = {
    "losses": "dist",
    "table7": "r10",
    "table9": "erkt",
    "views": "all",
}
"""The tables of students, and the row to which each takes differences."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone that has fetched the experiments."""
    return fetched(tmp_path_factory.mktemp("records"), "aid100-64/one-low-rate")


def fetched(folder: Path, results: str) -> Path:
    """Return ``folder``, a bare clone that has fetched all records beside the tables in ``results``."""
    asked = ["git", "rev-parse", "--is-shallow-repository"]
    shallow = subprocess.run(asked, cwd=ROOT, check=False, capture_output=True, text=True)
    if shallow.stdout.strip() != "false":
        pytest.skip("the records go on from a commit that is not here: no clone, or a shallow one")
    git(ROOT, "clone", "-q", "--bare", str(ROOT), str(folder))
    for bundle in sorted((ROOT / "results" / results).glob("*.bundle")):
        git(folder, "fetch", "-q", str(bundle), "refs/exps/*:refs/exps/*")
    return folder


def table(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_seed(row: dict[str, str]) -> dict[str, float]:
    return {seed: float(oa) for seed, _, oa in (part.partition(":") for part in row["oa_by_seed"].split())}


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", STUDENTS)
def test_every_accuracy_is_that_of_its_run(records: Path, name: str) -> None:
    for row in table(name):
        ref = f"refs/exps/{row['base'][:2]}/{row['base'][2:]}/{row['run']}"
        for seed, oa in by_seed(row).items():
            student, ensemble = json.loads(git(records, "show", f"{ref}:metrics/evaluate/{seed}.json"))
            assert (student["network"], ensemble["network"]) == ("student", "ensemble")
            assert oa == pytest.approx(student["oa"], abs=1e-4), (row["row"], seed)
            lines = csv.DictReader(git(records, "show", f"{ref}:metrics/predictions/{seed}.csv").splitlines())
            hits = [line["actual"] == line["student"] for line in lines]
            assert oa == pytest.approx(100 * sum(hits) / len(hits), abs=1e-4), (row["row"], seed)


@pytest.mark.parametrize("name", STUDENTS)
def test_means_deviations_and_intervals_are_those_of_the_accuracies(name: str) -> None:
    """By scipy's paired test, row by row: they were made before variances were pooled (README.md there)."""
    rows = {row["row"]: row for row in table(name)}
    first = by_seed(rows[STUDENTS[name]])
    for row in rows.values():
        found = by_seed(row)
        assert found.keys() == {"0", "1", "2"}
        assert float(row["oa"]) == pytest.approx(statistics.mean(found.values()), abs=1e-3)
        assert float(row["std"]) == pytest.approx(statistics.stdev(found.values()), abs=1e-3)
        if row["row"] != STUDENTS[name]:
            paired = stats.ttest_rel(list(found.values()), [first[seed] for seed in found])
            low, high = paired.confidence_interval()
            assert [float(row[key]) for key in ("low", "high")] == pytest.approx([low, high], abs=1e-2)
            assert float(row["difference"]) == pytest.approx((low + high) / 2, abs=1e-3)


def test_every_record_is_of_one_run_in_which_each_cell_read_what_others_made(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the rule that leaves out runs of a part of the pipeline leaves out none of these.

    The pipeline of a run has the stages of its day.
    """
    monkeypatch.chdir(ROOT)
    for ref in git(records, "for-each-ref", "--format=%(refname)", "refs/exps").split():
        params = yaml.load(git(records, "show", f"{ref}:params.yaml"), yaml.CSafeLoader)
        stages = yaml.load(git(records, "show", f"{ref}:dvc.lock"), yaml.CSafeLoader)["stages"]
        then = {name.partition("@")[0] for name in stages}
        cells = [cell for cell in all_cells(params) if cell.stage in then]
        assert "summarize" in then
        assert list(breaks(stages, cells)) == []


def test_the_runs_share_their_test_images_and_teachers(records: Path) -> None:
    """Otherwise their differences would be those of something else."""
    listed = git(records, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    assert len(listed) > 1
    seen: dict[str, set[tuple[object, ...]]] = {}
    for ref in listed:
        stages = yaml.load(git(records, "show", f"{ref}:dvc.lock"), yaml.CSafeLoader)["stages"]
        for name in git(records, "show", f"{ref}:metrics/evaluate").split()[2:]:
            seed = name.removesuffix(".json")
            lines = git(records, "show", f"{ref}:metrics/predictions/{seed}.csv").splitlines()
            teachers = [
                stage["outs"][0]["md5"]
                for cell, stage in stages.items()
                if cell.startswith(f"train_teacher@{seed}-lite")
            ]
            assert len(teachers) == 3
            ensemble = json.loads(git(records, "show", f"{ref}:metrics/evaluate/{name}"))[1]["oa"]
            images = (line.split(",")[0] for line in lines)
            seen.setdefault(seed, set()).add((ensemble, *teachers, *images))
    assert seen.keys() == {"0", "1", "2", "3", "4", "5"}
    assert all(len(found) == 1 for found in seen.values())


def test_the_table_of_eurosat_is_that_of_its_runs(tmp_path: Path) -> None:
    """Accuracies from predictions, differences and Student's intervals by their formulas."""
    records = fetched(tmp_path, "eurosat-tr5")
    with (ROOT / "results/eurosat-tr5/eurosat.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["row"]: row for row in csv.DictReader(file)}
    refs = git(records, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    students: dict[str, dict[str, float]] = {}
    ensembles: dict[str, set[float]] = {}
    lists: dict[str, set[tuple[str, ...]]] = {}
    for name, row in rows.items():
        students[name] = {}
        for ref in [ref for ref in refs if ref.rpartition("/")[2] in row["run"].split()]:
            listed = git(records, "show", f"{ref}:metrics/predictions").split()[2:]
            for seed in by_seed(row).keys() & {name.removesuffix(".csv") for name in listed}:
                text = git(records, "show", f"{ref}:metrics/predictions/{seed}.csv")
                lines = list(csv.DictReader(text.splitlines()))
                right = {
                    who: sum(line["actual"] == line[who] for line in lines) for who in ("student", "ensemble")
                }
                students[name][seed] = 100 * right["student"] / len(lines)
                ensembles.setdefault(seed, set()).add(100 * right["ensemble"] / len(lines))
                lists.setdefault(seed, set()).add(tuple(sorted(next(iter(line.values())) for line in lines)))
        assert by_seed(row) == pytest.approx(students[name], abs=1e-4)
        assert float(row["std"]) == pytest.approx(statistics.stdev(students[name].values()), abs=1e-4)
    assert all(len(found) == 1 for found in (*ensembles.values(), *lists.values()))
    ensemble = {seed: oa for seed, (oa,) in ensembles.items()}
    against = {"": (students["dist"], "dist"), "ensemble_": (ensemble, None)}
    for prefix, (other, own) in against.items():
        apart = {
            name: [oa - other[seed] for seed, oa in found.items()]
            for name, found in students.items()
            if name != own
        }
        pooled = statistics.mean(statistics.variance(found) for found in apart.values())
        for name, found in apart.items():
            row = rows[name]
            level, freedom = (float(row[prefix + key]) for key in ("level", "freedom"))
            reach = stats.t.ppf(0.5 + level / 200, freedom) * (pooled / len(found)) ** 0.5
            middle = statistics.mean(found)
            assert float(row[prefix + "difference"]) == pytest.approx(middle, abs=1e-4)
            expected = [middle - reach, middle + reach]
            interval = [float(row[f"{prefix}student_{end}"]) for end in ("low", "high")]
            assert interval == pytest.approx(expected, abs=1e-3)
            assert float(row[prefix + "low"]) <= min(interval[0], float(row[prefix + "bootstrap_low"])) + 1e-4
            assert (
                float(row[prefix + "high"]) >= max(interval[1], float(row[prefix + "bootstrap_high"])) - 1e-4
            )
