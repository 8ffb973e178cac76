"""``erkt experiment``, ``tables`` and ``claims`` on a tiny protocol, whose rows ran through DVC."""

import csv
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from clone import Clone, finished_clone

from erkt import cli
from erkt.pipeline import recorded
from erkt.pipeline.experiments import definition
from erkt.views.pairs import batches, partners

Command = Callable[..., tuple[int, str, str]]

RATIO: dict[str, Any] = {
    "title": "a ratio",
    "source": "Table 0",
    "compares": "students",
    "presets": ["tiny"],
    "seeds": [0],
    "rows": {
        "lost": {
            "label": "lost",
            "set": {"dataset.source": "folder", "dataset.location": "lost", "dataset.scenes": None},
        },
        "half": {"label": "R = 0.5", "set": {"distill.loss_ratio": 0.5}},
        "none": {"label": "R = 2", "set": {"distill.loss_ratio": 2.0}},
    },
    "reference": "half",
    "paper": {"tiny": {"half": "97.20 ± 0.08"}},
}
HALF = RATIO | {"rows": {"all": RATIO["rows"]["half"]}, "reference": None, "paper": {}}
"""One row, which is one of RATIO's: it has run when that has."""
SEARCH = RATIO | {
    "part": "validation",
    "rows": {
        "half": RATIO["rows"]["half"],
        "rate": {"label": "rate 0.5", "set": {"distill.recipe.learning_rate": 0.5}},
    },
    "reference": None,
    "paper": {},
}

CURVE = RATIO | {
    "compares": "curve",
    "rows": {name: RATIO["rows"][name] for name in ("half", "none")},
    "reference": "R = 0.5",
}
LATE = HALF | {
    "compares": "networks",
    "rows": {"all": {"label": "R = 1.5", "set": {"distill.loss_ratio": 1.5}}},
}


@dataclass(frozen=True)
class Ran:
    """A clone in which RATIO has run once."""

    clone: Clone
    done: CompletedProcess[str]

    def names(self) -> list[str]:
        listed = self.clone.git("for-each-ref", "--format=%(refname:lstrip=-1)", "refs/exps/*/*/*")
        return sorted(name.rpartition("-")[0] for name in listed.split())

    def show(self, name: str, path: str) -> str:
        """Return a file of a row's run, as git holds it."""
        listed = self.clone.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/*/*/*")
        (commit,) = [line.split()[0] for line in listed.splitlines() if f"/{name}-" in line]
        return self.clone.git("show", f"{commit}:{path}")

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.clone.folder / f"results/tiny/{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def page(self, name: str) -> str:
        return (self.clone.folder / f"results/tiny/{name}.md").read_text(encoding="utf-8")


def write(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def clone_with_experiments(folder: Path) -> Clone:
    """Return a clone with one teacher, and no stage that no table needs."""
    clone = Clone(folder)
    ensemble = clone.params["ensemble"] | {"search": "none", "lead": None}
    teachers = {"one": clone.params["teachers"]["one"]}
    changes = {"teachers": teachers, "ensemble": ensemble, "report": {"test_sweep": True}}
    write(clone.folder / "presets/tiny.yaml", clone.params | changes)
    pipeline = yaml.safe_load((clone.folder / "dvc.yaml").read_text(encoding="utf-8"))
    for stage in ("measure", "draw", "stress", "export"):
        del pipeline["stages"][stage]
    write(clone.folder / "dvc.yaml", pipeline)
    write(clone.folder / "experiments/ratio.yaml", RATIO)
    paper = {"tiny": {"student": "97.20"}}
    write(clone.folder / "experiments/networks.yaml", HALF | {"compares": "networks", "paper": paper})
    write(clone.folder / "experiments/weights.yaml", HALF | {"compares": "weights"})
    write(clone.folder / "experiments/search.yaml", SEARCH)
    write(clone.folder / "experiments/mixes.yaml", HALF | {"compares": "ensembles", "part": "validation"})
    write(clone.folder / "experiments/curve.yaml", CURVE)
    write(clone.folder / "experiments/late.yaml", LATE)
    clone.commit("experiments")
    return clone


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The commit has a teacher of another machine, which no cache here has."""
    elsewhere, _ = finished_clone(tmp_path_factory)
    clone = clone_with_experiments(tmp_path_factory.mktemp("experiments"))
    lock = yaml.safe_load((elsewhere.folder / "dvc.lock").read_text(encoding="utf-8"))
    names = ("download", "prepare", "split@0", "train_teacher@0-one")
    lock["stages"] = {name: lock["stages"][name] for name in names}
    for out in lock["stages"]["train_teacher@0-one"]["outs"]:
        out["md5"] = "f" * 32
    write(clone.folder / "dvc.lock", lock)
    clone.commit("from another machine")
    return Ran(clone, clone.python("-m", "erkt", "experiment", "ratio"))


@pytest.fixture
def erkt(ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return what runs a command in the clone, and returns its status, output and errors."""
    monkeypatch.chdir(ran.clone.folder)
    definition.find_preset.cache_clear()  # a process knows one repository, and no change of its files
    recorded._here.cache_clear()

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["erkt", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_row_that_fails_is_named_while_others_run_and_the_working_tree_stays(ran: Ran) -> None:
    assert ran.done.returncode == 1
    assert re.search(r"^error: download: .*lost", ran.done.stderr, flags=re.MULTILINE)
    assert re.search(r"\nerror: ratio-tiny-lost-[0-9a-f]{10}: failed", ran.done.stderr)
    executed = re.findall(r"^Running stage '([^'@]+)", ran.done.stdout, flags=re.MULTILINE)
    assert executed.count("train_teacher") == 1, "the rows share their teachers"
    assert ran.names() == ["ratio-tiny-half", "ratio-tiny-none"]
    assert ran.clone.git("status", "--porcelain") == "?? results/tiny/\n"


def test_tables_hold_what_the_runs_hold(ran: Ran, erkt: Command) -> None:
    made = (ran.clone.folder / "results/tiny/ratio.md").read_bytes()
    assert erkt("tables", "ratio") == (0, "results/tiny/ratio.md\n", "")
    assert (ran.clone.folder / "results/tiny/ratio.md").read_bytes() == made
    rows, oa = {row["row"]: row for row in ran.table("ratio")}, {}
    for name in ("half", "none"):
        oa[name] = json.loads(ran.show(f"ratio-tiny-{name}", "metrics/evaluate/0.json"))[0]["oa"]
        assert float(rows[name]["oa"]) == pytest.approx(oa[name], rel=1e-5)
    assert float(rows["none"]["difference"]) == pytest.approx(oa["none"] - oa["half"], abs=1e-4)
    assert (rows["half"]["difference"], rows["half"]["paper"]) == ("", "97.20 ± 0.08")
    assert (rows["half"]["teacher_passes"], rows["none"]["teacher_passes"]) == ("1", "0")
    assert "python -m erkt experiment ratio --preset tiny" in ran.page("ratio")
    assert "Not run: lost." in ran.page("ratio")
    assert "follow the same rule, at 98.33 %" in ran.page("ratio"), "5 / 3: three rows are planned"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'erkt[fleet]'")
def test_rows_that_a_fleet_made_are_those_of_one_process(ran: Ran, tmp_path: Path) -> None:
    clone = clone_with_experiments(tmp_path)
    words = ["-m", "erkt", "experiment", "ratio", "--fleet", "--workers", "2"]
    fleet = Ran(clone, clone.python(*words))
    assert fleet.done.returncode == 1
    (line,) = fleet.done.stderr.splitlines()[-1:]
    lost = r"error: ratio-tiny-lost-\w+: download of ratio-tiny-lost-\w+: .*lost"
    assert re.match(lost, line), fleet.done.stderr
    assert fleet.names() == ["ratio-tiny-half", "ratio-tiny-none"]
    assert "Running stage" not in fleet.done.stdout, "the rows were to be restored"
    logs = list(clone.folder.glob(".dvc/tmp/fleet/*/logs/*/*.log"))
    begun = re.findall(r"^Running stage '([^']+)'", "".join(log.read_text() for log in logs), re.MULTILINE)
    assert begun.count("train_teacher@0-one") == 1, "the rows share their teachers"
    assert begun.count("distill@0") == 2
    rows, others = (one.table("ratio") for one in (fleet, ran))
    assert [row | {"base": ""} for row in rows] == [row | {"base": ""} for row in others]
    for name in fleet.names():
        for path in ("params.yaml", "dvc.lock"):
            assert yaml.safe_load(fleet.show(name, path)) == yaml.safe_load(ran.show(name, path))
        for path in ("metrics/summary.json", "metrics/evaluate/0.json", "metrics/curves/0-student.csv"):
            assert fleet.show(name, path) == ran.show(name, path)
    assert clone.git("status", "--porcelain") == "?? results/tiny/\n"
    assert clone.git("for-each-ref", "refs/fleet") == ""
    again = clone.python(*words, "--row", "half", "--row", "none")
    assert (again.returncode, again.stdout.count("has run"), again.stderr) == (0, 2, "")


def test_a_row_that_has_run_is_skipped_though_it_ran_for_another_experiment(ran: Ran, erkt: Command) -> None:
    """Beside an experiment that is not one of this pipeline."""
    empty = ran.clone.git("hash-object", "-t", "tree", "-w", "/dev/null").strip()
    foreign = ran.clone.git("commit-tree", "-m", "foreign", empty).strip()
    head = ran.clone.git("rev-parse", "HEAD").strip()
    ran.clone.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/foreign-run", foreign)
    assert erkt("tables", "networks", "--preset", "tiny") == (0, "results/tiny/networks.md\n", "")
    for name in ("networks", "weights"):
        status, out, _ = erkt("experiment", name)
        assert status == 0
        assert re.fullmatch(rf"{name}-tiny-all-[0-9a-f]{{10}}: has run\nresults/tiny/{name}\.md\n", out)
    assert ran.names() == ["foreign", "ratio-tiny-half", "ratio-tiny-none"]
    summary = json.loads(ran.show("ratio-tiny-half", "metrics/summary.json"))
    networks = {row["network"]: row for row in ran.table("networks")}
    assert list(networks) == ["one", "ensemble", "student"]
    assert float(networks["one"]["oa"]) == pytest.approx(summary["teachers"]["one"]["oa"]["mean"], rel=1e-5)
    assert networks["student"]["paper"] == "97.20"
    weights = ran.table("weights")
    assert [(row["lead"], row["one"]) for row in weights] == [("one", "1"), ("", "1")]
    assert weights[0]["oa_by_seed"] == f"0:{summary['ensemble']['oa']['mean']:.4f}"


def test_a_curve_has_its_table_and_its_picture(ran: Ran, erkt: Command) -> None:
    status, out, _ = erkt("experiment", "curve")
    assert (status, out.count("has run"), out.splitlines()[-1]) == (0, 2, "results/tiny/curve.md")
    rows, ratio = ({row["row"]: row for row in ran.table(name)} for name in ("curve", "ratio"))
    assert rows["none"]["difference"] == ratio["none"]["difference"]
    split = yaml.safe_load(ran.show("ratio-tiny-half", "dvc.lock"))["stages"]["split@0"]["outs"]
    (md5,) = [out["md5"] for out in split if out["path"].endswith("train.txt")]
    trained = (ran.clone.folder / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}").read_text().splitlines()
    steps = 2 * len(batches(partners(0, 0, len(trained)), 0, 0, 8))  # of two epochs
    assert {row["steps"] for row in rows.values()} == {str(steps)}
    picture = ran.clone.folder / "results/tiny/curve.png"
    made = picture.read_bytes()
    assert made.startswith(b"\x89PNG")
    assert "![OA against training steps](curve.png)" in ran.page("curve")
    picture.unlink()
    assert erkt("tables", "curve") == (0, "results/tiny/curve.md\n", "")
    assert picture.read_bytes() == made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("experiment ratoi", "there is no experiment 'ratoi' in experiments; did you mean 'ratio'?"),
        ("experiment ratio --preset tinny", "there is no preset 'tinny' in presets; did you mean 'tiny'?"),
        ("tables --preset tinny", "there is no preset 'tinny' in presets; did you mean 'tiny'?"),
        ("experiment ratio --workers 2", "--workers: only with --fleet"),
        ("experiment ratio --fleet --workers 0", "--workers 0: expected 1 or more"),
        (
            "experiment ratio --fleet --address 127.0.0.1:9",
            "127.0.0.1:9: no cluster answers there; ray start --head starts one",
        ),
        ("tables table3", "no experiment has run here to its end; python -m erkt experiment NAME runs one"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_one_line(erkt: Command, words: str, message: str) -> None:
    assert erkt(*words.split()) == (1, "", f"error: {message}\n")


def test_claims_that_nothing_has_measured_are_said_to_be_open(ran: Ran, erkt: Command) -> None:
    status, out, _ = erkt("claims", "--preset", "tiny")
    assert (status, out) == (0, f"{ran.page('claims')}\nresults/tiny/claims.md\n")
    assert out.count("not run: ") == 10


def test_a_search_is_judged_on_the_validation_part_and_reads_no_test_image(ran: Ran, erkt: Command) -> None:
    assert erkt("experiment", "search", "--row", "rat")[1:] == (
        "",
        "error: experiment search: no row 'rat'; did you mean 'rate'?\n",
    )
    assert "no seed '1'" in erkt("experiment", "search", "--seed", "1")[2]
    assert erkt("experiment", "search", "--row", "rate")[0] == 0
    assert [row["row"] for row in ran.table("search")] == ["half", "rate"], "what has run is in the table"
    recorded = yaml.safe_load(ran.show("search-tiny-rate", "dvc.lock"))["stages"]
    assert recorded["distill@0"]["params"]["params.yaml"]["distill"]["recipe"]["learning_rate"] == 0.5
    assert {name.partition("@")[0] for name in recorded}.isdisjoint(
        {"evaluate", "evaluate_teacher", "summarize"}
    )
    found = {row["row"]: row for row in ran.table("search")}
    for row, run in (("half", "ratio-tiny-half"), ("rate", "search-tiny-rate")):
        curve = list(csv.DictReader(ran.show(run, "metrics/curves/0-student.csv").splitlines()))
        assert float(found[row]["oa"]) == pytest.approx(float(curve[-1]["val_oa"]), abs=1e-4)
    assert erkt("experiment", "mixes")[0] == 0
    (mixed,) = ran.table("mixes")
    swept = list(csv.DictReader(ran.show("ratio-tiny-half", "metrics/sweep/0.csv").splitlines()))
    assert float(mixed["oa"]) == pytest.approx(float(swept[0]["oa"]), abs=1e-4)


def test_a_run_that_was_not_evaluated_again_is_left_out_and_named(ran: Ran, erkt: Command) -> None:
    """A part of the pipeline run beside a commit that holds a whole run: its record lists every cell."""
    for path in ("dvc.lock", "params.yaml"):
        text = ran.show("ratio-tiny-half", path)
        (ran.clone.folder / path).write_text(text, encoding="utf-8")
    ran.clone.commit("a whole run")
    words = ["exp", "run", "--temp", "--name", "late-tiny-all-part", "--set-param", "distill.loss_ratio=1.5"]
    done = ran.clone.python("-m", "dvc", *words, "distill@0")
    assert done.returncode == 0, done.stderr
    status, out, _ = erkt("tables", "late")
    assert status == 1
    (line,) = [line for line in out.splitlines() if line.startswith("left out: late-tiny-all-part: ")]
    assert "evaluate@0 read another data/students/0 than distill@0 made" in line


def test_code_that_changes_while_a_row_runs_ends_the_experiment_before_the_next(
    ran: Ran, erkt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC would run what lies here then, and say that it was this commit."""
    file = ran.clone.folder / "erkt/losses/dist.py"
    before, begun = file.read_text(encoding="utf-8"), []

    def change(name: str, *_: object) -> bool:
        begun.append(name)
        file.write_text(before + "# changed\n", encoding="utf-8")
        return False

    monkeypatch.setattr("erkt.pipeline.commands.experiment.run_params", change)
    try:
        status, _, said = erkt("experiment", "ratio")
    finally:
        file.write_text(before, encoding="utf-8")
    assert (status, len(begun)) == (1, 1)
    assert re.search(r"^error: erkt/losses/dist.py: not as in commit ", said, flags=re.MULTILINE)


def test_runs_of_other_code_are_left_out_and_named(ran: Ran, erkt: Command) -> None:
    file = ran.clone.folder / "erkt/losses/dist.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + "# changed\n", encoding="utf-8")
    status, _, refused = erkt("experiment", "ratio")
    assert status == 1
    assert refused.startswith("error: erkt/losses/dist.py: not as in commit ")
    ran.clone.commit("another loss")
    _, out, said = erkt("tables", "ratio")
    assert said.startswith("error: no experiment has run here")
    assert re.search(r"left out: ratio-tiny-half-\w+: distill@0 ran with another erkt/losses/dist\.py", out)


@pytest.mark.slow
def test_a_quick_run_stays_apart_from_the_real_one(ran: Ran) -> None:
    page = ran.clone.folder / "results/tiny/networks.md"
    before = page.read_bytes() if page.is_file() else None
    done = ran.clone.python("-m", "erkt", "experiment", "networks", "--quick")
    assert done.returncode == 0, done.stderr
    assert "results/tiny/quick/networks.md" in done.stdout
    assert "its numbers mean nothing" in (page.parent / "quick/networks.md").read_text(encoding="utf-8")
    assert (page.read_bytes() if page.is_file() else None) == before
    done = ran.clone.python("-m", "erkt", "claims", "--preset", "tiny", "--quick")
    assert done.returncode == 0, done.stderr
    assert (page.parent / "quick/claims.md").is_file()


@pytest.mark.slow
def test_runs_of_other_code_run_again_from_where_they_differ(ran: Ran) -> None:
    file = ran.clone.folder / "erkt/losses/dist.py"
    file.write_text(file.read_text(encoding="utf-8") + "# changed again\n", encoding="utf-8")
    ran.clone.commit("a third loss")
    done = ran.clone.python("-m", "erkt", "experiment", "weights")
    executed = set(re.findall(r"^Running stage '([^']+)'", done.stdout, flags=re.MULTILINE))
    assert executed == {"distill@0"}, "the student is the same, so what follows is restored"
