import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
import yaml
from deploy_run import Made
from markdown_it import MarkdownIt

from erkt.deploy import card, timm_folder
from erkt.deploy.describe import describe
from erkt.deploy.model_card import model_card
from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.params.prepare import Prepare


def test_a_card_holds_what_its_run_knows(made: Made) -> None:
    found = made.described().card
    assert found.preparation == Prepare(32, "bilinear", "center_crop", "refuse")
    assert found.classes == ("blue", "green", "red")
    assert {name: weights.arch for name, weights in found.teachers.items()} == {
        "one": "test_byobnet",
        "two": "test_efficientnet",
    }
    assert (found.teachers["one"].source, found.teachers["one"].licence) == ("random", None)
    assert found.shares == {"one": 0.75, "two": 0.25}
    assert found.results == {"oa": 91.5, "nll": 0.25}
    assert (found.commit, found.precision) == ("0123456-dirty", "fp32")
    assert found.training is not None
    assert (found.training.images, found.training.dataset, found.training.unlabelled) == (12, "noise", 0)
    assert found.training.pixels_sha256 == sha256_file(made.run.prepared / "images.npy")
    assert found.calibration is not None
    assert (found.calibration.part, found.calibration.images, found.calibration.aim) == (
        "validation",
        12,
        25.0,
    )


def test_a_card_comes_back_from_json_as_it_was(made: Made) -> None:
    found = made.described().card
    assert card.from_json(found.to_json(), "file") == found


def test_without_a_validation_part_nothing_is_calibrated(
    made: Made, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("lists") / "val.txt"
    empty.write_text("")
    run = replace(made.run, val=empty, metrics=empty.parent / "none", ensemble=empty.parent / "none")
    found = describe(run, aim=95.0, batch_size=8, device=torch.device("cpu")).card
    assert (found.calibration, found.temperature, found.threshold) == (None, 1.0, None)
    assert (found.teachers, found.results) == ({}, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2, this erkt reads 1; update erkt"),
        ({"filter": "nearest"}, "model.onnx: card.filter: text ('nearest') is not one of box, bilinear"),
        ({"sides": 3}, "card: unknown key 'sides'; did you mean 'side'"),
    ],
)
def test_a_card_that_cannot_be_read_is_one_line(made: Made, change: dict[str, object], message: str) -> None:
    values = json.loads(made.described().card.to_json()) | change
    with pytest.raises(ErktError, match=r"model\.onnx") as caught:
        card.from_json(json.dumps(values), "model.onnx")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"arch": "resnet"}'])
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(ErktError, match=r"its card: not readable as JSON|no card of an exported model"):
        card.from_json(text, "model.onnx")


def test_bands_and_stretch_are_in_the_card_and_absent_from_that_of_pictures(made: Made) -> None:
    found = made.described().card
    assert not {"bands", "stretch"} & json.loads(found.to_json()).keys()
    declared = replace(found, bands=(3, 2, 1), stretch=(0.0, 4095.0))
    again = card.from_json(declared.to_json(), "here")
    assert again == declared
    assert (again.preparation.bands, again.preparation.stretch) == ((3, 2, 1), (0.0, 4095.0))
    assert "bands 3, 2, 1, values 0 to 4095 as black to white" in model_card(declared)
    assert "prepare.bands" in str(timm_folder.refusal(declared))


EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[free](http://evil.example)",
    "![](http://evil.example/a.png)",
    "*bold* _thin_ `code` ~~no~~ $x$ |cell|",
    "http://evil.example and www.evil.example",
    "# title",
    "storage_tanks & 海岸 &lt;",
)


def test_a_model_card_shows_names_as_they_are_and_makes_nothing_of_them(made: Made) -> None:
    found = made.described().card
    weights = replace(found.weights, source=EVIL[0], origin=EVIL[2])
    training = found.training and replace(found.training, dataset=EVIL[1])
    evil = replace(
        found, classes=EVIL, weights=weights, training=training, results={EVIL[4]: 1.0, "oa": 91.0}
    )
    _, front, text = model_card(evil).split("---\n", 2)
    assert yaml.safe_load(front)["model-index"][0]["results"][0]["dataset"]["name"] == EVIL[1]
    shown = HTMLParser()
    tags: set[str] = set()
    words: list[str] = []
    shown.handle_starttag = lambda tag, attributes: tags.add(tag)  # type: ignore[method-assign]
    shown.handle_data = words.append  # type: ignore[method-assign]
    shown.feed(MarkdownIt("gfm-like", {"linkify": False}).render(text))
    assert tags <= {"h1", "h2", "p", "ul", "li", "pre", "code"}
    assert all(name in "".join(words) for name in EVIL)
    for name in EVIL[2:4]:  # as a program reads it that makes a link of whatever looks like one
        assert name not in text
    assert re.search(r"(?<!\\)(http:|www\.)", text) is None
