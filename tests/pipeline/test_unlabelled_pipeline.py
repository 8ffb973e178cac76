"""Unlabelled images in the pipeline, by real ``dvc repro``: what reruns, and what nobody can read."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from clone import Clone, finished_clone
from PIL import Image

from erkt.data.lists import read_list, read_unlabelled
from erkt.scenes import render

TEACHERS = ("one", "two")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made, _ = finished_clone(tmp_path_factory)
    return made


def test_a_share_reruns_the_split_what_is_tested_and_the_student_but_no_teacher(clone: Clone) -> None:
    splits = clone.folder / "data/splits/0"
    before, outputs = {path.name: path.read_bytes() for path in splits.iterdir()}, clone.outputs()
    assert before["unlabelled.txt"] == b""
    executed = clone.change(lambda params: params["split"].update(unlabelled_percent=20))
    assert executed == {
        "split@0",
        *(f"cache_logits@0-{teacher}-0" for teacher in TEACHERS),
        *(f"evaluate_teacher@0-{teacher}" for teacher in TEACHERS),
        *("distill@0", "evaluate@0", "summarize"),
    }
    assert all((splits / name).read_bytes() == before[name] for name in ("train.txt", "val.txt"))
    shown, tested = read_unlabelled(splits / "unlabelled.txt"), read_list(splits / "test.txt")
    assert (len(shown), len(tested)) == (14, 14)
    assert b"\t" not in (splits / "unlabelled.txt").read_bytes()
    assert len({key.split("/")[0] for key, _ in shown}) == 14
    former = {line.split("\t")[0] for line in before["test.txt"].decode().splitlines()}
    assert {key for key, _ in shown} | {key for key, _ in tested} == former
    now = clone.outputs()
    for name, data in outputs.items():
        if name.startswith(("data/teachers", "data/val_logits", "metrics/sweep")):
            assert now[name] == data
    trained = len(read_list(splits / "train.txt"))
    logits = np.load(clone.folder / "data/teaching/0/one/0/logits.npy")
    assert logits.shape == (1, trained + 14, 14)
    assert clone.repro() == set()


@pytest.mark.slow
def test_what_measures_student_and_teachers_takes_their_views(clone: Clone) -> None:
    assert clone.repro("--all-pipelines") == {"measure@0", "draw@0", "stress@0", "export@0", "report"}
    with (clone.folder / "metrics/predictions/0.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 14
    found = json.loads((clone.folder / "metrics/measure/0.json").read_text())[0]
    assert found["logits_within_class"] > 0
    verified = clone.python("-m", "erkt", "verify", "--views", "1", "--pairs", "4")
    assert verified.returncode == 0, verified.stderr


def test_what_is_shown_has_the_number(clone: Clone) -> None:
    doctor = clone.python("-m", "erkt", "doctor")
    assert "params.yaml is valid: scenes, 20 % of the images without their labels" in doctor.stdout
    checked = clone.python("-m", "erkt", "data", "check", "data/archive", "--splits", "data/splits/0")
    assert "28 train, 14 val, 14 test, 14 unlabelled" in checked.stdout
    params = clone.python("-m", "erkt", "params")
    assert "TR 60 %, 20 % unlabelled, fine" in params.stdout
    done = clone.python("-m", "erkt", "stage", "split", "--seed", "0")
    assert "28 train, 14 validation, 14 test, 14 unlabelled" in done.stdout + done.stderr
    assert "nobody looked whether unlabelled images repeat test images" in done.stderr


def test_a_loss_that_needs_labels_is_refused_at_the_start(clone: Clone) -> None:
    clone.params["distill"]["loss"] = "dkd"
    clone.write_params()
    done = clone.python("-m", "erkt", "stage", "split", "--seed", "0")
    clone.params["distill"]["loss"] = "dist"
    clone.write_params()
    assert done.returncode == 1
    assert done.stderr == (
        "error: split@0: params.yaml: distill.loss: dkd needs every image's label; take dist or kd, or set "
        "split.unlabelled_percent: 0 and dataset.unlabelled: null\n"
    )


def test_off_again_everything_comes_back_from_what_was_made(clone: Clone) -> None:
    assert clone.change(lambda params: params["split"].update(unlabelled_percent=0)) == set()
    assert (clone.folder / "data/splits/0/unlabelled.txt").read_bytes() == b""


@pytest.mark.slow
def test_images_of_no_class_come_from_a_folder_and_the_teachers_keep_their_bits(
    clone: Clone, tmp_path: Path
) -> None:
    """All that reads the prepared images runs again, and what knows no unlabelled image ends as before."""
    for index in range(10):
        pixels = render("beach", 1, index, 40)
        (tmp_path / "deep" / str(index)).mkdir(parents=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "deep" / str(index) / "image.png")
    before = clone.outputs()
    more = {"source": "folder", "location": str(tmp_path), "sha256": None}
    executed = clone.change(lambda params: params["dataset"].update(unlabelled=more))
    assert {"download", "prepare", "split@0", "distill@0"} < executed
    now = clone.outputs()
    kept = ("data/teachers", "data/val_logits", "data/splits/0/t", "data/splits/0/v", "data/test_logits")
    for name in filter(lambda name: name.startswith(kept), before):
        assert now[name] == before[name], name
    shown = read_unlabelled(clone.folder / "data/splits/0/unlabelled.txt")
    assert shown == [(f".unlabelled/deep_{index}_image.png", -1) for index in range(10)]
    logits = np.load(clone.folder / "data/teaching/0/one/0/logits.npy")
    assert logits.shape == (1, 28 + 10, 14)
    assert now["data/students/0/weights.safetensors"] != before["data/students/0/weights.safetensors"]
