"""The prepared command, end to end on the CPU: three parts, few small files, and one line for what is wrong.

It runs where importing DVC, MLflow and others raises, as on a machine that lacks them.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from closure import ROOT

from benchmarks.day.places import BYTES, FILES
from erkt.scenes.archive import write_archive

LACKING = (
    "dvc,dvc_data,mlflow,kornia,onnxruntime,pandas,imagehash,pytorch_grad_cam,psutil,requests,ruamel,cpuinfo,"
    "pytest_benchmark"
)
SEEDS = (0, 1)
CHECKS = {"views 32 px", "loss dist", "step fp32, gradient", "resume after SIGKILL", "memory, distill"}
ROWS = {
    "step",
    "graphs",
    "graphs step",
    "epoch",
    "total",
    "vsm",
    "vsm workers",
    "plain",
    "loss",
    "infer eager",
}


def day(out: Path, *options: str, lacking: str = LACKING) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PY": sys.executable,
        "PYTHONPATH": str(ROOT / "tests/without"),
        "WITHOUT": lacking,
        "OMP_NUM_THREADS": "1",
    }
    command = ["sh", str(ROOT / "benchmarks/device_day.sh"), str(out), "--device", "cpu", *options]
    return subprocess.run(
        command, env=environment, cwd=out.parent, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "scenes.zip"
    write_archive(path, per_class=5, side=32, seed=0)
    return path


@pytest.fixture(scope="module")
def out(archive: Path) -> Path:
    folder = archive.parent / "out"
    options = ["--data", archive.name, "--preset", "scenes", "--toy", "--epochs", "2", "--views", "2"]
    done = day(folder, *options, "--seeds", *map(str, SEEDS), "--budget", "600")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def read(path: Path) -> list[dict[str, object]]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_what_comes_back_is_few_small_files_without_images_or_weights(out: Path) -> None:
    files = {path.name: path.stat().st_size for path in out.rglob("*")}
    assert len(files) == FILES
    assert max(files.values()) < BYTES
    assert {name.rpartition(".")[2] for name in files} == {"json", "csv", "md", "parquet"}


def test_the_device_is_compared_with_the_cpu(out: Path) -> None:
    checks = {check["name"]: check for check in read(out / "equivalence.json")}
    assert checks.keys() >= CHECKS
    assert [name for name, check in checks.items() if not check["kept"]] == []
    assert checks["resume after SIGKILL"]["note"] == "the same bits"


def test_rows_of_the_benchmarks_and_what_bounds_a_step_are_measured(out: Path) -> None:
    assert {row["name"] for row in read(out / "bench-cpu.json")} == ROWS
    rates = json.loads((out / "rates.json").read_text(encoding="utf-8"))
    bare, cached = rates["steps"]
    assert bare["operations"] == cached["operations"] > 0
    assert cached["operators"] > bare["operators"] > 0


def test_table_9_has_every_row_and_seed_with_its_curve_and_predictions(out: Path) -> None:
    table = json.loads((out / "table9.json").read_text(encoding="utf-8"))
    assert (table["length"]["epochs"], table["length"]["asked"]) == (2, 2)
    assert table["differences"].keys() == {"base", "dist"}
    students = [network for network in table["networks"] if network["kind"] == "student"]
    assert {(one["network"], one["seed"]) for one in students} == {
        (row, seed) for row in ("base", "dist", "erkt") for seed in SEEDS
    }
    with (out / "table9-curves.csv").open(encoding="utf-8", newline="") as file:
        curves = [row for row in csv.DictReader(file) if row["network"] == "erkt"]
    assert [(row["seed"], row["epoch"]) for row in curves] == [
        (str(seed), str(epoch)) for seed in SEEDS for epoch in (1, 2)
    ]
    predicted = pq.read_table(out / "table9-predictions.parquet").to_pylist()
    for one in students:
        own = [row for row in predicted if (row["network"], row["seed"]) == (one["network"], one["seed"])]
        assert len(own) == 28  # two of five images of each of 14 classes
        hits = [row["actual"] == row["predicted"] for row in own]
        assert one["oa"] == pytest.approx(100 * np.mean(hits))


def test_the_summary_names_the_parts(out: Path) -> None:
    state = json.loads((out / "day.json").read_text(encoding="utf-8"))
    assert {name: part["state"] for name, part in state["parts"].items()} == {
        "equivalence": "done", "speed": "done", "table9": "done",
    }  # fmt: skip
    assert state["machine"]["packages"]["kornia"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "nowhere.zip"], "nowhere.zip: no such archive"),
        (["--data", "scenes.zip"], "no preset is known for this name"),
        (["--data", "scenes.zip", "--preset", "scene"], "did you mean 'scenes'?"),
        (["--data", "scenes.zip", "--preset", "aid100"], "sha256 is"),
        (["--data", "scenes.zip", "--preset", "scenes", "--rows", "dis"], "did you mean 'dist'?"),
        (["--data", "scenes.zip", "--preset", "scenes", "--weights", "no"], "no such folder (--weights)"),
        (["--data", "scenes.zip", "--preset", "scenes", "--seeds", "1", "1"], "--seeds: each once"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_runs(archive: Path, options: list[str], said: str) -> None:
    done = day(archive.parent / "other", *options)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (archive.parent / "other").exists()


@pytest.mark.slow
def test_a_part_that_fails_leaves_the_others_alone_and_is_named(archive: Path) -> None:
    folder = archive.parent / "failing"
    done = day(folder, "--toy", "--parts", "speed", "--budget", "600", lacking=f"{LACKING},pytest")
    assert done.returncode == 1
    state = json.loads((folder / "day.json").read_text(encoding="utf-8"))
    assert "pytest" in state["parts"]["speed"]["error"]
    assert json.loads((folder / "rates.json").read_text(encoding="utf-8"))["steps"]
    assert "| speed | in part |" in (folder / "summary.md").read_text(encoding="utf-8")
