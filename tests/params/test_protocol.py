from pathlib import Path
from typing import Any

import pytest
import yaml

from erkt.errors import ErktError
from erkt.params.protocol import check

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "params.yaml", ROOT / "tests/tiny.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]
PAPERS = ["aid30-tr20", "aid30-tr50", "nwpu45-tr10", "nwpu45-tr20"]
PAPERS += ["afgr50-tr10", "afgr50-tr20", "afgr50-tr30"]


def tiny() -> dict[str, Any]:
    params: dict[str, Any] = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text(encoding="utf-8"))
    return params


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_parameter_file_is_valid(file: Path) -> None:
    check(yaml.safe_load(file.read_text(encoding="utf-8")), file.name)


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_presets_hold_the_papers_numbers(name: str) -> None:
    params = yaml.safe_load((ROOT / f"presets/{name}.yaml").read_text(encoding="utf-8"))
    protocol = check(params, name)
    assert protocol.split.train_percent == float(name.rpartition("tr")[2])
    assert protocol.split.val_percent == 0
    assert len(protocol.seeds) >= 3
    assert protocol.prepare.side == 256
    recipe = protocol.distill.recipe
    assert (recipe.epochs, recipe.batch_size) == (600, 30)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.warmup_epochs) == (2e-4, 1e-6, 0)
    assert protocol.ensemble.weights == {"efficientnet_b0": 0.3, "efficientnet_b3": 0.4, "resnet50": 0.3}
    assert (protocol.distill.loss, protocol.distill.loss_ratio) == ("dist", 1.0)
    assert protocol.distill.dist.tau == 2.0
    assert len(protocol.cache.views) == 600
    assert {operation: settings["p"] for operation, settings in params["vsm"].items()} == {
        "color_jitter": 1.0,
        "rotation": 1.0,
        "horizontal_flip": 0.9,
        "vertical_flip": 0.9,
        "grayscale": 0.1,
        "autocontrast": 0.1,
        "erasing": 1.0,
        "resized_crop": 0.1,
        "cutmix": 1.0,
    }


def test_teachers_in_bf16_are_torchs() -> None:
    params = tiny()
    params["cache"]["precision"] = "bf16"
    check(params, "params.yaml")
    params["runtime"]["caching"] = "onnx"
    with pytest.raises(ErktError, match=r"cache\.precision: bf16 takes torch's networks; set runtime"):
        check(params, "params.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "dkd"}, r"distill\.loss: dkd needs every image's label; take dist or kd"),
        ({"loss": "none"}, r"loss: none with loss_ratio: 1 learns nothing from unlabelled images"),
        ({"loss_ratio": 2.0}, r"loss: dist with loss_ratio: 2 learns nothing from unlabelled images"),
        ({"loss_ratio": 0.0}, None),
        ({"loss": "kd"}, None),
    ],
)
def test_losses_that_cannot_learn_from_unlabelled_images_are_refused(
    change: dict[str, Any], message: str | None
) -> None:
    params = tiny()
    params["distill"] |= change
    check(params, "params.yaml")
    more = {"unlabelled": {"source": "folder", "location": "more", "sha256": None}}
    for section, changes in (("split", {"unlabelled_percent": 20}), ("dataset", more)):
        changed = params | {section: params[section] | changes}
        if message is None:
            check(changed, "params.yaml")
        else:
            with pytest.raises(ErktError, match=message):
                check(changed, "params.yaml")


FILE = {"source": "file", "revision": None, "sha256": None}
ARCHIVE = tiny()["dataset"] | {"source": "archive", "scenes": None, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("distil", {}, r"unknown key 'distil'; did you mean 'distill'\?"),
        ("seeds", [1, 1], r"seeds: an entry is repeated"),
        ("split.train_percent", 100, r"train_percent: 100\.0 is out of range"),
        ("vsm.cutmix.p", 1.1, r"vsm\.cutmix\.p: 1\.1 is out of range"),
        ("distill.loss_ratio", 2.5, r"distill\.loss_ratio: 2\.5 is out of range"),
        ("distill.recipe.batch_size", 31, r"batch_size must be even"),
        ("distill.recipe.processes", 5, r"processes is 5, but a batch of 8 has only 4 pairs"),
        ("distill.recipe.learning_rate", "1e-4", r"write 0\.0001 without quotes"),
        ("distill.recipe.warmup_epochs", 10_000, r"warmup_epochs \(10000\) must be fewer than epochs"),
        ("cache.views_per_block", 10_000, r"more views than epochs"),
        (
            "distill.resizing",
            {"first_side": 99, "full_after": 0.5},
            r"99 pixels, but images have 32",
        ),
        ("distill.resizing.first_side", 8, r"first_side and full_after belong together"),
        ("distill.resizing.full_after", 0.5, r"first_side and full_after belong together"),
        ("cache.blocks", [0, 2], r"cache\.blocks: expected 0 to 1"),
        ("distill.finish", 0.05, r"distill\.finish: a share of 0\.05 of \d views is none or all of them"),
        ("teachers.one.views", {"cutmx": {"p": 1.0}}, r"teachers\.one: views: .*did you mean 'cutmix'"),
        ("teachers.one.views", {"cutmix": {"q": 1.0}}, r"teachers\.one: views\.cutmix: unknown key 'q'"),
        (
            "student.weights",
            FILE | {"location": "https://me@host/w"},
            r"student\.weights\.location: an address",
        ),
        (
            "dataset",
            ARCHIVE | {"location": "https://me:hidden@host/a.zip?x=1"},
            r"dataset\.location: an address",
        ),
        ("ensemble.lead", "nobody", r"there is no teacher 'nobody'"),
        ("ensemble.weights", {"nobody": 1.0}, r"there is no teacher 'nobody'"),
        ("ensemble.weights", {"one": 1.0}, r"every teacher needs a weight, or weights is null"),
        ("ensemble.weights", {"one": 0.75, "two": 0.75}, r"they sum to 1\.5, expected 1"),
        ("split.unlabelled_percent", 40, r"split: train_percent 60 and unlabelled_percent 40 leave no image"),
        ("split.val_percent", 0, r"ensemble\.search: weights are searched on the validation part"),
        ("vsm.erasing.scale", [0.5, 0.1], r"vsm\.erasing: scale: the first number must not exceed"),
        ("student.weights.source", "file", r"location belongs to source: file"),
        ("runtime.inference_batch", 61, r"runtime: inference_batch must be even"),
        ("teachers", {"student": tiny()["teachers"]["one"]}, r"teachers: 'student' is a name"),
    ],
)
def test_a_wrong_protocol_is_refused_in_one_line(path: str, value: object, message: str) -> None:
    params = tiny()
    *sections, last = path.split(".")
    section = params
    for name in sections:
        section = section[name]
    section[last] = value
    with pytest.raises(ErktError, match=message) as caught:
        check(params, "params.yaml")
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)
