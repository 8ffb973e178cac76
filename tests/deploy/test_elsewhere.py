"""Tables whose shards are made elsewhere: the same rows, each image once, whatever is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet
import pytest
from closure import ROOT
from deploy_run import picture
from made_model import card, write_onnx
from threads_cluster import ThreadsCluster

from erkt.cli import embed, predict
from erkt.deploy import elsewhere, shards
from erkt.errors import ErktError

SIDE = 16


def run(command: Any, *arguments: object) -> int:
    parser = ArgumentParser()
    command.arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_onnx(tmp_path / "model.onnx", card(SIDE))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images, one of which is none."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(10):
        picture(number % 3, number).save(folder / f"{number}.png")
    (folder / "4.png").write_text("text")
    return folder


class Places:
    """Has ``erkt predict --engine ray`` use threads of this process instead of Ray."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = ThreadsCluster(2)
        self.change: Callable[[elsewhere.Work], elsewhere.Work] = lambda work: work
        monkeypatch.setattr(elsewhere, "maker", self.maker)
        monkeypatch.setattr(shards, "SHARD", 3)

    @contextmanager
    def maker(self, work: elsewhere.Work, address: str | None, workers: int) -> Iterator[shards.Make]:
        elsewhere._predictor.cache_clear()
        elsewhere._rows.cache_clear()
        yield partial(elsewhere.make_all, self.change(work), self.cluster, lambda: 2)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(monkeypatch)


@pytest.mark.parametrize("command", [predict, embed])
def test_rows_are_those_of_one_process(
    command: Any, model: Path, images: Path, tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # names stay as they are given
    tables = []
    for out, engine in (("one.parquet", "here"), ("many.parquet", "ray")):
        assert run(command, model, "images", "--out", out, "--engine", engine, "--threads", 1) == 3
        tables.append(pyarrow.parquet.read_table(out))
    assert tables[0].equals(tables[1])
    assert places.cluster.submitted == [f"{number:06}.parquet" for number in range(4)]
    assert not Path("many.parquet.shards").exists()


def test_what_is_there_is_not_made_again(
    model: Path, images: Path, tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process began, another engine ends it."""
    out, write = tmp_path / "out.parquet", shards.Shards._write

    def interrupted(own: shards.Shards, number: int, *others: Any) -> int:
        if number == 2:
            raise KeyboardInterrupt
        return write(own, number, *others)

    monkeypatch.setattr(shards.Shards, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(predict, model, images, "--out", out)
    assert run(predict, model, images, "--out", out, "--engine", "ray") == 3
    assert places.cluster.submitted == ["000002.parquet", "000003.parquet"]
    names = pyarrow.parquet.read_table(out).column("path").to_pylist()
    assert names == [str(images / f"{number}.png") for number in range(10)]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"versions": ("erkt 0", "onnxruntime 0", "numpy 0", "pillow 0")}, "and the head erkt 0: rows would"),
        ({"digest": "0" * 64}, "another model on"),
        ({"folder": Path("/"), "model": Path("none.onnx")}, "none.onnx: no such model"),
    ],
    ids=["versions", "model", "no_model"],
)
def test_a_worker_with_something_else_is_refused(
    model: Path, images: Path, tmp_path: Path, places: Places, change: dict[str, Any], line: str
) -> None:
    places.change = lambda work: replace(work, **change)
    with pytest.raises(ErktError, match=line):
        run(predict, model, images, "--out", tmp_path / "out.parquet", "--engine", "ray")
    assert [path.name for path in tmp_path.glob("out*")] == []


def test_images_that_a_worker_does_not_see_are_refused_and_no_rows(
    model: Path, images: Path, tmp_path: Path, places: Places
) -> None:
    def unseen(work: elsewhere.Work) -> elsewhere.Work:
        for path in images.iterdir():
            path.unlink()
        return work

    work = elsewhere.Work(model, "", 1, "predict", 1, "exact", tmp_path, elsewhere.versions())
    (tmp_path / "made-by.json").write_text("{}")
    with pytest.raises(ErktError, match=r"0\.png: not on .*; images and output have to lie at the same path"):
        elsewhere.make_shard(unseen(work), tmp_path / "0.parquet", [str(images / "0.png")], True)
    with pytest.raises(ErktError, match=r"made-by\.json: not on"):
        elsewhere.make_shard(work, tmp_path / "none/0.parquet", [str(images / "0.png")], False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["images.zip", "--out", "out.csv", "--engine", "ray"],
            "images.zip: an archive is read in one",
        ),
        (["images", "--engine", "ray"], "--engine ray: add --out"),
        (["images", "--out", "out.csv", "--workers", 2], "--workers and --address are for --engine ray"),
        (
            ["images", "--out", "out.csv", "--engine", "ray", "--workers", 0],
            "--workers 0: expected 1 or more",
        ),
    ],
)
def test_bad_options_are_one_line(
    model: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[object],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ErktError, match=f"^{line}"):
        run(predict, model, *arguments)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'erkt[fleet]'")
def test_two_workers_killed_three_times_make_each_row_once(model: Path, tmp_path: Path) -> None:
    """Twenty thousand files: a worker is killed, then the head, then a worker again."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        picture(number % 3, number).save(folder / f"{number:05}.png")
    for number in range(20, 20_000):
        os.link(folder / f"{number % 20:05}.png", folder / f"{number:05}.png")
    (folder / "00007.png").unlink()
    (folder / "00007.png").write_text("text")
    words = [sys.executable, "-m", "erkt", "predict", str(model), str(folder)]
    one, many, draw = tmp_path / "one.parquet", tmp_path / "many.parquet", random.Random(0)
    alone = [*words, "--out", str(one), "--threads", "1"]
    assert subprocess.run(alone, cwd=ROOT, check=False, capture_output=True).returncode == 3

    def start() -> subprocess.Popen[bytes]:
        command = [*words, "--out", str(many), "--engine", "ray", "--workers", "2"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=ROOT, **quiet)

    def wait_for_shards(process: subprocess.Popen[bytes], count: int) -> None:
        limit = time.monotonic() + 600
        while len(list(tmp_path.glob("many.parquet.shards/[0-9]*.parquet"))) < count:
            assert process.poll() is None, process.stderr
            assert time.monotonic() < limit
            time.sleep(0.02)

    def kill_a_worker(process: subprocess.Popen[bytes]) -> None:
        family = psutil.Process(process.pid).children(recursive=True)
        busy = [one for one in family if ".parquet" in " ".join(one.cmdline())]
        draw.choice(busy).send_signal(signal.SIGKILL)

    first = start()
    wait_for_shards(first, 2)
    kill_a_worker(first)
    wait_for_shards(first, 6)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not many.exists()
    second = start()
    wait_for_shards(second, 10)
    kill_a_worker(second)
    _, told = second.communicate()
    assert second.returncode == 3, told
    table = pyarrow.parquet.read_table(many)
    names = [str(folder / f"{number:05}.png") for number in range(20_000)]
    assert table.column("path").to_pylist() == names
    assert table.equals(pyarrow.parquet.read_table(one))
