"""The simulated machines of ``benchmarks.fleet``, against what can be told without simulating."""

import math

import pytest

from benchmarks import fleet

CHAIN = {"train_teacher@0": [], "cache_logits@0": ["train_teacher@0"], "distill@0": ["cache_logits@0"]}
WIDE = {f"split@{number}": [] for number in range(12)}
SECONDS = {"train_teacher": 1000.0, "cache_logits": 500.0, "distill": 2000.0, "split": 300.0}


def hours(graph: dict[str, list[str]], machines: int, between: float = math.inf) -> dict[str, float]:
    return fleet.simulate(graph, SECONDS, machines, between)


@pytest.mark.parametrize("machines", [1, 5])
def test_a_chain_takes_as_long_on_any_number_of_machines(machines: int) -> None:
    made = hours(CHAIN, machines)
    assert made["hours"] == made["longest_chain_hours"] == round((3500 + 3 * fleet.START) / 3600, 2)
    assert (made["interrupted"], made["lost_share"]) == (0, 0)


@pytest.mark.parametrize(("machines", "rounds"), [(1, 12), (4, 3), (5, 3), (12, 1), (64, 1)])
def test_cells_that_need_nothing_fill_the_machines(machines: int, rounds: int) -> None:
    assert hours(WIDE, machines)["hours"] == round(rounds * (300 + fleet.START) / 3600, 2)


def test_work_that_goes_on_from_checkpoints_loses_a_minute_at_most() -> None:
    made = hours(CHAIN, 3, between=0.2)
    assert made["interrupted"] > 0
    assert 0 < made["lost_share"] * 3500 <= made["interrupted"] * (fleet.CHECKPOINT + fleet.START) + 1
    assert made["hours"] > made["longest_chain_hours"]


def test_the_large_protocol_has_every_cell_after_what_it_reads() -> None:
    cells = fleet.cells()
    assert len(cells) == 2 + 10 * (7 + 10 * 2 + 10 * 6) + 2 + 10
    assert cells["cache_logits@3-t2-1"] == ["prepare", "split@3", "train_teacher@3-t2"]
    assert cells["prepare"] == ["download"]
    assert sum(name.startswith("cache_logits@3-") for name in cells["distill@3"]) == 60
