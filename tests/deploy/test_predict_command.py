import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from closure import ROOT
from conftest import Exported
from deploy_run import picture
from filelock import FileLock
from PIL import Image

import erkt
from erkt.cli import embed, predict
from erkt.deploy import shards
from erkt.errors import ErktError
from erkt.files import replace

Capture = pytest.CaptureFixture[str]


def run(command: Any, *arguments: object) -> int:
    parser = ArgumentParser()
    command.arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images, one of which is none."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(10):
        picture(number % 3, number).save(folder / f"{number}.png")
    (folder / "4.png").write_text("text")
    return folder


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def full_at(name: str) -> Callable[[Path], None]:
    """A disk that is full once a file of that name is to be kept."""

    def full(path: Path) -> None:
        if path.name.endswith(name):
            raise OSError(28, "No space left on device")

    return full


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_every_image_is_a_row(images: Path, exported: Exported, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out.{suffix}"
    assert run(predict, exported.path, images, "--out", out, "--top", 2) == 3
    rows, predictor = rows_of(out), erkt.load(exported.path)
    assert [Path(row["path"]).name for row in rows] == [f"{number}.png" for number in range(10)]
    assert list(rows[0]) == [
        "path",
        *("class", "probability", "class_2", "probability_2"),
        *("entropy", "unsure", "error"),
    ]
    for number, row in enumerate(rows):
        if number == 4:
            assert row["error"] == "not an image of a known format"
            assert {row[name] or None for name in list(row)[1:-1]} == {None}
            continue
        (found,) = predictor.predict([images / f"{number}.png"])
        assert [row["class"], row["class_2"]] == [name for name, _ in found.top(2)]
        assert float(row["probability"]) == pytest.approx(found.probability, abs=1e-6)
        assert float(row["probability_2"]) == pytest.approx(found.top(2)[1][1], abs=1e-6)
        assert float(row["entropy"]) == pytest.approx(found.entropy, abs=1e-5)
        assert str(row["unsure"]).lower() == str(found.unsure).lower()
        assert not row["error"]
    assert not out.with_name(f"{out.name}.shards").exists()


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_features_are_written_in_every_format(
    images: Path, exported: Exported, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"out.{suffix}"
    assert run(embed, exported.path, images, "--out", out) == 3
    predictor = erkt.load(exported.path)
    for number, row in enumerate(rows_of(out)):
        values = row["features"] if suffix != "csv" else [row[f"feature_{i}"] for i in range(predictor.width)]
        if number == 4:
            assert row["error"] == "not an image of a known format"
            assert not values or set(values) == {""}
            continue
        (expected,) = predictor.embed([images / f"{number}.png"])
        np.testing.assert_allclose(np.array(values, np.float32), expected, rtol=0, atol=1e-5)


def test_without_an_output_each_image_is_a_line(images: Path, exported: Exported, capsys: Capture) -> None:
    assert run(predict, exported.path, images / "*.png", "--top", 1) == 3
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert len(lines) == 9
    (found,) = erkt.load(exported.path).predict([images / "0.png"])
    end = " (unsure)" if found.unsure else ""
    assert lines[0] == f"{images}/0.png: {found.class_name} {found.probability:.1%}{end}"
    assert told.err == f"{images}/4.png: error: not an image of a known format\n"
    assert run(predict, exported.path, images / "0.png") == 0


def test_standard_input_and_an_archive(
    images: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in sorted(images.iterdir()):
            archive.write(path, path.name)
    whole = (tmp_path / "images.zip").read_bytes()
    place = whole.index((images / "7.png").read_bytes()[40:80])
    (tmp_path / "images.zip").write_bytes(whole[:place] + bytes(40) + whole[place + 40 :])
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{images}/0.png\n{images}/none.png\n"))
    out = tmp_path / "out.parquet"
    assert run(predict, exported.path, "-", tmp_path / "images.zip", "--out", out) == 3
    errors = [row["error"] for row in rows_of(out)]
    assert errors[1] == "cannot be read: No such file or directory"
    assert [place for place, error in enumerate(errors) if error] == [1, 6, 9]
    assert "the archive is cut short or damaged" in errors[9]


def test_what_is_done_is_kept_and_not_done_again(
    images: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(shards, "SHARD", 4)
    out = tmp_path / "out.csv"
    run(predict, exported.path, images, "--out", out)
    whole = out.read_bytes()

    stopping = Stopping(monkeypatch, interrupt_at_1)
    with pytest.raises(KeyboardInterrupt):
        run(predict, exported.path, images, "--out", out, "--overwrite")
    assert f"what is done is kept in {out}.shards; the same command goes on" in capsys.readouterr().err
    assert out.read_bytes() == whole
    stopping.before = lambda number: None
    stopping.asked.clear()
    assert run(predict, exported.path, images, "--out", out, "--overwrite") == 3
    assert stopping.asked == [1, 2]
    assert out.read_bytes() == whole
    assert "10 images, 1 of them unreadable" in capsys.readouterr().out


def interrupt_at_1(number: int) -> None:
    if number == 1:
        raise KeyboardInterrupt


class Stopping:
    """Calls ``before`` with the number of each shard that is about to be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: Any) -> None:
        self.before, self.asked, write = before, [], shards.Shards._write

        def written(own: shards.Shards, number: int, *others: Any) -> int:
            self.asked.append(number)
            self.before(number)
            return write(own, number, *others)

        monkeypatch.setattr(shards.Shards, "_write", written)


def test_shards_of_other_work_are_not_taken(
    images: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD", 4)
    out = tmp_path / "out.parquet"
    stopping = Stopping(monkeypatch, interrupt_at_1)
    with pytest.raises(KeyboardInterrupt):
        run(predict, exported.path, images, "--out", out)
    with pytest.raises(ErktError, match="begun with another model, other paths or options"):
        run(predict, exported.path, images, "--out", out, "--top", 1)
    with pytest.raises(ErktError, match="begun with another model, other paths or options"):
        run(predict, exported.path, f"{images}/*", "--out", out)
    stopping.before = lambda number: None
    picture(0, 99).save(images / "00.png")
    with pytest.raises(ErktError, match="images have come, gone or changed since it was begun"):
        run(predict, exported.path, images, "--out", out)
    (images / "00.png").unlink()
    first = min(images.rglob("*.png"))
    own, times = first.read_bytes(), first.stat()
    picture(0, 98).save(first)
    with pytest.raises(ErktError, match="images have come, gone or changed since it was begun"):
        run(predict, exported.path, images, "--out", out, "--overwrite")
    first.write_bytes(own)
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "out.parquet.shards/000000.parquet").write_text("damaged")
    with pytest.raises(
        ErktError, match=r"000000\.parquet: damaged .*; remove it and run the same command again"
    ):
        run(predict, exported.path, images, "--out", out)
    with FileLock(tmp_path / "out.parquet.shards/lock"), pytest.raises(ErktError, match="another process"):
        run(predict, exported.path, images, "--out", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "out.xlsx"], "out.xlsx: the format is told by the suffix, one of .parquet, .csv, .jsonl"),
        (["--out", "there.csv"], "there.csv: exists; choose another name, or add --overwrite"),
        (["--out", "there.csv/out.csv"], "cannot be made"),
        (["--threads", 0], "--threads 0: expected 1 or more"),
        (["--top", 0], "--top 0: expected 1 or more"),
    ],
)
def test_bad_options_are_one_line(
    images: Path,
    exported: Exported,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[object],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("kept")
    with pytest.raises(ErktError, match=re.escape(message)):
        run(predict, exported.path, images, *arguments)
    assert Path("there.csv").read_text() == "kept"


def test_an_empty_folder_is_no_empty_table(exported: Exported, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in ([], ["--out", tmp_path / "out.csv"]):
        with pytest.raises(ErktError, match="no image there"):
            run(predict, exported.path, tmp_path / "empty", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_images_that_prepare_refuses_for_their_size_are_errors(
    images: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its limit on Pillow only warns; one twice as large it refuses itself."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)
    assert run(predict, exported.path, images, "--out", tmp_path / "out.csv") == 3
    errors = [row["error"] for row in rows_of(tmp_path / "out.csv")]
    assert [place for place, error in enumerate(errors) if "exceeds limit of 1500" in error] == [
        place for place in range(10) if place != 4
    ]


def test_a_full_disk_leaves_no_half_table(
    images: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replace, "_flush_to_disk", full_at("out.csv"))
    with pytest.raises(ErktError, match=r"out\.csv: not written: .*No space left"):
        run(predict, exported.path, images, "--out", tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out.csv.shards"]


def test_a_table_begun_with_one_decoder_is_not_ended_with_another(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, out = tmp_path / "large.jpg", tmp_path / "out.csv"
    picture(0, 0).resize((640, 480)).save(large, quality=95)
    monkeypatch.setattr(replace, "_flush_to_disk", full_at("out.csv"))
    with pytest.raises(ErktError, match="No space left"):
        run(predict, exported.path, large, "--out", out)
    monkeypatch.undo()
    with pytest.raises(ErktError, match="begun with another model, other paths or options"):
        run(predict, exported.path, large, "--out", out, "--decoder", "reduced")
    assert run(predict, exported.path, large, "--out", out) == 0
    (exact,) = rows_of(out)
    assert run(predict, exported.path, large, "--out", out, "--decoder", "reduced", "--overwrite") == 0
    (reduced,) = rows_of(out)
    assert exact["class"] == reduced["class"]
    assert exact["entropy"] != reduced["entropy"]


@pytest.mark.slow
def test_killed_at_random_every_image_is_there_once_and_memory_does_not_grow(
    exported: Exported, tmp_path: Path
) -> None:
    """A hundred thousand names of a few files, so that most of what is tested is the book-keeping."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        picture(number % 3, number).save(folder / f"{number:06}.png")
    for number in range(20, 100_000):
        os.link(folder / f"{number % 20:06}.png", folder / f"{number:06}.png")
    out, draw = tmp_path / "out.parquet", random.Random(0)

    def shards() -> list[Path]:
        return list(tmp_path.glob("out.parquet.shards/[0-9]*.parquet"))

    command = [sys.executable, "-m", "erkt", "predict", str(exported.path), str(folder), "--out", str(out)]
    for _ in range(5):
        wanted = len(shards()) + draw.randint(1, 3)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(shards()) < wanted:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    names = pyarrow.parquet.read_table(out, columns=["path"]).column(0).to_pylist()
    assert names == [str(folder / f"{number:06}.png") for number in range(100_000)]
    some, all_of_them = (
        peak_kb(exported.path, folder / pattern, tmp_path / f"{pattern[0]}.csv")
        for pattern in ("00*.png", "*.png")
    )
    assert all_of_them - some < 50_000


def peak_kb(model: Path, pattern: Path, out: Path) -> int:
    """Return the most memory that predicting the images of a pattern held at once."""
    script = (
        "from erkt.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as left:\n    assert left.code == 0\n"
        "(peak,) = [line for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(peak.split()[1])\n"
    )
    command = [sys.executable, "-c", script, "predict", str(model), str(pattern), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])
