"""What distilling costs, from params alone, and what a run that measured nothing says."""

import copy
import itertools
from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from closure import ROOT

from erkt.data.splits import split
from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.networks import macs
from erkt.params.split import Split
from erkt.pipeline.experiments.measured import agreement, distill_cost, steps
from erkt.pipeline.experiments.runs import Together, finished, require_same_images, trained_twice
from erkt.views.pairs import batches, partners

TEACHERS = ["lite0", "lite1", "lite2"]
PARAMS: dict[str, Any] = read_yaml(ROOT / "presets/aid100-64.yaml")


def at(side: int) -> int:
    return macs.count("tf_efficientnet_lite0", 30, side)[0]


def test_each_epoch_costs_three_passes_of_the_student_and_each_view_one_of_each_teacher() -> None:
    params = copy.deepcopy(PARAMS)
    teachers = sum(macs.count(f"tf_efficientnet_{name}", 30, 64)[0] for name in TEACHERS)
    assert distill_cost(params, TEACHERS, 30) == 60 * 3 * at(64) + 60 * teachers
    params["cache"]["views_per_block"] = 5
    assert distill_cost(params, TEACHERS, 30) == 60 * 3 * at(64) + 5 * teachers
    params["cache"]["blocks"] = []  # online: a pass an epoch
    assert distill_cost(params, TEACHERS[:1], 30) == 60 * 4 * at(64)
    params["distill"]["loss"] = "none"
    assert distill_cost(params, TEACHERS, 30) == 60 * 3 * at(64)


def test_a_published_split_costs_as_much_and_has_no_steps_on_record() -> None:
    params = copy.deepcopy(PARAMS)
    cost = distill_cost(params, TEACHERS, 30)
    params["split"] |= {"train_percent": None, "val_percent": 0, "unlabelled_percent": 0}
    assert distill_cost(params, TEACHERS, 30) == cost
    assert steps(params, 2400) is None


def test_small_images_cost_what_they_have_pixels() -> None:
    params = copy.deepcopy(PARAMS)
    params["distill"]["loss"] = "none"
    params["distill"]["recipe"]["epochs"] = 4
    params["distill"]["resizing"] = {"first_side": 32, "full_after": 1.0}
    # 32 and 64 pixels have half a step's share each, as rounding goes: 0.5 epochs, 1 for each size between.
    each = 0.5 * at(32) + at(40) + at(48) + at(56) + 0.5 * at(64)
    assert distill_cost(params, [], 30) == pytest.approx(3 * each, rel=1e-9)
    assert at(32) < at(64) / 3


def test_one_view_has_no_variance_and_says_so() -> None:
    one: Any = SimpleNamespace(rows=lambda path, cell: [{"variance": None, "distance": 1}])
    run = Together({0: one})
    assert agreement(run, "distance") == {0: 1}
    with pytest.raises(ErktError, match="one view has no variance"):
        agreement(run, "variance")


def ran(name: str, seeds: list[int], data: str = "images", faults: tuple[str, ...] = ()) -> Any:
    """Return a run that has ``faults`` as one of any params but their seeds."""

    def told(params: dict[str, Any], last_stages: Collection[str]) -> list[str]:
        return [*faults, *(["other seeds"] if params["seeds"] != seeds else [])]

    lock = {"download": {"params": {"location": "$DATA"}, "outs": [{"md5": data}]}}
    return SimpleNamespace(
        name=name, base="code", seeds=seeds, faults=told, lock=lock, params={"seeds": seeds}
    )


def test_runs_of_single_seeds_make_a_row_together_and_the_newest_of_each_counts() -> None:
    runs = [ran("b", [1], faults=("other code",)), ran("c", [1]), ran("d", [5, 0]), ran("e", [0, 1])]
    together = finished(runs, {"seeds": [0, 1]}, ())
    assert together
    assert {seed: run.name for seed, run in together.by_seed.items()} == {0: "d", 1: "c"}
    assert (together.name, together.base, together.params["seeds"]) == ("d c", "code", [0, 1])
    assert together.archive == "images"
    assert finished(runs[:2], {"seeds": [0, 1]}, ()) is None
    apart = finished([ran("a", [0]), ran("b", [1], "other")], {"seeds": [0, 1]}, ())
    assert apart
    with pytest.raises(ErktError, match="a b were made from images of other content"):
        assert apart.archive


def test_rows_of_any_table_have_read_the_same_images_from_one_place() -> None:
    """A variable in the params may name another archive later."""
    rows = {name: Together({0: ran(name, [0])}) for name in ("a", "b")}
    require_same_images(rows)
    elsewhere = ran("c", [0], "other")
    elsewhere.lock["download"]["params"] = {"location": "$OTHER"}
    require_same_images(rows | {"c": Together({0: elsewhere})})
    with pytest.raises(ErktError, match="a and d were made from images of other content"):
        require_same_images(rows | {"d": Together({0: ran("d", [0], "other")})})


def test_teachers_that_were_trained_twice_to_other_bits_are_named() -> None:
    def row(md5: str, rate: float = 0.1, seeds: Sequence[int] = (0,)) -> Together:
        entry = {"deps": [{"path": "split", "md5": "s"}], "params": {"rate": rate}, "outs": [{"md5": md5}]}
        run = SimpleNamespace(lock={f"train_teacher@{seed}-one": entry for seed in seeds} | {"prepare": {}})
        return Together({seeds[0]: run})  # type: ignore[dict-item]

    assert trained_twice({"a": row("x"), "b": row("x"), "c": row("y", rate=0.2)}) == []
    (said,) = trained_twice({"a": row("x"), "b": row("y"), "c": row("x")})
    assert said == "a and b: teachers of the same params and images have other bits"
    parts = Together({**row("x").by_seed, **row("y", seeds=(1, 0)).by_seed})
    assert trained_twice({"a": row("x"), "parts": parts}) == [], "its seed 0 is that of the first run"


SETTINGS = [(20, 0), (10, 0), (50, 0), (60, 10), (33.3, 10), (80, 25)]
"""Percentages of the images that train, and of these that validate."""


def trained(classes: list[int], train: float, val: float, more: float) -> tuple[int, int]:
    """Return how many images the student sees and how many are tested, of so many in each class."""
    labels = [label for label, count in enumerate(classes) for _ in range(count)]
    keys = [f"{label}/{place}.png" for place, label in enumerate(labels)]
    parts = split(keys, labels, Split(train, val, "none", more), 0)
    return len(parts["train"]) + len(parts["unlabelled"]), len(parts["test"])


@pytest.mark.parametrize("more", [0, 15])
@pytest.mark.parametrize(("train", "val"), SETTINGS)
def test_steps_are_the_batches_of_training(train: float, val: float, more: float) -> None:
    """For images as in the benchmarks, and for odd numbers of them, where one image may be missed."""
    params = copy.deepcopy(PARAMS)
    params["split"] |= {"train_percent": train, "val_percent": val, "unlabelled_percent": more}
    for classes, size in itertools.product(([100] * 30, [31, 77, 54, 200, 40]), (4, 30, 50, 400)):
        params["distill"]["recipe"] |= {"epochs": 7, "batch_size": size}
        images, tested = trained(classes, train, val, more)
        counts = {len(batches(partners(0, 0, images + off), 0, 0, size)) for off in (-2, -1, 0, 1, 2)}
        found = steps(params, tested)
        assert found in {7 * count for count in counts}
        if len(set(classes)) == 1 and train != 33.3 and not more:
            assert found == 7 * len(batches(partners(0, 0, images), 0, 0, size))
