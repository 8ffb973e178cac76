"""The wheel alone, in an empty folder: no repository, no stages, no params; and what it brings with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT
from deploy_run import made_run
from empty_environment import PIP, build_wheel, install_alone

from erkt.deploy import onnx_file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder in which the wheel is installed, without its dependencies, which are here already."""
    site = wheel.parent / "site"
    install = [*PIP, "install", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return site


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


def test_templates_and_pages_are_in_it_as_they_are_here(installed: Path) -> None:
    here = [path for path in (ROOT / "erkt").rglob("*") if path.suffix in (".html", ".css", ".typed")]
    assert len(here) > 2
    for path in here:
        assert (installed / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_what_the_wheel_brings_is_enough_to_predict_and_small(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In an environment of its own, with packages from the index that pip knows."""
    made = made_run(tmp_path / "run")
    described = made.described()
    onnx_file.write(described.model, described.card, tmp_path / "student.onnx")
    environment = tmp_path / "environment"
    if not install_alone(wheel, environment):
        pytest.skip("pip reaches no index here")
    left = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(environment / "bin/erkt"), "predict", "student.onnx", "run/images", "--out", "out.parquet"]
    done = subprocess.run(command, cwd=tmp_path, env=left, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out.parquet: 24 images; ")
    packages = {path.name for path in (environment / "lib").glob("python*/site-packages/*")}
    assert not packages & {"torch", "torchvision", "timm", "dvc", "mlflow", "scipy", "pandas"}
    size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file()) / 1e6
    with capsys.disabled():
        print(f"\nthe environment for predicting: {size:.0f} MB")
    assert size < 500
