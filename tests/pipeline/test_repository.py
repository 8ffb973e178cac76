"""What the library needs to be imported, and how commands refuse and end."""

import os
import subprocess
import sys

import pytest
from closure import ROOT


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
