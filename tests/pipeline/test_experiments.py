"""Experiment files, the params of their rows, and how these reach DVC."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from closure import ROOT
from dvc.utils.hydra import apply_overrides

from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.params.schema import build
from erkt.pipeline.experiments.definition import Experiment, digest, find_experiment
from erkt.pipeline.experiments.launch import overrides

NAMES = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
SCENES = read_yaml(ROOT / "presets/scenes.yaml")


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def experiment(**changes: Any) -> Experiment:
    content = {
        "name": "made",
        "title": "t",
        "source": "Table 0",
        "compares": "students",
        "presets": ["scenes"],
        "seeds": [3, 4],
        "set": {"distill.recipe.epochs": 60},
        "rows": {"one": {"label": "1", "set": {}}, "two": {"label": "2", "set": {"vsm": "${base}"}}},
        "reference": "one",
        "paper": {},
    }
    return build(Experiment, content | changes, "made")


def made(key: str, value: object) -> dict[str, Any]:
    """Return the params of a row that sets ``key`` after the experiment has set 60 epochs."""
    return experiment(rows={"one": {"label": "1", "set": {key: value}}}).params("scenes", "one", quick=False)


def test_a_row_is_the_preset_with_what_the_experiment_and_the_row_set() -> None:
    params = experiment().params("scenes", "two", quick=False)
    expected = SCENES | {"seeds": [3, 4], "vsm": SCENES["base"]}
    expected["distill"] = SCENES["distill"] | {"recipe": SCENES["distill"]["recipe"] | {"epochs": 60}}
    assert params == expected
    assert experiment().params("scenes", "one", quick=False)["vsm"] == SCENES["vsm"], (
        "the preset itself changed"
    )


def test_a_value_may_name_a_param_a_multiple_of_it_and_a_param_of_a_file() -> None:
    assert made("cache.views_per_block", "${distill.recipe.epochs}")["cache"]["views_per_block"] == 60
    longer = made("distill.recipe.epochs", "5 * ${distill.recipe.epochs}")
    assert longer["distill"]["recipe"]["epochs"] == 300
    other = made("distill", "${presets/aid100-64-fast.yaml:distill}")
    assert other["distill"] == read_yaml(ROOT / "presets/aid100-64-fast.yaml")["distill"]


def test_a_quick_row_keeps_what_it_compares_and_little_else() -> None:
    params = experiment().params("scenes", "two", quick=True)
    assert (params["seeds"], params["vsm"]) == ([0], SCENES["base"])
    assert {teacher["recipe"]["epochs"] for teacher in params["teachers"].values()} == {5}
    assert params["cache"] == {"blocks": [0], "views_per_block": 5}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("distill.lost", 1, r"the key 'distill\.lost' is missing"),
        ("cache.views_per_block", "${distill.lost}", r"the key 'distill\.lost' is missing"),
        ("cache.views_per_block", "5 * ${distill.loss}", r"distill\.loss is no number to multiply"),
        ("distill.loss", "dits", "is not one of dist, kd, dkd, none"),
        ("cache.views_per_block", 61, "61 views for 60 epochs"),
    ],
)
def test_a_row_that_is_no_protocol_is_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ErktError, match=f"^experiment made, preset scenes, row one.*{message}"):
        made(key, value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "onee"}, "did you mean 'one'"),
        ({"reference": None}, "reference: a row of students"),
        ({"compares": "networks"}, "reference: a row of students to compare with; none"),
        ({"compares": "networks", "reference": None}, "rows: networks are those of one row"),
        ({"paper": {"p": {"three": "9"}}}, r"paper\.p: no row 'three'"),
        ({"rows": {"a b": {"label": "", "set": {}}}}, "may hold only letters"),
        ({"rowz": {}}, "unknown key 'rowz'"),
    ],
)
def test_an_experiment_that_fits_not_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ErktError, match=message):
        experiment(**changes)


def test_what_changes_no_result_has_no_part_in_the_digest() -> None:
    other = SCENES | {"runtime": {"threads": 2}, "tracking": {"enabled": False}}
    assert digest(other) == digest(SCENES)
    assert digest(SCENES | {"seeds": [5, 6]}) != digest(SCENES)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_every_experiment_is_a_valid_protocol(name: str) -> None:
    """Beside its presets, the smaller AID and, unless it names teachers, the scenes; rows differ."""
    one = find_experiment(name)
    for preset in {*one.presets, "aid100", *({"scenes"} if name != "single_teachers" else ())}:
        for quick in (False, True):
            rows = {digest(one.params(preset, row, quick=quick)) for row in one.rows}
            assert len(rows) == len(one.rows), "two rows are the same"
    assert set(one.paper) <= {path.stem for path in PRESETS}


@pytest.mark.parametrize("old", PRESETS, ids=lambda path: path.stem)
def test_dvc_makes_the_params_that_are_asked_for(old: Path, tmp_path: Path) -> None:
    for new in [*PRESETS, ROOT / "tests/tiny.yaml"]:
        shutil.copy(old, tmp_path / "params.yaml")
        wanted = read_yaml(new)
        apply_overrides(tmp_path / "params.yaml", list(overrides(read_yaml(old), wanted)))
        assert read_yaml(tmp_path / "params.yaml") == wanted


ODD = [
    "it's",
    'say "x"',
    "a b",
    "$AID100",
    "back\\slash",
    "#c",
    "[a, b]",
    "{k: v}",
    "null",
    "",
    "1e-4",
    "true",
    "ü",
]
VALUES = [*ODD, None, True, 0, -3, 1e-6, 0.5, [1, [2.5, "x"]], {"k": {"l": [1e-7]}}, {"m": 1}, []]


@pytest.mark.parametrize("new", VALUES, ids=repr)
def test_any_value_reaches_dvc_from_any_other(new: object, tmp_path: Path) -> None:
    path, wanted = tmp_path / "params.yaml", {"a": {"k": new}}
    for old in VALUES:
        path.write_text(yaml.safe_dump({"a": {"k": old}}), encoding="utf-8")
        apply_overrides(path, list(overrides(read_yaml(path), wanted)))
        assert read_yaml(path) == wanted, old


@pytest.mark.parametrize("value", ["${HOME}/x", "C:\\"])
def test_a_text_that_the_grammar_cannot_carry_is_refused(value: str) -> None:
    with pytest.raises(ErktError, match=r"write \$NAME"):
        list(overrides({"a": 1}, {"a": value}))


def test_the_preset_of_the_scenes_is_the_protocol_of_this_repository() -> None:
    assert read_yaml(ROOT / "presets/scenes.yaml") == read_yaml(ROOT / "params.yaml")


def test_the_fast_preset_is_the_recipe_that_was_measured() -> None:
    fast = read_yaml(ROOT / "presets/aid100-64-fast.yaml")
    for name, row in (("fast", "fast"), ("frontier", "small26")):
        measured = find_experiment(name).params("aid100-64", row, quick=False)
        assert fast | {"seeds": measured["seeds"]} == measured
