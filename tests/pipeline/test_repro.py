"""The DAG, by real ``dvc repro`` in a temporary clone. One clone serves all tests of this file, in order."""

import copy
import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clone import Clone, finished_clone

from erkt.files.json_file import read_sealed, write_sealed

TEACHERS = ("one", "two")
STUDENT = {"distill@0", "evaluate@0", "summarize"}
LEAVES = {"measure@0", "draw@0", "stress@0", "export@0", "report"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made, executed = finished_clone(tmp_path_factory)
    per_teacher = ("train_teacher@0-{}", "evaluate_teacher@0-{}", "cache_logits@0-{}-0")
    assert executed == {
        *("download", "prepare", "split@0", "search_weights@0"),
        *STUDENT,
        *LEAVES,
        *(name.format(teacher) for name in per_teacher for teacher in TEACHERS),
    }
    return made


def test_nothing_changed_reruns_nothing_and_leaves_git_clean(clone: Clone) -> None:
    assert clone.repro() == set()
    assert clone.git("status", "--porcelain") == ""


def test_the_summary_has_its_numbers_and_follows_from_the_predictions(clone: Clone) -> None:
    summary = json.loads((clone.folder / "metrics/summary.json").read_text())
    with (clone.folder / "metrics/predictions/0.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28
    for who in ("student", "ensemble"):
        right = sum(row["actual"] == row[who] for row in rows)
        assert summary[who]["oa"]["mean"] == pytest.approx(100 * right / len(rows))
        assert summary[who]["oa"]["std"] is None
        assert summary[who]["oa"]["runs"] == 1
    assert set(summary["teachers"]) == set(TEACHERS)
    weights = json.loads((clone.folder / "data/teaching/0/ensemble.json").read_text())["weights"]
    members = [summary["teachers"][name]["parameters"] for name in TEACHERS if weights[name] > 0]
    assert summary["ensemble"]["parameters"] == sum(members)
    gap = summary["ensemble"]["oa"]["mean"] - summary["student"]["oa"]["mean"]
    assert summary["gap"]["mean"] == pytest.approx(gap)


def test_distill_and_measure_say_how_often_the_teachers_are_right(clone: Clone) -> None:
    """On all images of the one view, so that both asked the same, in batches of the same size."""
    names = ("teacher_oa_views", "teacher_oa_views_either", "teacher_oa_whole")
    (record,) = json.loads((clone.folder / "metrics/measure/0.json").read_text())
    sidecar = json.loads((clone.folder / "metrics/environment/distill-0.json").read_text())
    found = [record[name] for name in names]
    assert [sidecar["facts"][name] for name in names] == pytest.approx(found)
    assert 0 <= found[0] <= found[1] <= 100


def test_the_sweep_on_the_test_part_is_made_where_asked_for_by_evaluate_alone(clone: Clone) -> None:
    path = clone.folder / "metrics/test_sweep/0.csv"
    assert path.read_text() == "lead,one,two,oa,nll\n"
    ensemble = json.loads((clone.folder / "metrics/evaluate/0.json").read_text())[1]
    assert clone.change(lambda params: params.update(report={"test_sweep": True})) == {
        "evaluate@0",
        "summarize",
    }
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["lead"] for row in rows] == ["one"] * 9 + ["two"] * 9 + [""] * 11
    weights = ensemble["weights"]
    chosen = [row for row in rows if all(float(row[name]) == weights[name] for name in TEACHERS)]
    assert chosen
    assert [float(row["oa"]) for row in chosen] == pytest.approx([ensemble["oa"]] * len(chosen), rel=1e-5)
    clone.change(lambda params: params.update(report={"test_sweep": False}))
    assert path.read_text() == "lead,one,two,oa,nll\n"
    clone.git("checkout", "--", "metrics/environment")  # which says what ran here last
    assert clone.git("status", "--porcelain") == ""


def test_tracking_and_device_settings_rerun_nothing(clone: Clone) -> None:
    def set_to(experiment: str, inference_batch: int, images: str) -> set[str]:
        def change(params: dict) -> None:
            params["tracking"]["experiment"] = experiment
            params["runtime"]["inference_batch"] = inference_batch
            params["runtime"] |= {"images": images, "deterministic": images == "auto"}

        return clone.change(change)

    assert set_to("another", 16, "host") == set()
    # Back again: on some CPUs another batch rounds otherwise, and what follows compares bytes.
    assert set_to("erkt", 8, "auto") == set()


def test_recomputing_keeps_every_bit_and_another_runtime_is_recorded(clone: Clone) -> None:
    student = (clone.folder / "data/students/0/weights.safetensors").read_bytes()
    block = clone.folder / "data/teaching/0/one/0"
    logits, before = np.load(block / "logits.npy").astype(float), dict(clone.params["runtime"])
    clone.params["runtime"] |= {"recompute": True, "caching": "onnx"}
    clone.write_params()
    for stage in (
        ["distill", "--seed", "0"],
        ["cache_logits", "--seed", "0", "--teacher", "one", "--block", "0"],
    ):
        done = clone.python("-m", "erkt", "stage", *stage, ERKT_INFLIGHT=str(clone.folder / ".inflight/own"))
        assert done.returncode == 0, done.stderr
    assert (clone.folder / "data/students/0/weights.safetensors").read_bytes() == student
    assert json.loads((block / "manifest.json").read_text())["versions"]["caching"] == "onnx"
    np.testing.assert_allclose(np.load(block / "logits.npy"), logits, rtol=0, atol=1e-3 * logits.std())
    clone.params["runtime"] = before
    clone.write_params()
    clone.repro()
    clone.git("checkout", "--", "metrics/environment")  # of the runs by hand
    assert clone.git("status", "--porcelain") == ""


SPY = """
import json, os, runpy, sys, tempfile
import erkt.training.engine  # once for all stages, each of which runs in a fork

def refuse(event, arguments):
    reads = event == "open" and "w" not in str(arguments[1])
    if reads and str(arguments[0]).endswith("test.txt"):
        raise RuntimeError("test list opened")

for words in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            sys.addaudithook(refuse)
            sys.argv = ["erkt", "stage", *words]
            runpy.run_module("erkt", run_name="__main__", alter_sys=False)
            sys.exit(9)  # the command ends by itself
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        print(json.dumps([words[0], status, said.read().decode()]), flush=True)  # else forks print it again
"""


def test_the_test_list_is_opened_by_the_two_evaluate_stages_alone(clone: Clone) -> None:
    """Every stage runs under a hook that refuses the test list; evaluating ones must fail."""
    coordinates = {
        "train_teacher": ["--seed", "0", "--teacher", "one"],
        "search_weights": ["--seed", "0"],
        "cache_logits": ["--seed", "0", "--teacher", "one", "--block", "0"],
        "distill": ["--seed", "0"],
        "summarize": [],
        "evaluate_teacher": ["--seed", "0", "--teacher", "one"],
        "evaluate": ["--seed", "0"],
        "measure": ["--seed", "0"],
        "draw": ["--seed", "0"],
        "export": ["--seed", "0"],
        "stress": ["--seed", "0"],
        "report": [],
    }
    before = clone.outputs()
    done = clone.python("-c", SPY, json.dumps([[stage, *cell] for stage, cell in coordinates.items()]))
    ran = [json.loads(line) for line in done.stdout.splitlines()]
    assert [stage for stage, _, _ in ran] == list(coordinates), done.stderr
    for stage, status, said in ran:
        refused = "test list opened" in said
        assert refused == stage.startswith("evaluate"), f"{stage}: {said}"
        assert (status == 0) == (not refused), f"{stage}: {said}"
    assert clone.outputs() == before, "a second run of a stage made other bytes"
    assert clone.repro() == set()


HEARD = """
import json, runpy, sys
from erkt.params.schema import as_dict
from erkt.training import engine
def heard(model, data, objective, **options):
    plain = {name: options[name] for name in ("averaging", "graphs", "recompute") if name in options}
    plain |= {name: as_dict(options[name]) for name in ("recipe", "resizing") if name in options}
    finish = {"share": data.finish.share, "per_block": data.finish.per_block} if data.finish else None
    print(json.dumps(plain | {"views": as_dict(data.settings), "finish": finish, "count": data.views}))
    sys.exit(3)
engine.fit = heard
sys.argv = ["erkt", "stage", *sys.argv[1:]]
runpy.run_module("erkt", run_name="__main__")
"""


def told(clone: Clone, *stage: str) -> dict[str, Any]:
    """Return what a stage asks of the training loop, which does not run."""
    clone.write_params()
    own = str(clone.folder / ".inflight/told")
    done = clone.python("-c", HEARD, *stage, ERKT_INFLIGHT=own)
    assert done.returncode == 3, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_setting_of_training_reaches_the_loop(clone: Clone) -> None:
    own, clone.params = clone.params, copy.deepcopy(clone.params)
    try:
        every_setting(clone)
    finally:
        clone.params = own
        clone.write_params()


def every_setting(clone: Clone) -> None:
    teacher, distill = clone.params["teachers"]["one"], clone.params["distill"]
    teacher["views"] = {"cutmix": {"p": 1.0}}
    distill |= {"averaging": 0.5, "resizing": {"first_side": 16, "full_after": 0.5}, "loss": "none"}
    clone.params["runtime"]["recompute"] = True
    asked = told(clone, "train_teacher", "--seed", "0", "--teacher", "one")
    assert asked["views"] == clone.params["base"] | {"cutmix": {"p": 1.0}}
    assert (asked["recipe"], asked["recompute"], asked["finish"]) == (teacher["recipe"], True, None)
    assert not asked["graphs"]
    clone.params["runtime"] |= {"recompute": False, "graphs": True}  # which exclude each other
    asked = told(clone, "train_teacher", "--seed", "0", "--teacher", "one")
    assert (asked["recompute"], asked["graphs"]) == (False, True)
    clone.params["cache"]["views_per_block"], distill["finish"] = 2, 0.5
    asked = told(clone, "distill", "--seed", "0")
    assert asked == {
        "averaging": 0.5,
        "resizing": distill["resizing"],
        "recompute": False,
        "graphs": True,
        "recipe": distill["recipe"],
        "views": clone.params["vsm"],
        "finish": {"share": 0.5, "per_block": 2},
        "count": 2,
    }


def test_the_loss_ratio_reruns_the_student_alone(clone: Clone) -> None:
    executed = clone.change(lambda params: params["distill"].update(loss_ratio=0.5))
    assert executed == STUDENT


def test_a_ratio_of_two_trains_without_reading_the_teachers(clone: Clone) -> None:
    executed = clone.change(lambda params: params["distill"].update(loss_ratio=2.0))
    assert executed == STUDENT
    curves = (clone.folder / "metrics/curves/0-student.csv").read_text().splitlines()[0]
    assert "distillation" not in curves


def test_one_teachers_recipe_reruns_that_teacher_and_what_follows(clone: Clone) -> None:
    def change(params: dict) -> None:
        params["distill"]["loss_ratio"] = 1.0
        params["teachers"]["one"]["recipe"]["learning_rate"] = 0.02

    assert clone.change(change) == {
        "train_teacher@0-one",
        "evaluate_teacher@0-one",
        "cache_logits@0-one-0",
        "search_weights@0",
        *STUDENT,
    }


def test_the_teachers_precision_on_views_reruns_what_stores_or_reads_their_logits(clone: Clone) -> None:
    stored = "data/teaching/0/one/0/logits.npy"
    before = clone.outputs()[stored]
    cache = {f"cache_logits@0-{teacher}-0" for teacher in TEACHERS}
    assert clone.change(lambda params: params["cache"].update(precision="bf16")) == cache | STUDENT
    assert clone.outputs()[stored] != before
    done = clone.python("-m", "erkt", "verify", "--views", "1", "--pairs", "4")
    assert done.returncode == 0, done.stderr
    clone.params["cache"]["precision"] = "fp32"  # which the stored ones are not
    clone.write_params()
    done = clone.python("-m", "erkt", "verify")
    assert done.returncode == 1
    assert "made from other precision" in done.stderr
    assert clone.change(lambda params: params["cache"].update(precision="fp32")) == set()
    assert clone.outputs()[stored] == before


def test_finishing_views_are_the_same_wherever_they_are_made(clone: Clone) -> None:
    """Distilling refuses logits of other views, and both commands make the views themselves."""

    def change(params: dict) -> None:
        params["cache"]["views_per_block"], params["distill"]["finish"] = 2, 0.5

    before = {name: clone.params[name] | {} for name in ("cache", "distill")}
    cache = {f"cache_logits@0-{teacher}-0" for teacher in TEACHERS}
    assert clone.change(change) == cache | STUDENT
    done = clone.python("-m", "erkt", "stage", "measure", "--seed", "0")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads((clone.folder / "metrics/measure/0.json").read_text())
    assert record["views"] == 2
    done = clone.python("-m", "erkt", "verify", "--views", "2", "--pairs", "4")
    assert done.returncode == 0, done.stderr
    clone.git("checkout", "--", "metrics/measure")
    assert clone.change(lambda params: params.update(before)) == set()


def test_one_more_block_computes_that_block_alone(clone: Clone) -> None:
    first = {name: data for name, data in clone.outputs().items() if name.startswith("data/teaching/0/one/0")}
    executed = clone.change(lambda params: params["cache"].update(blocks=[0, 1]))
    blocks = {f"cache_logits@0-{teacher}-1" for teacher in TEACHERS}
    assert executed == blocks | STUDENT
    outputs = clone.outputs()
    assert first == {name: outputs[name] for name in first}
    assert outputs["data/teaching/0/one/0/logits.npy"] != outputs["data/teaching/0/one/1/logits.npy"]


def test_no_blocks_run_the_teachers_online_and_leave_no_stale_block(clone: Clone) -> None:
    """Evaluate is skipped where the student is the cached one to the last bit."""
    executed = clone.change(lambda params: params["cache"].update(blocks=[]))
    assert "distill@0" in executed
    assert executed <= STUDENT
    assert not list((clone.folder / "data/teaching/0").rglob("logits.npy"))
    assert clone.repro() == set()
    done = clone.python("-m", "erkt", "verify")
    assert "cache.blocks is empty: the teachers run online" in done.stderr
    done = clone.python("-m", "erkt", "stage", "measure", "--seed", "0")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads((clone.folder / "metrics/measure/0.json").read_text())
    assert record["views"] == 5
    clone.git("checkout", "--", "metrics/measure")


def test_what_was_made_before_comes_back_without_running(clone: Clone) -> None:
    def change(params: dict) -> None:
        params["cache"]["blocks"] = [0]
        params["teachers"]["one"]["recipe"]["learning_rate"] = 0.01

    assert clone.change(change) == set()


def test_every_cell_has_a_key_of_its_own(clone: Clone) -> None:
    sidecars = list((clone.folder / "metrics/environment").iterdir())
    assert len(sidecars) >= 13
    assert len({json.loads(path.read_text())["inputs"] for path in sidecars}) == len(sidecars)


def test_stale_files_do_not_enter_a_key(clone: Clone) -> None:
    sidecar = clone.folder / "metrics/environment/search_weights-0.json"
    stale = clone.folder / "data/teachers/0/stale"
    keys = []
    for there in (False, True):
        if there:
            stale.mkdir()
            (stale / "file").write_text("left behind")
        done = clone.python("-m", "erkt", "stage", "search_weights", "--seed", "0")
        assert done.returncode == 0, done.stderr
        assert ("removing data/teachers/0/stale" in done.stderr) == there
        keys.append(json.loads(sidecar.read_text())["inputs"])
    assert not stale.exists()
    assert keys[0] == keys[1]


def test_bad_params_stop_every_stage_in_one_line(clone: Clone) -> None:
    path = clone.folder / "params.yaml"
    good = path.read_text()
    try:
        path.write_text(good.replace("loss_ratio", "los_ratio"))
        done = clone.python("-m", "erkt", "stage", "split", "--seed", "0")
        path.write_text("a: [")
        broken = clone.python("-m", "erkt", "stage", "split", "--seed", "0")
    finally:
        path.write_text(good)
    assert done.returncode == broken.returncode == 1
    message = "error: split@0: params.yaml.distill: unknown key 'los_ratio'; did you mean 'loss_ratio'?\n"
    assert done.stderr == message
    assert broken.stderr.startswith("error: split@0: params.yaml: is not YAML")
    assert broken.stderr.count("\n") == 1


def test_verify_accepts_the_cache_and_summary_prints_the_table(clone: Clone) -> None:
    done = clone.python("-m", "erkt", "verify", "--views", "1", "--pairs", "4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("logits differ by at most") == len(TEACHERS)
    shown = clone.python("-m", "erkt", "summary")
    assert "ensemble of teachers" in shown.stdout


def test_verify_refuses_logits_that_the_teachers_do_not_have(clone: Clone) -> None:
    done = clone.python("-m", "erkt", "verify", "--views", "0")
    assert "--views and --pairs must be at least 1" in done.stderr
    block = clone.folder / "data/teaching/0/one/0"
    own = {path: path.read_bytes() for path in (block / "logits.npy", block / "manifest.json")}
    logits = np.load(block / "logits.npy")
    facts = read_sealed(block / "manifest.json")
    for path in own:
        path.unlink()
    np.save(block / "logits.npy", np.ascontiguousarray(logits[..., ::-1]))
    digest = hashlib.sha256((block / "logits.npy").read_bytes()).hexdigest()
    write_sealed(block / "manifest.json", facts | {"sha256": digest})
    done = clone.python("-m", "erkt", "verify", "--views", "1", "--pairs", "4")
    assert done.returncode == 1
    assert "error: stored logits differ by" in done.stderr
    for path, data in own.items():
        path.write_bytes(data)


def test_logits_of_another_teacher_are_refused_by_distill(clone: Clone) -> None:
    manifest = clone.folder / "data/teachers/0/one/manifest.json"
    good = manifest.read_text()
    facts = json.loads(good)
    manifest.chmod(0o644)
    try:
        manifest.write_text(json.dumps(facts | {"sha256": "0" * 64}))
        done = clone.python("-m", "erkt", "stage", "distill", "--seed", "0")
    finally:
        manifest.write_text(good)
    assert done.returncode == 1
    place = Path("data/teaching/0/one/0")
    assert (
        done.stderr.splitlines()[-1]
        == f"error: distill@0: {place}: made from other teacher; rerun cache_logits"
    )
