import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Exported
from deploy_run import Made
from huggingface_hub import ModelCard
from PIL import Image

import erkt
from erkt.deploy import exporting, timm_folder
from erkt.errors import ErktError

TIMM_ALONE = """
import sys
sys.modules["erkt"] = None  # importing it would fail
import json, timm, torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
model = timm.create_model(f"local-dir:{sys.argv[1]}", pretrained=True).eval()
transform = create_transform(**resolve_data_config(model=model), is_training=False)
images = torch.stack([transform(Image.open(path).convert("RGB")) for path in sys.argv[2:]])
with torch.inference_mode():
    print(json.dumps([model.pretrained_cfg["label_names"], model(images).tolist()]))
"""

TRANSFORMERS_ALONE = """
import sys
sys.modules["erkt"] = None
import json, torch
from PIL import Image
from transformers import pipeline
made = pipeline("image-classification", model=sys.argv[1])
images = [Image.open(path).convert("RGB") for path in sys.argv[2:]]
with torch.inference_mode():
    logits = made.model(**made.image_processor(images, return_tensors="pt")).logits
names = [made.model.config.id2label[number] for number in range(logits.shape[1])]
assert [each[0]["label"] for each in made(images)] == [names[best] for best in logits.argmax(dim=1)]
print(json.dumps([names, logits.tolist()]))
"""


@pytest.fixture(scope="module")
def folder(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("timm") / "student"
    assert exporting.to_timm(exported.described, path) < 1e-4
    return path


def squares(folder: Path) -> list[Path]:
    rng, paths = np.random.default_rng(3), []
    for number in range(4):
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(rng.integers(0, 256, (70, 70, 3)).astype(np.uint8)).save(paths[-1])
    return paths


@pytest.mark.parametrize(
    ("tool", "script"),
    [("timm", TIMM_ALONE), ("transformers", TRANSFORMERS_ALONE)],
    ids=["timm", "transformers"],
)
def test_other_tools_alone_give_the_networks_logits(
    exported: Exported, folder: Path, tmp_path: Path, tool: str, script: str
) -> None:
    pytest.importorskip(tool)
    paths = squares(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), *map(str, paths)],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    names, found = json.loads(done.stdout)
    assert names == list(exported.described.card.classes)
    side = exported.described.card.side
    pixels = [np.asarray(Image.open(path).resize((side, side), Image.Resampling.BILINEAR)) for path in paths]
    with torch.inference_mode():
        expected = exported.described.model(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-4)


def test_the_folder_predicts_as_the_onnx_file_does(made: Made, exported: Exported, folder: Path) -> None:
    images = sorted(made.images.rglob("*.jpg"))
    one, other = erkt.load(folder), erkt.load(exported.path)
    assert one.card == other.card
    for mine, theirs in zip(one.predict(images), other.predict(images), strict=True):
        np.testing.assert_allclose(mine.probabilities, theirs.probabilities, atol=1e-5)
        assert mine.unsure == theirs.unsure


def test_the_model_card_is_read_back_with_the_runs_figures(folder: Path) -> None:
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "timm"
    (result,) = card.data.eval_results or []
    assert (result.dataset_name, result.dataset_split, result.metric_value) == ("noise", "test", 91.5)
    for told in ("test_byobnet, random", "share 0.75", "0123456-dirty", "blue, green, red"):
        assert told in card.text


def test_a_licence_of_the_initial_weights_is_the_cards(exported: Exported) -> None:
    card = exported.described.card
    for licence, expected in {"apache-2.0": "apache-2.0", None: None, "not stated": None}.items():
        text = timm_folder.model_card(replace(card, weights=replace(card.weights, licence=licence)))
        assert ModelCard(text).data.license == expected


def test_config_has_what_transformers_asks_for(exported: Exported, folder: Path) -> None:
    """``TimmWrapperConfig`` of transformers reads these keys; it is not installed where this is tested."""
    config = json.loads((folder / "config.json").read_text())
    assert config["architecture"] == "test_resnet"
    assert config["label_names"] == list(exported.described.card.classes)
    assert config["num_classes"] == 3
    assert config["pretrained_cfg"]["input_size"] == [3, 32, 32]
    assert config["pretrained_cfg"]["crop_mode"] == "center"


def test_an_export_that_differs_is_not_kept(exported: Exported, tmp_path: Path) -> None:
    wrong = replace(exported.described.card, std=(0.3, 0.3, 0.3))
    with pytest.raises(ErktError, match="its logits differ from the network's"):
        exporting.to_timm(replace(exported.described, card=wrong), tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_a_network_with_a_side_of_its_own_is_refused(exported: Exported, tmp_path: Path) -> None:
    card = replace(exported.described.card, network_side=48)
    with pytest.raises(ErktError, match="timm resizes once, these images are resized to 32 and to 48 pixels"):
        exporting.to_timm(replace(exported.described, card=card), tmp_path / "folder")


def test_a_damaged_folder_is_one_line(folder: Path, tmp_path: Path) -> None:
    for name, damage in {"model.safetensors": b"cut", "erkt.json": b"{}"}.items():
        broken = tmp_path / name
        shutil.copytree(folder, broken)
        (broken / name).write_bytes(damage)
        with pytest.raises(ErktError, match=f"{name}: (cannot be read as weights|it has no card)"):
            erkt.load(broken)
