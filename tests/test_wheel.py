"""The wheel alone, in an empty folder: no repository, no stages, no params."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is installed, without its dependencies, which are here already."""
    folder, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "erkt", source / "erkt")  # the build leaves a folder that would go stale
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("erkt-*.whl")
    install = [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return folder / "site"


def run(installed: Path, empty: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *command], cwd=empty, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("how", [("-m", "erkt"), ("bin/erkt",)], ids=["module", "script"])
def test_help_works_anywhere(installed: Path, tmp_path: Path, how: tuple[str, ...]) -> None:
    command = [str(installed / how[0])] if len(how) == 1 else list(how)
    done = run(installed, tmp_path, *command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Commands that run anywhere" in done.stdout


def test_a_command_without_a_repository_works_and_another_says_what_it_needs(
    installed: Path, tmp_path: Path
) -> None:
    done = run(installed, tmp_path, "-m", "erkt", "scenes", "sheet.png", "--columns", "1", "--side", "32")
    assert (done.returncode, done.stdout) == (0, "sheet.png\n"), done.stderr
    done = run(installed, tmp_path, "-m", "erkt", "track")
    assert done.returncode == 1
    assert done.stderr == "error: erkt track: no dvc.yaml here; run it in the root of a repository\n"
