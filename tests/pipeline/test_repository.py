"""What documents claim about the repository holds."""

import os
import re
import subprocess
import sys

import pytest
from closure import ROOT

from benchmarks import rows, scale
from erkt.files.json_file import read_json, read_records

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/team.md",
    "docs/performance.md",
    "docs/scale.md",
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:erkt|stages|presets|experiments|benchmarks|tests|docs|results|metrics|data)/[\w./-]*)`", text
    )
    named += re.findall(r"\]\(((?!http)[^)#]+)\)", text)
    made = ("data/", "metrics/environment")
    missing = [path for path in named if not (ROOT / path).exists() and not path.startswith(made)]
    assert missing == []


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    for document in DOCUMENTS:
        named = set(re.findall(r"make ([a-z-]+)", (ROOT / document).read_text(encoding="utf-8")))
        assert named - targets - {"sure", "it"} == set(), document


def test_estimates_are_those_of_the_measured_units() -> None:
    units = read_json(ROOT / "metrics/units-cpu.json")
    assert scale.table(units) in (ROOT / "docs/scale.md").read_text(encoding="utf-8")


def test_the_table_of_ratios_is_that_of_the_measured_rows() -> None:
    measured = rows.read(ROOT / "metrics/bench-cpu.json")
    printed = f"{rows.table(measured)}\n{rows.machine(measured)}"
    assert printed in (ROOT / "docs/performance.md").read_text(encoding="utf-8")


def test_the_aims_that_were_missed_are_named_with_their_figures() -> None:
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    missed = text.partition("## Aims that were missed")[2].partition("\n## ")[0]
    for row in rows.read(ROOT / "metrics/bench-cpu.json"):
        if row.name == "vsm" and row.aim is not None and row.ratio < row.aim:
            assert f"{row.ratio:.2f}" in missed
        if row.name == "infer eager" or (row.against.startswith("onnx student, eager") and row.batch == 1):
            assert f"{row.ratio:.2f}" in missed
    shares = read_json(ROOT / "metrics/shares-cpu.json")
    named = [shares["256"][name] for name in ("jitter", "rotate_and_flip", "rest")]
    assert "{:.0%}, {:.0%} and {:.0%} at".format(*named).replace("%", " %") in " ".join(missed.split())


def test_the_demos_time_and_accuracy_are_those_measured() -> None:
    text = " ".join((ROOT / "docs/performance.md").read_text(encoding="utf-8").split())
    pairs = read_records(ROOT / "metrics/demo-turns.json")
    taken = [f"{pair['now']['seconds']:.0f} s beside {pair['before']['seconds']:.0f} s" for pair in pairs]
    assert ", ".join(taken) in text
    (accuracies,) = {
        tuple(pair[when][name] for name in ("student", "ensemble") for when in ("now", "before"))
        for pair in pairs
    }
    assert "student's OA is {}, was {} %; the ensemble's {}, was {} %".format(*accuracies) in text


def test_every_must_on_a_cpu_is_reached() -> None:
    assert [row.name for row in rows.read(ROOT / "metrics/bench-cpu.json") if not row.reached] == []


def test_the_library_imports_without_dvc_and_mlflow() -> None:
    """A fresh interpreter in which both names cannot be imported loads every module of the library."""
    script = (
        "import importlib, pkgutil, sys\n"
        "sys.modules['dvc'] = sys.modules['mlflow'] = None\n"
        "import erkt\n"
        "for module in pkgutil.walk_packages(erkt.__path__, 'erkt.'):\n"
        "    if not module.name.startswith(('erkt.cli', 'erkt.__main__')):\n"
        "        importlib.import_module(module.name)\n"
        "print('fine')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "fine", done.stderr


def test_only_the_pipeline_and_the_command_line_know_params_and_arguments() -> None:
    for file in (ROOT / "erkt").rglob("*.py"):
        if not {"pipeline", "cli"} & set(file.parts) and file.name != "__main__.py":
            source = file.read_text(encoding="utf-8")
            assert "argparse" not in source, file
            assert "params.yaml" not in re.sub(r'"""[\s\S]*?"""', "", source), file


@pytest.mark.parametrize("seed", ["first", "00", "-1", "1.0"])
def test_a_coordinate_that_is_no_plain_number_is_refused_without_a_traceback(seed: str) -> None:
    command = [sys.executable, "-m", "erkt", "stage", "split", "--seed", seed]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        f"--seed {seed}: expected a whole number, 0 or more, without leading zeros"
    )
    assert "Traceback" not in done.stderr


def test_a_command_without_its_packages_says_so_in_one_line() -> None:
    """As with a Python in which the project is not installed."""
    script = (
        "import runpy, sys\n"
        "sys.modules['pandas'] = None\n"
        "sys.argv = ['erkt', 'summary']\n"
        "runpy.run_module('erkt', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"error: pandas is not installed for {sys.executable}; make setup")


def test_a_reader_that_leaves_ends_a_command_without_a_word() -> None:
    """As ``python -m erkt params | head -0`` does."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "erkt", "params"]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
