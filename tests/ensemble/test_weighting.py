import numpy as np
import pytest

from erkt.ensemble import weighting
from erkt.errors import ErktError
from erkt.params.ensemble import Ensemble

LABELS = np.array([0, 1, 0, 1])
GOOD = np.array([[3.0, 0], [0, 3.0], [3.0, 0], [0, 3.0]])
BAD = -GOOD
EMPTY = {"good": GOOD[:0], "bad": BAD[:0]}


def test_without_a_search_the_given_weights_stand_even_on_an_empty_part() -> None:
    sweep = weighting.choose(EMPTY, LABELS[:0], Ensemble("none", None, {"good": 0.3, "bad": 0.7}, "logits"))
    assert sweep.weights == {"good": 0.3, "bad": 0.7}
    assert weighting.rows(sweep, ["good", "bad"]) == [
        {"good": 0.3, "bad": 0.7, "oa": None, "nll": None, "chosen": 1}
    ]


def test_without_weights_they_are_equal() -> None:
    sweep = weighting.choose(EMPTY, LABELS[:0], Ensemble("none", None, None, "logits"))
    assert sweep.weights == {"good": 0.5, "bad": 0.5}


@pytest.mark.parametrize(("search", "count"), [("line", 9), ("simplex", 11)])
def test_a_search_prefers_the_member_that_is_right(search: str, count: int) -> None:
    settings = Ensemble(search, "bad", None, "logits")  # type: ignore[arg-type]
    sweep = weighting.choose({"good": GOOD, "bad": BAD}, LABELS, settings)
    assert sweep.weights["good"] > sweep.weights["bad"]
    rows = weighting.rows(sweep, ["good", "bad"])
    assert len(rows) == count
    assert [row["chosen"] for row in rows].count(1) == 1
    chosen = next(row for row in rows if row["chosen"])
    assert chosen["oa"] == max(row["oa"] for row in rows) == 100
    assert chosen["nll"] == min(row["nll"] for row in rows if row["oa"] == 100)


def test_a_search_without_images_is_refused() -> None:
    with pytest.raises(ErktError):
        weighting.choose(EMPTY, LABELS[:0], Ensemble("simplex", None, None, "logits"))
