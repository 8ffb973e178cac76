"""A teacher as foundation models are used: a transformer with a side of its own and a frozen backbone."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from clone import Clone
from safetensors.torch import load_file
from test_kill import Broken

from erkt.networks import models
from erkt.params.network import Network
from erkt.params.schema import build
from erkt.seeds import derive

pytestmark = pytest.mark.slow

TEACHER = "data/teachers/0/one/weights.safetensors"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which a transformer that sees 32 px images at 48 px has taught, with its head trained."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    one = clone.params["teachers"]["one"]
    one["network"] |= {"arch": "test_vit3", "side": 48, "options": {"img_size": 48}}
    one["train"] = "head"
    clone.params["runtime"] |= {"checkpoint_seconds": 0, "recompute": True}
    clone.params["student"]["side"] = 64
    clone.write_params()
    clone.repro("--all-pipelines")
    clone.commit("run")
    shutil.rmtree(clone.folder / ".dvc/cache/runs")
    return clone


def test_its_head_alone_was_trained_and_the_card_says_how_it_sees(finished: Clone) -> None:
    settings = build(Network, finished.params["teachers"]["one"]["network"], "network")
    model = models.load_folder((finished.folder / TEACHER).parent, None)
    assert (model.card.side, model.card.network_side, model.card.options) == (32, 48, {"img_size": 48})
    initial = models.build(settings, model.card.classes, 32, derive(0, "teacher", "one"), {}).network
    trained, before = load_file(finished.folder / TEACHER), initial.state_dict()
    moved = {name for name, tensor in trained.items() if not torch.equal(tensor, before[name])}
    assert moved == {"head.weight", "head.bias"}


def test_the_student_sees_them_at_its_own_side(finished: Clone) -> None:
    card = models.load_folder(finished.folder / "data/students/0", None).card
    assert (card.side, card.network_side) == (32, 64)
    rows = yaml.safe_load((finished.folder / "metrics/evaluate/0.json").read_text(encoding="utf-8"))
    assert {row["network"] for row in rows} >= {"student", "ensemble"}


def test_a_kill_while_its_head_is_trained_changes_no_bit(finished: Clone, tmp_path: Path) -> None:
    broken = Broken(finished, tmp_path / "clone", "train_teacher")
    done = broken.repro(file="checkpoint.safetensors", count=3, target="group")
    assert done.returncode != 0, f"nothing was killed: {done.stdout}{done.stderr}"
    broken.assert_mended()


def test_a_side_that_it_does_not_take_is_refused_before_and_by_the_first_stage(
    finished: Clone, tmp_path: Path
) -> None:
    shutil.copytree(finished.folder, tmp_path / "clone", symlinks=True)
    clone = Clone.at(tmp_path / "clone")
    clone.params["teachers"]["one"]["network"] |= {
        "arch": "vit_tiny_patch16_224",
        "side": None,
        "options": {},
    }
    clone.write_params()
    line = "vit_tiny_patch16_224: does not take images of 32 pixels: "
    line += "Input height (32) doesn't match model (224); set options.img_size: 32, or set side: 224"
    for command, said in [
        ("params", f"error: params.yaml: teachers.one.network: {line}"),
        ("stage train_teacher --seed 0 --teacher one", f"error: train_teacher@0-one: {line}"),
    ]:
        done = clone.python("-m", "erkt", *command.split())
        assert (done.returncode, done.stderr.splitlines()[-1]) == (1, said)
