"""``python -m erkt track`` in a checkout whose pipeline looks finished; one checkout serves all tests."""

import contextlib
import json
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracked import SUMMARY, Checkout, dump, empty_database, no_settings, picture

from erkt import cli
from erkt.errors import ErktError
from erkt.pipeline import results
from erkt.pipeline.git import read_clean

AUTHORED = "2024-02-29T12:00:00+0000"


@pytest.fixture(scope="module", autouse=True)
def clean_environment() -> Iterator[None]:
    with no_settings():
        yield


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    made.git("commit", "-q", "--amend", "--no-edit", "--date", AUTHORED)
    (made.folder / "mlflow.db").write_bytes(empty_database())
    return made


def refusal(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line with which the command refuses."""
    monkeypatch.chdir(checkout.folder)
    monkeypatch.setattr(sys, "argv", ["erkt", "track"])
    before = dump(checkout.folder)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
    assert dump(checkout.folder) == before
    return err.removesuffix("\n")


LISTED = """
import json, sys
from pathlib import Path
import yaml
from dvc.repo import Repo
from erkt.pipeline.cells import all_cells
params, found = yaml.safe_load(Path("params.yaml").read_text()), []
teacher = params["teachers"]["one"]
for seeds, teachers, blocks in json.loads(sys.argv[1]):
    params["seeds"], params["cache"]["blocks"] = seeds, blocks
    params["teachers"] = {name: teacher for name in teachers}
    params["ensemble"]["lead"] = teachers[0]
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    with Repo() as repo:
        dvc = [(stage.addressing, stage.cmd) for stage in repo.index.stages]
    ours = []
    for cell in all_cells(params):
        options = "".join(f" --{name} {value}" for name, value in cell.coordinates.items())
        ours.append((cell.name, f"python -m erkt stage {cell.stage}{options}"))
    found.append([dvc, ours])
print(json.dumps(found))
"""


def test_cells_are_those_that_dvc_has(checkout: Checkout) -> None:
    variants = [([0], ["one", "two"], [0]), ([7, 3], ["b", "a", "c-1"], [0, 1]), ([0], ["x"], [])]
    done = checkout.python("-c", LISTED, json.dumps(variants))
    checkout.write_params()
    assert done.returncode == 0, done.stderr
    lists = json.loads(done.stdout)
    for dvc, ours in lists:
        assert sorted(ours) == sorted(dvc)
    counts = [sum(name.startswith("cache_logits@") for name, _ in ours) for _, ours in lists]
    assert counts == [2, 12, 0]


def test_a_commit_gets_its_runs_and_the_second_time_nothing(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.track()
    said = capsys.readouterr().out.splitlines()
    before, shown = dump(checkout.folder), picture(f"sqlite:///{checkout.folder}/mlflow.db", "erkt")
    checkout.track()
    assert dump(checkout.folder) == before

    commit = checkout.git("rev-parse", "HEAD").strip()
    cells = checkout.cells()
    assert said[: len(cells)] == [f"{cell.name}: run made from files" for cell in cells]
    whole = f"{commit[:10]} a made-up run"
    references = json.loads(shown[whole]["artifacts"]["runs.json"])
    assert set(references) == {cell.name for cell in cells} == shown.keys() - {whole}
    assert capsys.readouterr().out.splitlines() == [
        said[-2].replace(f"{len(cells)} made now", "0 made now"),
        f"experiment erkt in sqlite:///{checkout.folder}/mlflow.db",
    ]
    for cell in cells:
        assert shown[cell.name]["status"] == "FINISHED"
        assert (
            shown[cell.name]["tags"]["erkt.inputs"] == references[cell.name]["inputs"] == checkout.key(cell)
        )
        assert shown[cell.name]["tags"]["erkt.commit"] == commit

    epochs = [(1, 2.46352), (2, 1.25)]
    for cell, name in (("train_teacher@0-one", "0-one"), ("distill@0", "0-student")):
        assert shown[cell]["metrics"]["loss"] == epochs
        assert shown[cell]["metrics"].keys() == {"learning_rate", "loss", "val_oa"}
        assert shown[cell]["artifacts"].keys() == {f"{name}.csv"}
    assert shown["distill@0"]["params"]["distill.recipe.epochs"] == "2"
    assert "teachers.one.recipe.epochs" in shown["train_teacher@0-one"]["params"]
    assert shown["evaluate_teacher@0-two"]["metrics"] == {"oa": [(0, 90.125)], "parameters": [(0, 1000.0)]}
    assert shown["evaluate@0"]["metrics"] == {
        "student.oa": [(0, 90.125)],
        "student.parameters": [(0, 1000.0)],
        "ensemble.oa": [(0, 92.25)],
        "ensemble.parameters": [(0, 1000.0)],
    }
    assert shown["evaluate@0"]["artifacts"].keys() == {"0.json"}


def test_the_run_of_the_commit_has_all_params_the_summary_and_every_table_and_picture(
    checkout: Checkout,
) -> None:
    shown = picture(f"sqlite:///{checkout.folder}/mlflow.db", "erkt")
    (whole,) = (run for run in shown.values() if "erkt.tracked_commit" in run["tags"])
    assert whole["params"]["ensemble.lead"] == "one"
    assert whole["params"]["seeds"] == "[0]"
    assert whole["metrics"]["student.oa.mean"] == [(0, 90.5)]
    assert whole["metrics"]["ensemble.oa.std"] == [(0, 0.5)]
    assert whole["metrics"]["teachers.one.oa.mean"] == [(0, 91.0)]
    assert whole["metrics"]["gap.mean"] == [(0, 1.75)]
    assert "student.oa.std" not in whole["metrics"]  # null: one run has no deviation
    kept = set(whole["artifacts"]) - {"runs.json"}
    assert json.loads(whole["artifacts"]["metrics/summary.json"]) == SUMMARY
    assert "data/figures/0/confusion.png" in kept
    tables = checkout.git("ls-files", "metrics").split()
    assert "metrics/per_class/0.csv" in tables
    assert kept >= set(tables)
    for path in kept:
        assert whole["artifacts"][path] == (checkout.folder / path).read_bytes()


def test_the_commits_author_date_is_the_time_of_what_is_made(checkout: Checkout) -> None:
    with contextlib.chdir(checkout.folder):
        head = read_clean(Path.cwd())
    assert head.authored == 1_709_208_000_000
    assert head.subject == "a made-up run"
    assert head.experiment == ""


def test_an_experiment_of_dvc_that_is_checked_out_is_named(checkout: Checkout) -> None:
    place = "refs/exps/ab/cdef/odd-cat"
    checkout.git("update-ref", place, "HEAD")
    try:
        assert read_clean(checkout.folder).experiment == "odd-cat"
    finally:
        checkout.git("update-ref", "-d", place)


def test_a_changed_or_a_new_file_is_refused(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = checkout.folder / "metrics/summary.json"
    good = changed.read_text()
    changed.write_text("{}")
    (checkout.folder / "a new\tfile").write_text("")
    try:
        line = refusal(checkout, monkeypatch, capsys)
    finally:
        changed.write_text(good)
        (checkout.folder / "a new\tfile").unlink()
    commit = checkout.git("rev-parse", "HEAD")[:10]
    assert line.startswith(
        f"error: metrics/summary.json, a new\tfile: not as in commit {commit}; commit first"
    )


def test_params_that_were_committed_without_a_run_are_refused(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = checkout.git("rev-parse", "HEAD").strip()
    checkout.params["distill"]["loss_ratio"] = 0.5
    checkout.write_params()
    checkout.commit("changed, not run")
    try:
        line = refusal(checkout, monkeypatch, capsys)
    finally:
        checkout.params["distill"]["loss_ratio"] = 1.0
        checkout.git("reset", "-q", "--hard", head)
    assert line.startswith("error: distill@0: what lies here does not belong to the present code and params")
    assert "run dvc repro and commit first" in line


def test_metrics_with_the_key_of_other_inputs_are_refused(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after ``dvc commit``: DVC takes the results for those of the present code, their own key does not."""
    head = checkout.git("rev-parse", "HEAD").strip()
    with (checkout.folder / "erkt/ensemble/search.py").open("a") as file:
        file.write("# a comment\n")
    checkout.record()
    try:
        line = refusal(checkout, monkeypatch, capsys)
    finally:
        checkout.git("reset", "-q", "--hard", head)
    assert line.startswith("error: metrics/evaluate/0.json belongs to the inputs ")
    assert line.endswith("run dvc repro --force --single-item evaluate@0")


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("data/prepared", "prepare"),
        ("data/students/0", "distill@0"),
        ("data/figures/0/confusion.png", "draw@0"),
    ],
)
def test_missing_data_is_refused_with_its_stage(
    checkout: Checkout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str,
    stage: str,
) -> None:
    away = checkout.folder / ".git" / "away"
    shutil.move(checkout.folder / path, away)
    try:
        line = refusal(checkout, monkeypatch, capsys)
    finally:
        shutil.move(away, checkout.folder / path)
    assert line == f"error: {stage}: {path} is missing; run dvc pull, or dvc repro if nobody pushed it"


def test_outside_a_repository_or_before_a_commit_there_is_nothing_to_track(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ErktError, match="git log: fatal: not a git repository"):
        read_clean(tmp_path)


def test_a_server_that_is_away_is_one_line_and_status_1(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as bound:  # bound but not listening: nobody else gets the port, nobody answers
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@{address}")
        line = refusal(checkout, monkeypatch, capsys)
    assert line.startswith(f"error: http://***@{address}: MlflowException: ")
    assert "refused" in line.lower()
    assert "secret" not in line


def test_a_curve_that_is_none_is_one_line(checkout: Checkout, tmp_path: Path) -> None:
    for text in ("epoch,loss\n1,high\n", "epoch,loss\n1,0.5,7\n", "loss\n0.5\n", "epoch,loss\n1\n"):
        (tmp_path / "curve.csv").write_text(text)
        with pytest.raises(ErktError, match=r"curve.csv: not readable as a curve .*; run dvc repro"):
            results._curve(tmp_path / "curve.csv")
    assert results._curve(checkout.folder / "metrics/curves/0-one.csv")[1][1] == 2
