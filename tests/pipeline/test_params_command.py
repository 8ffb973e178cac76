"""``python -m erkt params``: every file is checked, and what is wrong with each is named."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from closure import ROOT

TINY = (ROOT / "tests/tiny.yaml").read_text(encoding="utf-8")


def test_each_file_that_is_wrong_is_named_in_a_line_and_the_others_are_checked(tmp_path: Path) -> None:
    changes: dict[str, tuple[list[str], Any]] = {
        "fine": (["split", "val_percent"], 30),
        "key": (["teachers", "one", "recipe", "bach_size"], 4),
        "student": (["student", "arch"], "test_resnot"),
        "teacher": (["teachers", "two", "network", "arch"], "test_efficientnot.tag"),
    }
    files = []
    for name, (place, value) in changes.items():
        params = yaml.safe_load(TINY)
        block = params
        for key in place[:-1]:
            block = block[key]
        block[place[-1]] = value
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump(params), encoding="utf-8")
    command = [sys.executable, "-m", "erkt", "params", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, f"{files[0]}: scenes, TR 60 %, fine\n")
    key, student, teacher = done.stderr.splitlines()
    assert key.startswith(
        f"error: {files[1]}.teachers.one.recipe: unknown key 'bach_size'; did you mean 'batch_size'?"
    )
    hint = "timm has no architecture 'test_resnot'; did you mean 'test_resnet'?"
    assert student == f"error: {files[2]}: student: {hint}"
    assert teacher.startswith(f"error: {files[3]}: teachers.two.network: timm has no architecture")
