"""Table 6's sweep: every candidate of both searches, each scored as an ensemble of its own."""

import numpy as np
import pytest
from scipy.special import log_softmax

from erkt.ensemble.weight_report import sweep

RNG = np.random.default_rng(5)
LABELS = RNG.integers(0, 4, 50)
MEMBERS = {name: RNG.normal(size=(50, 4)).astype(np.float32) + np.eye(4)[LABELS] for name in "abc"}


def test_it_holds_nine_weights_of_each_lead_and_the_simplex() -> None:
    rows = sweep(MEMBERS, LABELS, "logits")
    leads = [row["lead"] for row in rows]
    assert [leads.count(lead) for lead in ("a", "b", "c", None)] == [9, 9, 9, 66]
    for row in rows:
        assert row["a"] + row["b"] + row["c"] == pytest.approx(1)
        if row["lead"]:
            rest = [row[name] for name in "abc" if name != row["lead"]]
            assert rest[0] == rest[1]


def test_each_row_is_the_accuracy_and_likelihood_of_its_mixture() -> None:
    for row in sweep(MEMBERS, LABELS, "logits"):
        mixed = sum(row[name] * MEMBERS[name].astype(np.float64) for name in "abc")
        assert row["oa"] == pytest.approx(100 * np.mean(mixed.argmax(axis=1) == LABELS))
        assert row["nll"] == pytest.approx(-log_softmax(mixed, axis=1)[np.arange(50), LABELS].mean())
