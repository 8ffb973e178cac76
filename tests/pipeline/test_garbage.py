"""The garbage collector rests while a stage imports, and nowhere else."""

import subprocess
import sys
from pathlib import Path

from clone import Clone
from closure import ROOT

PROBE = """
import gc
from erkt.pipeline.job import Job, Stage

print("imported", gc.isenabled())

def main(job: Job) -> str:
    print("at work", gc.isenabled(), gc.get_freeze_count() > 0)
    return "done"

STAGE = Stage(main)
"""


def test_the_collector_is_on_from_when_a_stage_works(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    (tmp_path / "stages/download.py").write_text(PROBE, encoding="utf-8")
    done = clone.python("-m", "erkt", "stage", "download")
    assert done.stdout.splitlines()[:2] == ["imported False", "at work True True"], done.stderr


def test_importing_a_stage_leaves_the_collector_alone() -> None:
    script = "import gc, stages.split, erkt.pipeline.run; print(gc.isenabled(), gc.get_freeze_count())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "True 0\n", done.stderr
