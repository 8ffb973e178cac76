"""The garbage collector is off while a stage imports, on while it works, and on in whatever else imports stages."""

import subprocess
import sys
from pathlib import Path

from closure import ROOT
from pipeline import Clone

PROBE = """
import gc
from stages.common import Job, run

print("imported", gc.isenabled())

def main(job: Job) -> str:
    print("at work", gc.isenabled(), gc.get_freeze_count() > 0)
    return "done"

if __name__ == "__main__":
    run(main)
"""


def test_the_collector_is_on_from_when_a_stage_works(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    (tmp_path / "stages/download.py").write_text(PROBE, encoding="utf-8")
    done = clone.python("-m", "stages.download")
    assert done.stdout.splitlines()[:2] == ["imported False", "at work True True"], done.stderr


def test_the_collector_stays_on_in_other_programs() -> None:
    script = "import gc, stages.common; print(gc.isenabled(), gc.get_freeze_count())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "True 0\n", done.stderr
