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
from erkt.params import protocol
from erkt.params.schema import build
from erkt.pipeline.experiments.overrides import overrides
from erkt.pipeline.experiments.plan import Plan, digest, read_plan, row_params

FILES = sorted((ROOT / "experiments").glob("*.yaml"))
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


def plan(**changes: Any) -> Plan:
    content = {
        "title": "t",
        "source": "Table 0",
        "compares": "students",
        "presets": [],
        "seeds": [0, 1],
        "set": {"a.x": 1},
        "rows": {
            "one": {"label": "1", "set": {}},
            "two": {"label": "2", "set": {"a.x": 2, "t.two.epochs": {"times": 5}, "a.y": {"as": "t.one"}}},
        },
        "reference": "one",
        "paper": {},
        "quick": {"seeds": [7], "set": {"t.*.epochs": 3}},
    }
    return build(Plan, content | changes, "plan")


PRESET: dict[str, Any] = {
    "seeds": [5],
    "a": {"x": 0, "y": [1, 2]},
    "t": {"one": {"epochs": 9}, "two": {"epochs": 8}},
    "runtime": {"threads": 1},
}


def test_a_row_is_the_preset_with_what_the_plan_and_the_row_set() -> None:
    assert row_params(plan(), "one", PRESET, quick=False) == PRESET | {
        "seeds": [0, 1],
        "a": {"x": 1, "y": [1, 2]},
    }
    assert row_params(plan(), "two", PRESET, quick=True) == {
        "seeds": [7],
        "a": {"x": 2, "y": {"epochs": 3}},
        "t": {"one": {"epochs": 3}, "two": {"epochs": 15}},
        "runtime": {"threads": 1},
    }
    assert PRESET["a"] == {"x": 0, "y": [1, 2]}, "the preset itself changed"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("a.z", "a.z: the preset has no 'z'"),
        ("a.x.b", "'x' is no block"),
        ("t.*.epoch", "did you mean 'epochs'"),
    ],
)
def test_a_key_that_the_preset_lacks_is_refused(key: str, message: str) -> None:
    with pytest.raises(ErktError, match=message):
        row_params(plan(set={key: 1}), "one", PRESET, quick=False)


def test_a_value_that_copies_a_key_which_is_not_there_is_refused() -> None:
    with pytest.raises(ErktError, match=r"a\.x, as in the preset: the key 'a\.b' is missing"):
        row_params(plan(set={"a.x": {"as": "a.b"}}), "one", PRESET, quick=False)


@pytest.mark.parametrize("value", [{"times": None}, {"times": "5"}])
def test_only_numbers_are_multiplied(value: dict[str, Any]) -> None:
    with pytest.raises(ErktError, match=r"a\.x: times needs a number"):
        row_params(plan(set={"a.x": value}), "one", PRESET, quick=False)
    with pytest.raises(ErktError, match="a: times needs a number"):
        row_params(plan(set={"a": {"times": 2}}), "one", PRESET, quick=False)


def test_values_by_teacher_go_to_them_in_order() -> None:
    own = PRESET | {"teachers": {"b": 1, "a": 2}}
    made = row_params(plan(set={"a.x": {"by_teacher": [0.7, 0.3]}}), "one", own, quick=False)
    assert made["a"]["x"] == {"b": 0.7, "a": 0.3}
    with pytest.raises(ErktError, match=r"a\.x: by_teacher needs a list of 2 values"):
        row_params(plan(set={"a.x": {"by_teacher": [1, 0, 0]}}), "one", own, quick=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "onee"}, "did you mean 'one'"),
        ({"reference": None}, "reference: a row of students"),
        ({"compares": "networks"}, "reference: a row of students to compare with; null"),
        ({"compares": "networks", "reference": None}, "rows: networks are those of one row"),
        ({"paper": {"p": {"three": "9"}}}, r"paper\.p: no row 'three'"),
        ({"rows": {"a b": {"label": "", "set": {}}}}, "may hold only letters"),
        ({"rowz": {}}, "unknown key 'rowz'"),
    ],
)
def test_a_plan_that_fits_not_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ErktError, match=message):
        plan(**changes)


def test_what_changes_no_result_has_no_part_in_the_digest() -> None:
    other = PRESET | {"runtime": {"threads": 2}, "tracking": {"enabled": False}}
    assert digest(other) == digest(PRESET)
    assert digest(PRESET | {"seeds": [5, 6]}) != digest(PRESET)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_row_of_every_experiment_is_a_valid_protocol(file: Path) -> None:
    """Beside the paper's presets, and quickly beside the scenes; rows differ, and numbers have a preset."""
    experiment = read_plan(file)
    for preset in {*experiment.presets, "scenes", "aid100"}:
        params = read_yaml(ROOT / f"presets/{preset}.yaml")
        for quick in (False, True) if preset == "scenes" else (False,):
            rows = [row_params(experiment, row, params, quick=quick) for row in experiment.rows]
            for row, values in zip(experiment.rows, rows, strict=True):
                protocol.check(values, f"{preset}, {row}")
            assert len({digest(values) for values in rows}) == len(rows), "two rows are the same"
    assert set(experiment.paper) <= {path.stem for path in PRESETS}


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
    fast, preset = (read_yaml(ROOT / f"presets/{name}.yaml") for name in ("aid100-64-fast", "aid100-64"))
    for name, row in (("fast", "fast"), ("frontier", "small26")):
        plan = read_plan(ROOT / f"experiments/{name}.yaml")
        measured = row_params(plan, row, preset, quick=False)
        assert fast | {"seeds": measured["seeds"]} == measured
