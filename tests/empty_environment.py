"""The wheel, and an environment in which it and what it asks for are all there is."""

import shutil
import subprocess
import sys
from pathlib import Path

from closure import ROOT

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def build_wheel(folder: Path) -> Path:
    """Build the wheel in ``folder``, from a copy of the sources: a build leaves a folder that goes stale."""
    source, made = folder / "source", folder / "wheel"
    source.mkdir(parents=True)
    shutil.copytree(ROOT / "erkt", source / "erkt")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(made), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = made.glob("erkt-*.whl")
    return wheel


def install_alone(wheel: Path, environment: Path, extras: str = "") -> bool:
    """Make ``environment`` with the wheel and ``extras``, as ``[geo]``; False if no index is reached."""
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin/pip"), "install", "--quiet", "--constraint", str(ROOT / "constraints.txt")]
    done = subprocess.run([*pip, f"{wheel}{extras}"], check=False, capture_output=True)
    return done.returncode == 0
