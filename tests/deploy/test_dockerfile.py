"""The Dockerfile without Docker: its copies and its RUN steps in an empty folder, then what it starts."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from closure import ROOT
from conftest import Exported
from deploy_run import Made

PLACE = "/opt/erkt"
"""Where the image has its environment."""


@dataclass(frozen=True)
class Step:
    """An instruction with what stands behind it."""

    name: str
    rest: str


def stages() -> list[list[Step]]:
    """Return the instructions of each stage, without its FROM."""
    found: list[list[Step]] = []
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        elif line and not line.startswith("#"):
            found[-1].append(Step(name, rest))
    return found


def test_it_runs_as_nobody_and_needs_nothing_at_run_time() -> None:
    build, final = stages()
    assert {step.name for step in build} == {"WORKDIR", "COPY", "RUN"}
    assert "RUN" not in {step.name for step in final}
    (user,) = (step.rest for step in final if step.name == "USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert [step.name for step in final].index("USER") < [step.name for step in final].index("ENTRYPOINT")


def test_what_it_copies_is_here_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    sources = [name for step in stages()[0] if step.name == "COPY" for name in step.rest.split()[:-1]]
    assert sources
    for name in sources:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


@pytest.mark.slow
def test_its_steps_make_what_predicts_and_shows_the_page(
    exported: Exported, made: Made, tmp_path: Path
) -> None:
    source, place = tmp_path / "source", tmp_path / "opt/erkt"
    source.mkdir()
    left = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    base = {**left, "PATH": f"{_without_packages(tmp_path)}{os.pathsep}{left['PATH']}"}
    for step in stages()[0]:
        if step.name == "COPY":
            *names, target = step.rest.split()
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, source / target)
                else:
                    shutil.copy(ROOT / name, source)
        if step.name == "RUN":
            command = step.rest.replace(PLACE, str(place))
            done = subprocess.run(
                ["/bin/sh", "-c", command], cwd=source, env=base, capture_output=True, text=True, check=False
            )
            if done.returncode and "pip install" in command and "No matching distribution" in done.stderr:
                pytest.skip("pip reaches no index here")
            assert done.returncode == 0, done.stdout + done.stderr

    work = tmp_path / "work"
    shutil.copytree(made.images, work / "scenes")
    shutil.copy(exported.path, work / "student.onnx")
    final = {step.name: step.rest for step in stages()[1]}
    inside = {**left, "PATH": f"{place / 'bin'}{os.pathsep}{left['PATH']}"}
    entry = [str(place / "bin" / name) for name in json.loads(final["ENTRYPOINT"])]
    predict = [*entry, "predict", "student.onnx", "scenes", "--out", "out.csv"]
    done = subprocess.run(predict, cwd=work, env=inside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out.csv: 24 images")

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shown = [*entry, *json.loads(final["CMD"]), "--port", str(port)]
    with subprocess.Popen(shown, cwd=work, env=inside, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"http://0.0.0.0:{port}/ (Ctrl-C ends it)\n"
            assert json.loads(_answer(port, "/about", f"localhost:{port}"))["classes"]
            assert _answer(port, "/about", "example.org") == "Invalid host header"
        finally:
            process.terminate()
    packages = {path.name for path in place.glob("lib/python*/site-packages/*")}
    assert not packages & {"torch", "timm", "mlflow", "scipy", "pip"}
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
    assert size < 500, f"{size:.0f} MB"


def _without_packages(tmp_path: Path) -> Path:
    """Return a folder with a ``python`` that is the base of this one, as the image has it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = f'#!/bin/sh\nexec {shlex.quote(getattr(sys, "_base_executable", sys.executable))} "$@"\n'
    (folder / "python").write_text(script)
    (folder / "python").chmod(0o755)
    return folder


def _answer(port: int, path: str, host: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"host": host})
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except urllib.error.URLError:
            assert time.monotonic() < until
            time.sleep(0.1)
