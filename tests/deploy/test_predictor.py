import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from closure import ROOT
from conftest import Exported
from deploy_run import Made
from PIL import Image
from scipy.special import softmax

import erkt
from erkt.deploy.predictor import Predictor
from erkt.errors import ErktError


def test_a_prediction_is_that_of_the_network_on_the_prepared_image(made: Made, exported: Exported) -> None:
    part, network = exported.described.val, exported.described.model
    with torch.inference_mode():
        logits = network(torch.from_numpy(part.pixels(range(len(part)))).float() / 255).numpy()
    calibration = exported.described.card.calibration
    assert calibration is not None
    expected = softmax(logits.astype(np.float64) / calibration.temperature, axis=1)
    predictor = erkt.load(exported.path)
    for images in ([made.images / key for key in part.keys], [str(made.images / key) for key in part.keys]):
        found = predictor.predict(images)
        np.testing.assert_allclose([one.probabilities for one in found], expected, atol=1e-5)
        assert [one.class_name for one in found] == [part.classes[place] for place in logits.argmax(axis=1)]
        np.testing.assert_allclose([one.probability for one in found], expected.max(axis=1), atol=1e-5)


def test_whatever_holds_an_image_gives_the_same(made: Made, exported: Exported) -> None:
    path = made.images / "red/3.jpg"
    with Image.open(path) as image:
        array = np.asarray(image)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    found = erkt.load(exported.path).predict([path, Image.open(path), array, tensor, tensor / 255])
    assert [one.probabilities.tolist() for one in found] == [found[0].probabilities.tolist()] * 5
    assert found[0].top(2)[0] == (found[0].class_name, found[0].probability)


def test_unsure_is_what_lies_below_the_threshold(made: Made, exported: Exported) -> None:
    predictor, images = erkt.load(exported.path), sorted(made.images.rglob("*.jpg"))
    found = predictor.predict(images)
    limit = float(np.median([one.probability for one in found]))
    calibration = exported.described.card.calibration
    assert calibration is not None
    for threshold, expected in {
        limit: [one.probability < limit for one in found],
        None: [None] * len(found),
    }.items():
        predictor.model.card = replace(predictor.card, calibration=replace(calibration, threshold=threshold))
        assert [one.unsure for one in predictor.predict(images)] == expected


def test_features_are_what_the_last_layer_maps_to_the_logits(made: Made, exported: Exported) -> None:
    predictor, images = erkt.load(exported.path), sorted(made.images.rglob("*.jpg"))
    features = predictor.embed(images)
    assert features.shape == (24, predictor.width)
    head = exported.described.model.network.get_classifier()
    weight, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    shares = softmax((features @ weight.T + bias) / predictor.card.temperature, axis=1)
    np.testing.assert_allclose([one.probabilities for one in predictor.predict(images)], shares, atol=1e-5)
    assert predictor.embed([]).shape == (0, predictor.width)
    assert predictor.predict([]) == []


def test_a_students_folder_says_the_same_without_calibration(made: Made, exported: Exported) -> None:
    exact, student = erkt.load(exported.path), erkt.load(made.run.network)
    images = sorted(made.images.rglob("*.jpg"))
    assert student.card.calibration is None
    np.testing.assert_allclose(student.embed(images), exact.embed(images), rtol=0, atol=1e-4)
    assert [one.class_name for one in student.predict(images)] == [
        one.class_name for one in exact.predict(images)
    ]
    assert {one.unsure for one in student.predict(images)} == {None}


def test_a_students_folder_away_from_its_run_is_refused(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.run.network, tmp_path / "a/b/student")
    with pytest.raises(ErktError, match="how its images are prepared is not in it"):
        erkt.load(tmp_path / "a/b/student")
    with pytest.raises(ErktError, match=r"a folder without a model \(model\.onnx, model\.safetensors or"):
        erkt.load(tmp_path / "a")
    with pytest.raises(ErktError, match="none: no such model"):
        erkt.load(tmp_path / "none")


def test_an_image_that_cannot_be_used_is_named(made: Made, exported: Exported, tmp_path: Path) -> None:
    predictor = erkt.load(exported.path)
    (tmp_path / "no.jpg").write_text("text")
    with pytest.raises(ErktError, match=r"no\.jpg: not an image of a known format"):
        predictor.predict([made.images / "red/0.jpg", tmp_path / "no.jpg"])
    with pytest.raises(ErktError, match=r"image 1: uint8 \(2, 2\): expected a path"):
        predictor.predict([made.images / "red/0.jpg", np.zeros((2, 2), np.uint8)])
    for single in (made.images / "red/0.jpg", str(made.images), Image.new("RGB", (8, 8))):
        with pytest.raises(ErktError, match=r"for a single one give a list of one: \[image\]"):
            predictor.predict(single)


def test_many_images_need_the_memory_of_a_batch(exported: Exported) -> None:
    """Images are taken one after the other, and none is kept."""
    predictor, alive = erkt.load(exported.path), []

    def images() -> "list[np.ndarray]":
        for place in range(200):
            alive.append(place)
            yield np.full((40, 40, 3), place, np.uint8)

    assert len(predictor.predict(images())) == 200
    seen = []
    Predictor(Counting(predictor, seen)).predict(images())
    assert seen == [64, 64, 64, 8]


class Counting:
    def __init__(self, predictor: Predictor, seen: list[int]) -> None:
        self.card, self._model, self._seen = predictor.card, predictor.model, seen

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        self._seen.append(len(pixels))
        return self._model.logits(pixels)


def test_predicting_imports_nothing_that_trains(made: Made, exported: Exported) -> None:
    """Not torch, and nothing else that the small install does not bring."""
    script = (
        "import sys, erkt, erkt.cli.predict, erkt.cli.embed\n"
        f"erkt.load({str(exported.path)!r}).predict([{str(made.images / 'red/0.jpg')!r}])\n"
        "heavy = 'torch timm dvc mlflow scipy sklearn pandas safetensors yaml onnx'.split()\n"
        "found = ', '.join(sorted(set(heavy) & set(sys.modules)))\n"
        "sys.exit(found or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
