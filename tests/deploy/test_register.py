"""Students in MLflow's registry: what a version holds, who is champion, and that it answers by HTTP."""

import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from closure import ROOT
from conftest import Exported
from deploy_run import Made
from onnx import TensorProto, helper
from tracked import no_settings

from erkt.data.images import open_images
from erkt.data.lists import read_list
from erkt.deploy import onnx_file
from erkt.deploy.card import KEY, ModelCard
from erkt.deploy.describe import alone
from erkt.deploy.onnx_model import OnnxModel
from erkt.deploy.registry import ALIAS
from erkt.errors import ErktError
from erkt.evaluation.predictions import Predictions
from erkt.files.csv_file import write_csv
from erkt.pipeline import paths
from erkt.pipeline.commands import register

NAME = "erkt-scenes"


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    with no_settings():
        yield


def by_channel(path: Path, card: ModelCard, scale: float) -> Path:
    """Write a network that says which channel is brightest, which is right; or, scaled by -1, darkest."""
    side, classes = card.side, len(card.classes)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["features"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["features", "turn"], ["logits"]),
    ]
    turn = onnx.numpy_helper.from_array(np.float32(scale * np.eye(3)[::-1]), "turn")
    taken = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", side, side, 3])
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
        for name, width in (("logits", classes), ("features", 3))
    ]
    graph = helper.make_graph(nodes, "by_channel", [taken], given, [turn])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {KEY: card.to_json()})
    onnx.save(model, path)
    return path


class Lab:
    """A run whose test list is made of its validation images, with a store of its own."""

    def __init__(self, made: Made, exported: Exported, root: Path) -> None:
        self.root, self.card = root, exported.described.card
        shutil.copytree(made.run.prepared.parent, root / "data")
        shutil.copy(ROOT / "params.yaml", root)
        self.student = Path(shutil.copy(exported.path, root / "student.onnx"))
        self.right = by_channel(root / "right.onnx", self.card, 1)
        self.wrong = by_channel(root / "wrong.onnx", self.card, -1)
        images = open_images(root / paths.PREPARED)
        self.test = images.subset(read_list(root / paths.split_list(0, "val")))
        self.write_predictions(range(len(self.test)))

    def write_predictions(self, places: Sequence[int]) -> None:
        """Let the run's test list be some of the images."""
        logits = np.zeros((len(self.test), len(self.card.classes)))
        rows = Predictions.of(self.test, student=logits, ensemble=logits).rows()
        write_csv(self.root / paths.predictions(0), [rows[place] for place in places])

    def register(self, *arguments: object) -> list[str]:
        """Run the command; return the lines that it prints."""
        parser, told = ArgumentParser(), io.StringIO()
        register.arguments(parser)
        with contextlib.chdir(self.root), contextlib.redirect_stdout(told):
            assert register.run(parser.parse_args([str(argument) for argument in arguments])) == 0
        return told.getvalue().splitlines()

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def champion(self) -> str:
        return str(self.client.get_model_version_by_alias(NAME, ALIAS).version)

    def tags(self, version: str) -> dict[str, str]:
        return dict(self.client.get_model_version(NAME, version).tags)

    def pixels(self) -> Any:
        return np.ascontiguousarray(self.test.pixels(range(len(self.test))).transpose(0, 2, 3, 1))


@pytest.fixture
def lab(made: Made, exported: Exported, tmp_path: Path) -> Lab:
    return Lab(made, exported, tmp_path / "lab")


def test_a_version_holds_the_model_and_what_is_known_of_it_and_no_pickle(lab: Lab) -> None:
    lab.register(lab.student)
    version = lab.client.get_model_version(NAME, "1")
    folder = lab.root / "artifacts"
    lab.client.download_artifacts(version.run_id, "", str(folder))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"model/model.onnx", "model/input_example.json", "erkt.json", "test_predictions.csv"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pt", ".bin", ".data", ".py"))]
    assert json.loads((folder / "erkt.json").read_text()) == json.loads(lab.card.to_json())

    from mlflow.models import Model

    stored = Model.load(str(folder / "model"))
    assert stored.metadata["classes"] == list(lab.card.classes)
    assert stored.metadata["card"]["calibration"]["temperature"] == lab.card.temperature
    assert stored.signature.inputs.inputs[0].shape == (-1, 32, 32, 3)
    first = stored.signature.outputs.inputs[0]
    assert (first.name, first.shape) == ("logits", (-1, 3))
    metrics = lab.client.get_run(version.run_id).data.metrics
    assert metrics["oa"] == lab.card.results["oa"]
    hits = OnnxModel(lab.student).logits(lab.pixels()).argmax(axis=1) == lab.test.labels
    assert metrics["registered_oa"] == pytest.approx(100 * hits.mean())
    assert float(lab.tags("1")["erkt.oa"]) == pytest.approx(100 * hits.mean())


def test_mlflow_loads_it_and_it_says_the_same(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.register(lab.student)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", lab.uri)
    import mlflow

    said = mlflow.pyfunc.load_model(f"models:/{NAME}@{ALIAS}").predict(lab.pixels())
    np.testing.assert_allclose(said["logits"], OnnxModel(lab.student).logits(lab.pixels()), rtol=0, atol=1e-5)


def test_the_champion_changes_only_for_one_that_beats_it(lab: Lab) -> None:
    count = len(lab.test)
    assert lab.register(lab.wrong)[1] == "champion: version 1, the first"
    lines = lab.register(lab.right)
    assert lines[0] == f"{NAME}: version 2, OA 100.00 % on {count} test images"
    assert lines[1].startswith("against version 1: +100.00 points [+100.00, +100.00] at 95 %; ")
    assert lines[2] == "champion: version 2, it beats version 1"
    assert lab.champion() == "2"
    assert {
        name: lab.tags("2")[f"erkt.{name}"] for name in ("compared_with", "better", "worse", "images")
    } == {
        "compared_with": "1",
        "better": str(count),
        "worse": "0",
        "images": str(count),
    }
    equal = by_channel(lab.root / "equal.onnx", lab.card, 2)
    assert lab.register(equal)[2] == "champion: version 2 stays, the interval is not above 0"
    assert lab.champion() == "2"
    assert lab.tags("3")["erkt.compared_with"] == "2"


def test_the_same_file_is_one_version(lab: Lab) -> None:
    lab.register(lab.right)
    assert lab.register(lab.right) == [
        f"{NAME}: version 1, registered before, OA 100.00 % on {len(lab.test)} test images",
        "champion: version 1 stays, it is this one",
    ]
    assert "erkt.compared_with" not in lab.tags("1")


def test_who_forces_it_is_kept(lab: Lab) -> None:
    lab.register(lab.right)
    assert lab.register(lab.wrong, "--force", "Ana Silva")[2] == "champion: version 2, by Ana Silva"
    assert lab.champion() == "2"
    tags = lab.tags("2")
    assert (tags["erkt.forced_by"], tags["erkt.difference"]) == ("Ana Silva", "-100.0")
    assert "erkt.forced_by" not in lab.tags("1")


def test_another_test_list_is_refused_and_nothing_is_registered(lab: Lab) -> None:
    lab.register(lab.wrong)
    lab.write_predictions(range(1, len(lab.test)))
    count = len(lab.test)
    which = f"{NAME} version 1, its champion"
    message = f"its test list is not that of {which}: {count - 1} and {count} images, {count - 1} in both"
    with pytest.raises(ErktError, match=re.escape(message)):
        lab.register(lab.right)
    assert lab.champion() == "1"
    assert len(lab.client.search_model_versions(f"name = '{NAME}'")) == 1
    assert lab.register(lab.right, "--name", "other")[1] == "champion: version 1, the first"
    assert lab.register(lab.right, "--force", "Ana")[-1] == "champion: version 2, by Ana"


def test_an_order_of_its_own_is_the_same_list(lab: Lab) -> None:
    lab.register(lab.wrong)
    lab.write_predictions(range(len(lab.test))[::-1])
    assert lab.register(lab.right)[2] == "champion: version 2, it beats version 1"


def test_what_is_no_student_of_this_run_is_one_line(lab: Lab, made: Made) -> None:
    assert lab.card.training is not None
    other = replace(lab.card, training=replace(lab.card.training, list_sha256="0" * 64))
    found = alone(made.run.network, lambda _: lab.card.preparation)
    floats = lab.root / "floats.onnx"
    described = replace(found, card=lab.card)
    onnx_file.write(described.model, described.card, floats, float_input=True)
    refused = {
        by_channel(lab.root / "other.onnx", other, 1): "was trained on other images than this run has",
        by_channel(lab.root / "alone.onnx", found.card, 1): "nothing says what it was trained on",
        lab.root / "data/students/0": "MLflow is given ONNX",
        floats: "takes floats; export it without --float-input",
        lab.root / "none.onnx": "no such model",
    }
    for path, message in refused.items():
        with pytest.raises(ErktError, match=re.escape(message)):
            lab.register(path)
    for arguments in (["--force", " "], ["--name", "a/b"], ["--name", "it's"]):
        with pytest.raises(ErktError, match="expected"):
            lab.register(lab.right, *arguments)


def test_a_store_that_is_none_is_one_line(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ana:secret@127.0.0.1:9")
    with pytest.raises(ErktError) as refused:
        lab.register(lab.right)
    assert "secret" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.slow
def test_mlflow_serves_the_champion(lab: Lab) -> None:
    """Its server starts uvicorn by name: the environment's programs have to be on PATH."""
    lab.register(lab.student)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": lab.uri}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", f"models:/{NAME}@{ALIAS}", "--host", "127.0.0.1", "--port", str(port)]
    log = lab.root / "server.log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, start_new_session=True
        ) as server,
    ):
        try:
            until = time.monotonic() + 300
            while not _is_up(port):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.5)
            said = _ask(port, {"inputs": lab.pixels()[:5].tolist()})
            expected = OnnxModel(lab.student).logits(lab.pixels()[:5])
            np.testing.assert_allclose(said["predictions"]["logits"], expected, rtol=0, atol=1e-4)
            with pytest.raises(urllib.error.HTTPError) as refused:
                _ask(port, {"inputs": lab.pixels()[:1, :5].tolist()})
            assert refused.value.code == 400
        finally:
            os.killpg(server.pid, 15)  # the server is its child's child


def _is_up(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ping") as answer:
        return bool(answer.status == 200)
    return False


def _ask(port: int, question: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps(question).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
