"""``python -m erkt experiment`` and ``tables`` on a tiny protocol, through DVC."""

import csv
import io
import json
import re
import shutil
from typing import Any

import pytest
import yaml
from clone import Clone, finished_clone

PLAN: dict[str, Any] = {
    "title": "a ratio",
    "source": "Table 0",
    "compares": "students",
    "presets": ["tiny"],
    "seeds": [0],
    "set": {},
    "rows": {
        "half": {"label": "R = 0.5", "set": {"distill.loss_ratio": 0.5}},
        "none": {"label": "R = 2", "set": {"distill.loss_ratio": 2.0}},
        "lost": {
            "label": "lost",
            "set": {"student.weights.source": "file", "student.weights.location": "lost"},
        },
    },
    "reference": "half",
    "paper": {"tiny": {"half": "97.20 ± 0.08"}},
}


def write(clone: Clone, name: str, plan: dict[str, Any]) -> None:
    path = clone.folder / f"experiments/{name}.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made, _ = finished_clone(tmp_path_factory)
    preset = yaml.safe_dump(made.params | {"tracking": {"enabled": False, "experiment": "e"}})
    (made.folder / "presets/tiny.yaml").write_text(preset, encoding="utf-8")
    write(made, "ratio", PLAN)
    networks = {"rows": {"all": {"label": "", "set": {"distill.loss_ratio": 0.5}}}, "reference": None}
    paper = {"paper": {"tiny": {"student": "97.20"}}}
    write(made, "networks", PLAN | networks | paper | {"compares": "networks"})
    write(made, "weights", PLAN | networks | {"compares": "weights", "paper": {}})
    made.commit("experiments")
    return made


def names(clone: Clone) -> list[str]:
    listed = clone.git("for-each-ref", "--format=%(refname:lstrip=-1)", "refs/exps/*/*/*")
    return sorted(name.rpartition("-")[0] for name in listed.split())


def at(clone: Clone, name: str, path: str) -> str:
    """Return a file of a row's run, as git holds it."""
    listed = clone.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/*/*/*").splitlines()
    (commit,) = [line.split()[0] for line in listed if f"/{name}-" in line]
    return clone.git("show", f"{commit}:{path}")


def test_rows_run_once_a_row_that_fails_is_named_and_the_working_tree_stays(clone: Clone) -> None:
    done = clone.python("-m", "erkt", "experiment", "ratio")
    assert done.returncode == 1
    assert re.search(r"error: distill@0: .*lost: .*read from \.safetensors files alone", done.stderr)
    assert re.search(r"\nerror: ratio-tiny-lost-[0-9a-f]{10}: failed", done.stderr)
    executed = re.findall(r"^Running stage '([^'@]+)", done.stdout, flags=re.MULTILINE)
    assert "train_teacher" not in executed, "the rows share the teachers that are there"
    assert names(clone) == ["ratio-tiny-half", "ratio-tiny-none"]
    assert clone.git("status", "--porcelain") == "?? results/tiny/\n"


def test_a_second_time_runs_nothing_and_a_row_of_another_experiment_counts(clone: Clone) -> None:
    """Beside an experiment that is not one of this pipeline."""
    empty = clone.git("hash-object", "-t", "tree", "-w", "/dev/null").strip()
    foreign = clone.git("commit-tree", "-m", "foreign", empty).strip()
    head = clone.git("rev-parse", "HEAD").strip()
    clone.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/foreign-run", foreign)
    for name in ("networks", "weights"):
        done = clone.python("-m", "erkt", "experiment", name)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"results/tiny/{name}.md"), done.stderr
        assert re.search(rf"{name}-tiny-all-[0-9a-f]{{10}}: has run", done.stdout)
        assert "Running stage" not in done.stdout
    assert names(clone) == ["foreign", "ratio-tiny-half", "ratio-tiny-none"]


def test_the_tables_hold_what_the_runs_hold(clone: Clone) -> None:
    shutil.rmtree(clone.folder / "results/tiny")
    done = clone.python("-m", "erkt", "tables")
    assert (done.returncode, done.stdout) == (0, "results/tiny/ratio.md\n"), done.stderr
    made = clone.folder / "results/tiny"
    rows = {row["row"]: row for row in csv.DictReader(io.StringIO((made / "ratio.csv").read_text()))}
    oa = {}
    for name in ("half", "none"):
        oa[name] = json.loads(at(clone, f"ratio-tiny-{name}", "metrics/evaluate/0.json"))[0]["oa"]
        assert float(rows[name]["oa"]) == pytest.approx(oa[name], rel=1e-5)
    assert float(rows["none"]["difference"]) == pytest.approx(oa["none"] - oa["half"], abs=1e-4)
    assert (rows["half"]["difference"], rows["half"]["paper"]) == ("", "97.20 ± 0.08")
    assert (rows["half"]["teacher_passes"], rows["none"]["teacher_passes"]) == ("1", "0")
    text = (made / "ratio.md").read_text(encoding="utf-8")
    assert "python -m erkt experiment ratio --preset tiny" in text
    assert "Not run: lost." in text


def test_networks_and_weights_are_those_of_the_run(clone: Clone) -> None:
    done = clone.python("-m", "erkt", "tables", "networks", "weights", "--preset", "tiny")
    assert "no experiment has run here" in done.stderr, "asked for, but neither run nor made here"
    for name in ("networks", "weights"):
        clone.python("-m", "erkt", "experiment", name)
    text = (clone.folder / "results/tiny/networks.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\w+) \|", text, flags=re.MULTILINE) == [
        "network",
        "one",
        "two",
        "ensemble",
        "student",
    ]
    ensemble = json.loads(at(clone, "ratio-tiny-half", "metrics/evaluate/0.json"))[1]
    with (clone.folder / "results/tiny/weights.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 + 9 + 11, "eq. 14's line for each teacher in the lead, and the simplex"
    weights = ensemble["weights"]
    same = [row for row in rows if all(float(row[name]) == weights[name] for name in weights)]
    assert {row["oa_by_seed"] for row in same} == {f"0:{ensemble['oa']:.4f}"}


def test_runs_of_other_code_are_left_out_and_run_again_from_where_they_differ(clone: Clone) -> None:
    file = clone.folder / "erkt/losses/dist.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + "# changed\n", encoding="utf-8")
    refused = clone.python("-m", "erkt", "experiment", "ratio")
    assert refused.returncode == 1
    assert "error: erkt/losses/dist.py: not as in commit" in refused.stderr
    clone.commit("another loss")
    tables = clone.python("-m", "erkt", "tables", "ratio")
    assert "error: no experiment has run here" in tables.stderr
    assert re.search(
        r"left out: ratio-tiny-half-\w+: distill@0 ran with another erkt/losses/dist\.py", tables.stdout
    )
    done = clone.python("-m", "erkt", "experiment", "weights")
    executed = set(re.findall(r"^Running stage '([^']+)'", done.stdout, flags=re.MULTILINE))
    assert executed == {"distill@0"}, "the student is the same, so what follows is restored"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiment", "ratoi"], "there is no experiment 'ratoi' in experiments; did you mean 'ratio'?"),
        (
            ["experiment", "ratio", "--preset", "tinny"],
            "there is no preset 'tinny' in presets; did you mean 'tiny'?",
        ),
        (
            ["tables", "table3"],
            "no experiment has run here to its end; python -m erkt experiment NAME runs one",
        ),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_one_line(clone: Clone, words: list[str], message: str) -> None:
    done = clone.python("-m", "erkt", *words)
    assert (done.returncode, done.stderr) == (1, f"error: {message}\n")


def test_claims_that_nothing_has_measured_are_said_to_be_open(clone: Clone) -> None:
    done = clone.python("-m", "erkt", "claims", "--preset", "tiny")
    assert done.returncode == 0, done.stderr
    text = (clone.folder / "results/tiny/claims.md").read_text(encoding="utf-8")
    assert text.count("not run: ") == 10
    assert done.stdout == f"{text}\nresults/tiny/claims.md\n"
