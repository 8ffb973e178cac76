"""Experiment files, the params of their rows, and how these reach DVC."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from closure import ROOT
from dvc.utils.hydra import apply_overrides

from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.pipeline import paths
from erkt.pipeline.experiments.definition import Experiment, digest, find_experiment, find_preset, names_in
from erkt.pipeline.experiments.launch import overrides

FILES = names_in(ROOT / "experiments")
PRESETS = names_in(ROOT / "presets")
PRESET, OTHER = "aid100-64", "presets/eurosat-tr5.yaml"
CONTENT: dict[str, Any] = {
    "title": "t",
    "source": "Table 0",
    "compares": "students",
    "presets": [PRESET],
    "seeds": [0, 1],
    "set": {"distill.loss_ratio": 0.5},
    "rows": {"one": {"label": "1", "set": {}}, "two": {"label": "2", "set": {"distill.loss": "kd"}}},
    "reference": "one",
}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Experiment]:
    """Return what reads an experiment ``x`` with changes to CONTENT."""
    monkeypatch.setattr(paths, "EXPERIMENTS", tmp_path)

    def made(**changes: Any) -> Experiment:
        (tmp_path / "x.yaml").write_text(yaml.safe_dump(CONTENT | changes, sort_keys=False), encoding="utf-8")
        return find_experiment("x")

    return made


def one(changes: dict[str, Any]) -> dict[str, Any]:
    return {"one": {"label": "1", "set": changes}}


def test_a_row_is_the_preset_with_what_experiment_and_row_set(make: Callable[..., Experiment]) -> None:
    expected = copy.deepcopy(find_preset(PRESET))
    expected["seeds"], expected["distill"]["loss_ratio"] = [0, 1], 0.5
    assert make().params(PRESET, "one", quick=False) == expected
    expected["distill"]["loss"] = "kd"
    assert make().params(PRESET, "two", quick=False) == expected
    assert make().run_name(PRESET, "two", expected) == f"x-{PRESET}-two-{digest(expected)}"


def test_values_are_copied_from_the_params_as_they_are_then_or_from_a_file(
    make: Callable[..., Experiment],
) -> None:
    changes = {
        "vsm": "${base}",
        "vsm.rotation.p": 0.0,
        "distill.recipe": f"${{{OTHER}:distill.recipe}}",
        "distill.recipe.epochs": "5 * ${distill.recipe.epochs}",
        "cache.views_per_block": "${distill.recipe.epochs}",
    }
    preset, other = copy.deepcopy(find_preset(PRESET)), read_yaml(Path(OTHER))
    made = make(rows=one(changes)).params(PRESET, "one", quick=False)
    assert made["base"] == preset["base"], "a change of the copy has reached what was copied"
    assert made["vsm"] == preset["base"] | {"rotation": preset["base"]["rotation"] | {"p": 0.0}}
    epochs = 5 * other["distill"]["recipe"]["epochs"]
    assert made["distill"]["recipe"] == other["distill"]["recipe"] | {"epochs": epochs}
    assert made["cache"]["views_per_block"] == epochs
    assert find_preset(PRESET) == preset


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distill.los": 1}, "distill.los: there is no 'los'; did you mean 'loss'?"),
        ({"distill.loss.x": 1}, "distill.loss.x: there is no 'x'"),
        ({"vsm": "${bas}"}, "vsm: bas: there is no 'bas'; did you mean 'base'?"),
        ({"vsm": "${presets/none.yaml:vsm}"}, "presets/none.yaml: cannot be read"),
        ({"distill.recipe.epochs": "2 * ${distill.loss}"}, "distill.loss is no number to multiply"),
        ({"distill.recipe.epochs": "${distill.recipe.epochs} + 1"}, "distill.recipe.epochs: "),
        ({"distill.loss": "kdd"}, "distill.loss: "),
    ],
)
def test_a_row_that_does_not_fit_the_preset_is_refused(
    make: Callable[..., Experiment], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ErktError, match=re.escape(message)):
        make(rows=one(changes)).params(PRESET, "one", quick=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "onee"}, "reference: no row 'onee'; did you mean 'one'?"),
        ({"reference": None}, "reference: a row of students"),
        (
            {"compares": "curve", "reference": None},
            "or a label of a curve",
        ),
        ({"compares": "curve"}, "reference: no label 'one'; known are: "),
        (
            {"compares": "networks"},
            "or a label of a curve; none for all else",
        ),
        ({"part": "validation"}, "reference: a row of students to compare with on the test part, or a label"),
        ({"compares": "networks", "part": "validation"}, "part: validation is for students and ensembles"),
        ({"compares": "ensembles"}, "part: validation is for students and ensembles"),
        ({"set": {"seeds": [3]}}, "rows.one: all rows have the experiment's own seeds"),
        ({"rows": {"one": {"label": "1", "set": {"seeds": [3]}}}}, "rows.one: all rows have"),
        ({"compares": "networks", "reference": None}, "rows: networks are those of one row"),
        ({"paper": {"p": {"three": "9"}}}, "paper.p: no row 'three'"),
        ({"rows": {"a b": {"label": "", "set": {}}}}, "may hold only letters"),
        ({"rowz": {}}, "unknown key 'rowz'; did you mean 'rows'?"),
        ({"name": "y"}, "the experiment's name is the file's"),
    ],
)
def test_an_experiment_that_fits_not_together_is_refused(
    make: Callable[..., Experiment], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ErktError, match=re.escape(message)):
        make(**changes)


def test_a_table_of_weights_asks_for_the_sweep_on_the_test_part(make: Callable[..., Experiment]) -> None:
    """Otherwise a run would have nothing to fill it with; and nothing else asks for it."""
    weights = {"compares": "weights", "reference": None, "rows": one({})}
    message = f"experiment x, preset {PRESET}, row one: it compares weights on the test part; set report"
    with pytest.raises(ErktError, match=re.escape(message)):
        make(**weights).params(PRESET, "one", quick=False)
    asked = make(**weights, set={"report.test_sweep": True}).params(PRESET, "one", quick=False)
    assert asked["report"] == {"test_sweep": True}
    assert not any(find_preset(name)["report"]["test_sweep"] for name in PRESETS)


def test_rows_of_a_curve_share_labels_and_its_reference_is_one(make: Callable[..., Experiment]) -> None:
    changes = ({"distill.recipe.epochs": epochs} for epochs in (80, 90))
    rows = {f"e{place}": {"label": "ERKT", "set": change} for place, change in enumerate(changes)}
    curve = make(compares="curve", rows=rows, reference="ERKT", paper={PRESET: {"e1": "97.2"}})
    assert curve.params(PRESET, "e1", quick=False)["distill"]["recipe"]["epochs"] == 90


def test_what_changes_no_result_has_no_part_in_the_digest() -> None:
    params = find_preset(PRESET)
    assert digest(params | {"runtime": {}, "tracking": {}}) == digest(params)
    assert digest(params | {"seeds": [5, 6]}) != digest(params)


@pytest.mark.parametrize("name", FILES)
def test_every_row_of_every_experiment_is_a_valid_protocol(name: str) -> None:
    """Beside its presets, and quickly beside two more; rows differ, and the paper's numbers have a preset."""
    experiment = find_experiment(name)
    sets = [experiment.set, *(row.set for row in experiment.rows.values())]
    names_teachers = any(key.startswith("teachers.") for block in sets for key in block)
    others = ["aid100"] if names_teachers or name == "single_teachers" else ["aid100", "scenes"]
    others = [] if experiment.part == "validation" else others  # a search is one preset's
    for preset in [*experiment.presets, *others]:
        for quick in (False, True):
            rows = [digest(experiment.params(preset, row, quick=quick)) for row in experiment.rows]
            assert len(set(rows)) == len(rows), "two rows are the same"
    assert set(experiment.paper) <= set(PRESETS)


def test_dvc_makes_the_params_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    for name in PRESETS:
        apply_overrides(path, list(overrides(read_yaml(path), find_preset(name))))
        assert read_yaml(path) == find_preset(name)


ODD = ["it's", 'say "x"', "a b", "$AID100", "back\\slash", "#c", "[a, b]", "{k: v}", "null", "", "1e-4", "ü"]
VALUES = [*ODD, "true", None, True, 0, -3, 1e-6, 0.5, [1, [2.5, "x"]], {"k": {"l": [1e-7]}}, {"m": 1}, []]


def test_any_value_reaches_dvc_from_any_other(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"a": {"k": 1}, "b": [1], "c": 2}), encoding="utf-8")
    for turned in (VALUES, VALUES[::-1]):
        wanted = {"b": turned, "a": {f"k{place}": value for place, value in enumerate(turned)}}
        apply_overrides(path, list(overrides(read_yaml(path), wanted)))
        assert read_yaml(path) == wanted


@pytest.mark.parametrize("value", ["${HOME}/x", "C:\\"])
def test_a_text_that_the_grammar_cannot_carry_is_refused(value: str) -> None:
    with pytest.raises(ErktError, match=r"write \$NAME"):
        list(overrides({"a": 1}, {"a": value}))


def test_the_preset_of_the_scenes_is_the_protocol_of_this_repository() -> None:
    assert find_preset("scenes") == read_yaml(ROOT / "params.yaml")
