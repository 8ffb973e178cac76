"""``python -m erkt track`` in a checkout whose pipeline looks finished; one checkout serves all tests."""

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tracked import Checkout, dump, empty_database, no_settings, picture

from erkt import cli


@pytest.fixture(scope="module", autouse=True)
def clean_environment() -> Iterator[None]:
    with no_settings():
        yield


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    (made.folder / "mlflow.db").write_bytes(empty_database())
    return made


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
    cells = checkout.cells()
    assert said[: len(cells)] == [f"{cell.name}: run made from files" for cell in cells]
    assert capsys.readouterr().out.splitlines() == [
        said[-2].replace(f"{len(cells)} made now", "0 made now"),
        f"experiment erkt in sqlite:///{checkout.folder}/mlflow.db",
    ]

    def made(name: str) -> Any:
        return json.loads((checkout.folder / "metrics" / name).read_text())

    commit = checkout.git("rev-parse", "HEAD").strip()
    whole = shown.pop(f"{commit[:10]} a made-up run")
    references = json.loads(whole["artifacts"].pop("runs.json"))
    assert set(references) == {cell.name for cell in cells} == shown.keys()
    for cell in cells:
        run = shown[cell.name]
        assert (run["status"], run["tags"]["erkt.commit"]) == ("FINISHED", commit)
        assert run["tags"]["erkt.inputs"] == references[cell.name]["inputs"] == checkout.key(cell)
    for cell, name in (("train_teacher@0-one", "0-one"), ("distill@0", "0-student")):
        assert shown[cell]["metrics"]["loss"] == [(1, 2.46352), (2, 1.25)]
        assert shown[cell]["metrics"].keys() == {"loss", "val_oa"}
        assert shown[cell]["artifacts"].keys() == {f"{name}.csv"}
    assert shown["distill@0"]["params"]["distill.recipe.epochs"] == "2"
    assert "teachers.one.recipe.epochs" in shown["train_teacher@0-one"]["params"]
    (teacher,) = made("evaluate_teacher/0-two.json")
    assert shown["evaluate_teacher@0-two"]["metrics"] == {"oa": [(0, teacher["oa"])]}
    evaluated = {f"{row['network']}.oa": [(0, row["oa"])] for row in made("evaluate/0.json")}
    assert shown["evaluate@0"]["metrics"] == evaluated
    assert shown["evaluate@0"]["artifacts"].keys() == {"0.json"}

    assert whole["params"]["ensemble.lead"] == "one"
    assert whole["metrics"] == {  # a null, as of one run's deviation, is none
        "student.oa.mean": [(0, made("summary.json")["student"]["oa"]["mean"])],
        "student.oa.runs": [(0, 1.0)],
        "gap.mean": [(0, 1.75)],
    }
    tables = checkout.git("ls-files", "metrics").split()
    assert whole["artifacts"].keys() >= {*tables, "metrics/per_class/0.csv", "data/figures/0/confusion.png"}
    for path, content in whole["artifacts"].items():
        assert content == (checkout.folder / path).read_bytes()


Refusal = Callable[[], str]


@pytest.fixture
def refusal(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Refusal]:
    """The line with which the command refuses; afterwards the checkout is as it was."""
    head = checkout.git("rev-parse", "HEAD").strip()

    def line() -> str:
        monkeypatch.chdir(checkout.folder)
        monkeypatch.setattr(sys, "argv", ["erkt", "track"])
        before = dump(checkout.folder)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
        assert dump(checkout.folder) == before
        return err.removesuffix("\n")

    yield line
    checkout.git("reset", "-q", "--hard", head)


def test_a_changed_file_is_refused(checkout: Checkout, refusal: Refusal) -> None:
    (checkout.folder / "metrics/summary.json").write_text("{}")
    assert refusal().startswith("error: metrics/summary.json: not as in commit ")


def test_params_that_were_committed_without_a_run_are_refused(checkout: Checkout, refusal: Refusal) -> None:
    params = checkout.folder / "params.yaml"
    params.write_text(params.read_text().replace("loss_ratio: 1.0", "loss_ratio: 0.5"))
    checkout.commit("changed, not run")
    line = refusal()
    assert line.startswith(
        "error: distill@0, report: what lies here does not belong to the present code and params"
    )
    assert "run dvc repro and commit first" in line


def test_metrics_with_the_key_of_other_inputs_are_refused(checkout: Checkout, refusal: Refusal) -> None:
    """As after ``dvc commit``: DVC takes the results for present ones, their inputs do not."""
    with (checkout.folder / "erkt/ensemble/candidates.py").open("a") as file:
        file.write("# a comment\n")
    checkout.record()
    line = refusal()
    assert line.startswith("error: metrics/evaluate/0.json belongs to the inputs ")
    assert line.endswith("run dvc repro --force --single-item evaluate@0")


@pytest.mark.parametrize(
    ("path", "stage"), [("data/prepared", "prepare"), ("data/figures/0/confusion.png", "draw@0")]
)
def test_missing_data_is_refused_with_its_stage(
    checkout: Checkout, refusal: Refusal, tmp_path: Path, path: str, stage: str
) -> None:
    shutil.move(checkout.folder / path, tmp_path / "away")
    try:
        line = refusal()
    finally:
        shutil.move(tmp_path / "away", checkout.folder / path)
    assert line == f"error: {stage}: {path} is missing; run dvc pull, or dvc repro if nobody pushed it"


def test_a_server_that_is_away_is_one_line(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:  # bound but not listening: nobody else gets the port, nobody answers
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@{address}")
        line = refusal()
    assert line.startswith(f"error: http://***@{address}: MlflowException: ")
    assert "refused" in line.lower()
    assert "secret" not in line
