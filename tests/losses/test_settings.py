from typing import Any

import pytest

from erkt.errors import ErktError
from erkt.params.loss import MultiLevel
from erkt.params.schema import build

GIVEN: dict[str, Any] = {
    "taus": [2.0, 4.0],
    "instance": 1.0,
    "batch": 1.0,
    "classes": 1.0,
    "standardised": False,
}


def settings(**changes: Any) -> MultiLevel:
    return build(MultiLevel, GIVEN | changes, "multi_level")


def test_one_level_and_one_temperature_are_enough() -> None:
    assert settings(taus=[3], batch=0, classes=0.0) == MultiLevel((3.0,), 1.0, 0.0, 0.0, standardised=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"taus": []}, r"^multi_level\.taus: 0 entries, expected at least 1$"),
        ({"taus": [2.0, 2.0]}, r"^multi_level\.taus: an entry is repeated"),
        ({"taus": [2.0, 0.0]}, r"^multi_level\.taus\[1\]: 0\.0 is out of range"),
        ({"taus": 2.0}, r"^multi_level\.taus: expected a list"),
        ({"batch": -1.0}, r"^multi_level\.batch: -1\.0 is out of range"),
        ({"standardized": True}, r"^multi_level: unknown key 'standardized'; did you mean 'standardised'\?$"),
        ({"instance": 0, "batch": 0, "classes": 0}, r"^multi_level: instance, batch and classes are all 0:"),
    ],
)
def test_what_makes_no_loss_is_one_clear_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ErktError, match=message):
        settings(**changes)
