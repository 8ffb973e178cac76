"""The page by the stage and by the command, in a temporary clone. In order, in one clone."""

import hashlib
import json
from pathlib import Path

import pytest
from clone import Clone, finished_clone


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return finished_clone(tmp_path_factory)[0]


def report(clone: Clone, *arguments: str) -> str:
    done = clone.python("-m", "erkt", "report", *arguments)
    assert done.returncode == 0, done.stderr
    return (clone.folder / "report.html").read_text(encoding="utf-8")


def test_the_command_adds_commit_lock_and_machine_and_leaves_git_clean(clone: Clone) -> None:
    made = (clone.folder / "data/report.html").read_text(encoding="utf-8")
    page = report(clone)
    commit = clone.git("rev-parse", "HEAD").strip()
    lock = hashlib.sha256((clone.folder / "dvc.lock").read_bytes()).hexdigest()
    for known in (commit, lock, "no GPU"):
        assert known in page
        assert known not in made
    assert "-dirty" not in page
    assert str(clone.folder) not in page
    assert page == report(clone)
    assert clone.git("status", "--porcelain") == ""


def test_times_of_another_run_are_not_those_of_this_one(clone: Clone) -> None:
    assert "To make it took" in report(clone)
    sidecar = clone.folder / "metrics/environment/download.json"
    own = sidecar.read_text(encoding="utf-8")
    other = json.loads(own) | {"inputs": "of another run", "seconds": 360_000.0}
    sidecar.write_text(json.dumps(other), encoding="utf-8")
    page = report(clone)
    sidecar.write_text(own, encoding="utf-8")
    assert "To make it took" not in page
    assert "of 1\u00a0cell the time is not known here" in page
    assert "100\u00a0h" not in page


def test_a_page_without_images_is_made_anew_and_nothing_else_is(clone: Clone) -> None:
    page = clone.folder / "data/report.html"
    assert b"data:image" in page.read_bytes()
    clone.params["page"] = {"example_images": False}
    clone.write_params()
    assert clone.repro("--all-pipelines") == {"report"}
    assert b"data:image" not in page.read_bytes()
    made = report(clone)
    assert "data:image" not in made
    assert "not of the params" not in made


def test_files_of_other_params_than_now_are_said_to_be(clone: Clone) -> None:
    for section, key, other in (("report", "test_sweep", True), ("distill", "loss", "none")):
        own = clone.params[section][key]
        clone.params[section][key] = other
        clone.write_params()
        assert "not of the params" in report(clone)
        clone.params[section][key] = own
        clone.write_params()


def test_a_page_of_a_file_that_is_not_of_the_run_says_so(clone: Clone) -> None:
    path = clone.folder / "metrics/robustness/0.csv"
    own = path.read_bytes()
    path.unlink()
    path.write_bytes(own + b"\n")
    assert "not of the params" in report(clone)
    path.write_bytes(own)


def test_a_student_whose_lists_were_drawn_anew_is_not_exported(clone: Clone, tmp_path: Path) -> None:
    """It would be calibrated on images that it has learned from."""
    command = ("-m", "erkt", "export", "data/students/0", str(tmp_path / "student.onnx"))
    clone.params["split"]["val_percent"] += 5
    clone.write_params()
    done = clone.python(*command)
    assert done.returncode == 1
    assert "what lies here is not one run of these params (split@0 ran with other" in done.stderr
    assert clone.repro("split") == {"split@0"}
    done = clone.python(*command)
    assert "split@0 made" in done.stderr
    assert not (tmp_path / "student.onnx").exists()
    clone.params["split"]["val_percent"] -= 5
    clone.write_params()
    assert clone.repro("split") == set()
    code = clone.folder / "erkt/data/splits.py"
    code.write_text(code.read_text() + "# later\n")
    (clone.folder / "metrics/evaluate/0.json").unlink()
    done = clone.python(*command)
    assert done.returncode == 0, f"later code, and not evaluated: {done.stderr}"
    done = clone.python("-m", "erkt", "export", "data/teachers/0/three", str(tmp_path / "teacher"))
    assert "three: params.yaml has no such teacher" in done.stderr
    clone.git("checkout", "--", "erkt", "metrics")


def test_what_params_no_longer_name_is_removed_from_what_the_page_reads(clone: Clone) -> None:
    strays = ("data/exports/7/x", "data/figures/7/x", "metrics/predictions/7.csv", "metrics/robustness/7.csv")
    for stray in strays:
        (clone.folder / stray).parent.mkdir(exist_ok=True)
        (clone.folder / stray).write_text("x")
    before = (clone.folder / "data/report.html").read_bytes()
    done = clone.python("-m", "erkt", "stage", "report")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("params no longer name it") == len(strays)
    assert not [stray for stray in strays if (clone.folder / stray).exists()]
    assert (clone.folder / "data/figures/tradeoff.png").is_file()
    assert (clone.folder / "data/report.html").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "results/no.csv"], "error: results/no.csv: no such file\n"),
        (["--table", "a.csv", "--speed", "b.csv"], "not allowed with argument"),
        (["--out", "data"], "error: --out data: a folder"),
        (["--speed", "results/literature.csv"], "error: results/literature.csv: not a table that erkt speed"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_a_line(clone: Clone, arguments: list[str], message: str) -> None:
    (clone.folder / "report.html").write_text("former")
    done = clone.python("-m", "erkt", "report", *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (clone.folder / "report.html").read_text() == "former"


def test_times_of_the_runs_own_networks_are_shown(clone: Clone, tmp_path: Path) -> None:
    student, others = clone.params["student"]["arch"], clone.params["teachers"].values()
    teachers = " ".join(teacher["network"]["arch"] for teacher in others)
    head = "network,architectures,milliseconds,ratio,device,side,batch\n"
    rows = "student,{},1.25,1,the CPU,32,4\nensemble,{},3.5,2.8,the CPU,32,4\n"
    table = tmp_path / "table.csv"
    table.write_text(head + rows.format(student, teachers))
    assert "1.25 ms on the CPU, 2.8 times less than with the ensemble" in report(clone, "--speed", str(table))
    for networks, said in (
        (("resnet18", teachers), "its student is resnet18, the run's is"),
        ((student, "resnet18 resnet50"), "its ensemble is resnet18 resnet50, the run's is "),
    ):
        table.write_text(head + rows.format(*networks))
        assert said in clone.python("-m", "erkt", "report", "--speed", str(table)).stderr
