"""What OpenMP itself says of how its threads wait, in a process that a command begins."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT

from erkt.machine.waiting import LOOKS


def looks(folder: Path, **environment: str) -> set[str]:
    """Return what GNU OpenMP says when torch loads it, at the end of a command."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    script = "import atexit; from erkt.cli import main; atexit.register(__import__, 'torch'); main()"
    told = usual | {"OMP_DISPLAY_ENV": "VERBOSE", "PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            "scenes",
            str(folder / "scenes.png"),
            "--columns",
            "1",
            "--side",
            "16",
        ],
        env=told,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr))


@pytest.mark.skipif(platform.system() != "Linux", reason="torch brings another OpenMP elsewhere")
def test_threads_sleep_soon_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    assert looks(tmp_path) == {str(LOOKS)}
    assert looks(tmp_path, GOMP_SPINCOUNT="7") == {"7"}
    assert looks(tmp_path, OMP_WAIT_POLICY="PASSIVE") == {"0"}
