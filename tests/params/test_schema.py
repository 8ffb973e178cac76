from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
import yaml

from erkt.errors import ErktError
from erkt.params.schema import Between, Length, Names, as_dict, build, nearest


@dataclass(frozen=True)
class Inner:
    rate: Annotated[float, Between(0, 1, above=True)]


@dataclass(frozen=True)
class Outer:
    count: Annotated[int, Between(1)]
    flag: bool
    kind: Literal["a", "b"]
    inner: Inner
    pair: tuple[float, float]
    many: Annotated[tuple[int, ...], Length(1, distinct=True)]
    named: Annotated[dict[str, Inner], Names()]
    maybe: str | None
    fill: Literal["black"] | tuple[float, float]


def valid() -> dict[str, Any]:
    return {
        "count": 3,
        "flag": True,
        "kind": "b",
        "inner": {"rate": 0.5},
        "pair": [1, 2.5],
        "many": [4, 2],
        "named": {"x-1": {"rate": 1}},
        "maybe": None,
        "fill": [0.1, 0.2],
    }


def test_a_valid_mapping_becomes_the_schema_and_comes_back_as_plain_values() -> None:
    made = build(Outer, valid(), "file")
    assert made == Outer(3, True, "b", Inner(0.5), (1.0, 2.5), (4, 2), {"x-1": Inner(1.0)}, None, (0.1, 0.2))
    assert as_dict(made) == valid()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cuont": 3}, r"^file: unknown key 'cuont'; did you mean 'count'\?$"),
        ({"inner": {"rate": 0.5, "zzz": 1}}, r"^file\.inner: unknown key 'zzz'; known are: rate$"),
        ({"inner": {}}, r"^file\.inner: the key 'rate' is missing$"),
        ({"inner": None}, r"^file\.inner: expected a block of keys, found nothing$"),
        (
            {"inner": {"rate": 0}},
            r"^file\.inner\.rate: 0\.0 is out of range, expected more than 0 and at most 1$",
        ),
        ({"inner": {"rate": 1.5}}, r"rate: 1\.5 is out of range"),
        ({"inner": {"rate": float("nan")}}, r"rate: nan is out of range"),
        ({"inner": {"rate": float("inf")}}, r"rate: inf is out of range"),
        ({"count": 2.0}, r"^file\.count: expected a whole number, found a number \(2\.0\)$"),
        ({"count": True}, r"^file\.count: expected a whole number, found true or false"),
        ({"count": 0}, r"^file\.count: 0 is out of range, expected at least 1$"),
        ({"flag": 1}, r"^file\.flag: expected true or false, found a whole number \(1\)$"),
        ({"flag": "yes"}, r"^file\.flag: expected true or false, found text \('yes'\)$"),
        ({"kind": "c"}, r"^file\.kind: text \('c'\) is not one of a, b$"),
        ({"pair": [1]}, r"^file\.pair: expected 2 entries, found 1$"),
        ({"pair": [1, "x"]}, r"^file\.pair\[1\]: expected a number, found text \('x'\)$"),
        ({"many": []}, r"^file\.many: 0 entries, expected at least 1$"),
        ({"many": [2, 2]}, r"^file\.many: an entry is repeated"),
        ({"many": 2}, r"^file\.many: expected a list, found a whole number \(2\)$"),
        ({"named": {"x.1": {"rate": 1}}}, r"^file\.named: the name 'x\.1' may hold only letters"),
        ({"maybe": 3}, r"^file\.maybe: expected text, found a whole number \(3\)$"),
        ({"count": 10**400}, r"^file\.count: a whole number of 1329 bits is out of range$"),
        ({"pair": [1, -(2**63)]}, r"^file\.pair\[1\]: a whole number of 64 bits is out of range$"),
        ({"flag": "y" * 5000}, r"found text \('y{59}…\)$"),
        (
            {"named": {1: {"rate": 1}}},
            r"^file\.named: the name a whole number \(1\) must be text; write it in",
        ),
        ({"a\n\x1b[2Jb": 1}, r"^file: unknown key 'a\\n\\x1b\[2Jb'; known are: "),
        ({"fill": "white"}, r"^file\.fill: text \('white'\) is not one of black$"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ErktError, match=message) as caught:
        build(Outer, valid() | change, "file")
    assert "\n" not in str(caught.value)


def test_of_keys_that_are_equally_near_the_one_with_swapped_letters_is_meant() -> None:
    assert nearest("epxort", ["report", "export"]) == "; did you mean 'export'?"


@pytest.mark.parametrize(("written", "spelling"), [("'0.5'", "0.5"), ("'1e-4'", "0.0001")])
def test_a_number_in_quotes_is_refused_with_a_spelling_that_works(written: str, spelling: str) -> None:
    with pytest.raises(ErktError, match="text") as caught:
        build(Inner, yaml.safe_load(f"rate: {written}"), "file")
    assert f"write {spelling} without quotes" in str(caught.value)
    assert yaml.safe_load(spelling) == float(written.strip("'"))
