"""Params: whatever is valid is accepted, with a graph that is whole; whatever is not is one line."""

import copy
import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from any_params import edits
from clone import TINY
from closure import ROOT
from hypothesis import assume, given
from hypothesis import strategies as st

from erkt.errors import ErktError
from erkt.files.yaml_file import parse_yaml
from erkt.params.protocol import check
from erkt.pipeline.cells import all_cells
from erkt.pipeline.params_file import check_params

Params = dict[str, Any]
Place = tuple[Any, ...]

VALID: Params = yaml.safe_load(TINY.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True, scope="module")
def _at_the_root() -> Iterator[None]:
    """Read dvc.yaml where it lies."""
    before = Path.cwd()
    os.chdir(ROOT)
    yield
    os.chdir(before)


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each value of nested params, keys and positions on the way."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, inner in entries:
        yield (*place, name)
        yield from places(inner, (*place, name))


PLACES = sorted(places(VALID), key=str)
IN_BLOCKS = [place for place in PLACES if isinstance(place[-1], str)]
KEYS = [
    place
    for place in PLACES
    if isinstance(place[-1], str) and len(place[-1]) > 3 and place[:-1] != ("teachers",)
]


def at(params: Params, place: Place) -> Any:
    """Return the block that the last key of ``place`` is in."""
    found: Any = params
    for name in place[:-1]:
        found = found[name]
    return found


def refusal(params: Any) -> str | None:
    """Return the one line with which ``params`` are refused; None if they are accepted."""
    try:
        check_params(params, "params.yaml")
    except ErktError as error:
        (line,) = str(error).splitlines()
        return line
    return None


def check_whole(params: Params) -> None:
    """Check that each cell's inputs are there or made before it, and each output by one cell alone."""
    cells = all_cells(params)
    made: set[Path] = set()
    above: set[Path] = set()
    for cell in cells:
        assert "$" not in str(cell.entry()), cell.name
        for dep in map(Path, cell.entry()["deps"]):
            is_made = dep in made or dep in above or not made.isdisjoint(dep.parents)
            assert is_made if dep.parts[0] in ("data", "metrics") else (ROOT / dep).exists(), dep
        for out in cell.outputs():
            assert out not in made, out
            assert out not in above, out
            assert made.isdisjoint(out.parents), out
            made.add(out)
            above.update(out.parents)
    assert len({cell.name for cell in cells}) == len(cells)
    counts = Counter(cell.stage for cell in cells)
    seeds, teachers = len(params["seeds"]), len(params["teachers"])
    assert counts["distill"] == seeds
    assert counts["train_teacher"] == seeds * teachers
    assert counts["cache_logits"] == seeds * teachers * len(params["cache"]["blocks"])


@given(edits(VALID))
def test_any_valid_edit_is_accepted_as_it_is_written_and_its_graph_is_whole(params: Params) -> None:
    written = parse_yaml(yaml.dump(params, Dumper=yaml.CSafeDumper, allow_unicode=True), "params.yaml")
    assert {key for key in params if written[key] != params[key]} == set()
    assert refusal(written) is None
    check_whole(written)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.dates()
    | st.sampled_from(["0.5", "1e-4", "null", 10**400, -1, 0, 1e308, b"\xff", "1e400", "9" * 5000])
)
ODD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=4,
)
"""What a file may hold where something else is expected."""


@given(st.sampled_from(PLACES), ODD)
def test_any_value_in_any_place_is_accepted_or_refused_in_one_line(place: Place, value: Any) -> None:
    params = copy.deepcopy(VALID)
    at(params, place)[place[-1]] = value
    if refusal(params) is None:
        check_whole(params)


@given(st.sampled_from(IN_BLOCKS), SCALARS)
def test_any_key_in_place_of_another_is_accepted_or_refused_in_one_line(place: Place, key: Any) -> None:
    params = copy.deepcopy(VALID)
    block = at(params, place)
    value = block.pop(place[-1])
    assert refusal(params) or place[:-1] == ("teachers",)
    block[key] = value
    if refusal(params) is None:
        check_whole(params)


@st.composite
def misspelt(draw: st.DrawFn) -> tuple[Place, str]:
    """Draw the place of a key, and the key with a letter twice, left out, or in its neighbour's place."""
    place = draw(st.sampled_from(KEYS))
    name = place[-1]
    spot = draw(st.integers(1, len(name) - 1))
    change = draw(st.sampled_from(["twice", "out", "swap"]))
    if change == "twice":
        return place, name[:spot] + name[spot - 1] + name[spot:]
    if change == "out":
        return place, name[:spot] + name[spot + 1 :]
    return place, name[: spot - 1] + name[spot] + name[spot - 1] + name[spot + 1 :]


@given(misspelt())
def test_a_misspelt_key_names_the_one_that_was_meant(written: tuple[Place, str]) -> None:
    place, wrong = written
    params = copy.deepcopy(VALID)
    block = at(params, place)
    assume(wrong not in block)
    block[wrong] = block.pop(place[-1])
    said = refusal(params)
    assert said is not None
    assert f"unknown key '{wrong}'; did you mean '{place[-1]}'?" in said


@given(st.recursive(ODD, partial(st.lists, max_size=2)))
def test_anything_else_than_a_protocol_is_refused_in_one_line(value: Any) -> None:
    with pytest.raises(ErktError):
        check(value, "params.yaml")
    assert refusal(value)
