"""dvc.yaml against the code: each stage declares exactly the code and the params that it uses."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from closure import ROOT, closure, neutral_files

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
NEVER_DECLARED = {"runtime", "tracking"}


def declared_code(stage: str) -> set[str]:
    """Return the declared files of code; a declared package stands for its modules."""
    found: set[str] = set()
    for dep in STAGES[stage]["deps"]:
        if dep.startswith(("erkt", "stages")):
            path = ROOT / dep
            assert path.exists(), f"{stage} declares {dep}, which is not there"
            files = path.rglob("*.py") if path.is_dir() else [path]
            found |= {file.relative_to(ROOT).as_posix() for file in files}
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_a_stage_declares_is_the_code_it_imports(stage: str) -> None:
    needed, declared = closure(Path(f"stages/{stage}.py")), declared_code(stage)
    assert needed - declared == set(), "imported but not declared"
    extra = {file for file in declared - needed if not file.endswith("__init__.py")}
    assert extra == set(), "declared but not imported"


def used_params(stage: str) -> set[str]:
    """Return the sections that the stage's script reads, coordinates in dvc.yaml's spelling."""
    tree = ast.parse((ROOT / f"stages/{stage}.py").read_text(encoding="utf-8"))
    keys = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("job.settings", "job.value"):
            key = node.args[0]
            if isinstance(key, ast.JoinedStr):
                assert ast.unparse(key) == "f'teachers.{job.teacher}'"
                keys.add("teachers.${item.teacher}")
            else:
                keys.add(ast.literal_eval(key))
    return keys - NEVER_DECLARED


@pytest.mark.parametrize("stage", STAGES)
def test_params_that_a_stage_declares_are_those_it_reads(stage: str) -> None:
    assert set(STAGES[stage].get("params", [])) == used_params(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_neutral_modules_neither_draw_nor_compute(stage: str) -> None:
    """What no stage declares must not be able to change a number."""
    for file in neutral_files(Path(f"stages/{stage}.py")) - {"erkt/machine/device.py"}:
        source = (ROOT / file).read_text(encoding="utf-8")
        for forbidden in ("import numpy", "import torch", "from torch", "erkt.seeds", "erkt.views"):
            assert forbidden not in source, f"{file} has {forbidden}"


def test_only_the_evaluate_stages_depend_on_the_test_list() -> None:
    readers = {
        stage for stage, entry in STAGES.items() if any("/test.txt" in str(dep) for dep in entry["deps"])
    }
    assert readers == {"evaluate", "evaluate_teacher"}


def test_hyper_parameters_stay_out_of_commands() -> None:
    for stage, entry in STAGES.items():
        arguments = entry["cmd"].removeprefix(f"python -m erkt stage {stage}").split()
        assert all(
            word.startswith("--") or word == f"${{item.{flag[2:]}}}"
            for flag, word in zip(["", *arguments], arguments, strict=False)
        ), entry["cmd"]


def test_light_stages_import_no_torch() -> None:
    """Importing torch takes two seconds, as long as what these stages do."""
    script = (
        "import sys, importlib\n"
        "for stage in ('download', 'prepare', 'split', 'summarize', 'report'):\n"
        "    importlib.import_module(f'stages.{stage}')\n"
        "    assert 'torch' not in sys.modules, stage\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_no_uncached_output_switches_the_run_cache_off() -> None:
    """DVC keeps no run-cache of a stage with an uncached output that is neither a plot nor a metric."""
    for stage, entry in STAGES.items():
        for out in entry.get("outs", []):
            options = next(iter(out.values())) if isinstance(out, dict) else {}
            assert options.get("cache", True), f"{stage}: {out}"
