"""A few faults of the campaign, and that it can lose."""

import hashlib
from pathlib import Path
from random import Random

import pytest
import yaml
from clone import finished_clone

from chaos import damage, kills, limits, verdict
from chaos.faults import Fault
from chaos.site import Ended, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    clone, _ = finished_clone(tmp_path_factory)
    return Site(clone)


def chosen(faults: list[Fault], *texts: str) -> Fault:
    return next(fault for fault in faults if all(text in fault.where for text in texts))


@pytest.mark.parametrize("kind", ["kill", "disk", "damage"])
def test_a_fault_of_each_kind_is_survived(site: Site, tmp_path: Path, kind: str) -> None:
    rng = Random(0)
    fault = {
        "kill": lambda: chosen(kills.faults(site, rng, 0), "evaluate@0"),
        "disk": lambda: chosen(limits.faults(site, rng), "split@0"),
        "damage": lambda: chosen(damage.faults(site, rng), "val_logits", "in DVC's cache"),
    }[kind]()
    found = fault.happen(site.copy(tmp_path / "broken"), rng)
    assert found.survived, found.how


def test_every_stage_is_killed_at_least_three_times_and_the_longest_most(site: Site) -> None:
    wheres = [fault.where.split(",")[0].split("@")[0] for fault in kills.faults(site, Random(1), 60)]
    stages = {cell.stage for cell in site.cells.values()}
    assert set(wheres) == stages
    assert len(wheres) == 60
    assert min(wheres.count(stage) for stage in stages) >= 3


def test_wrong_bits_that_dvc_does_not_see_are_a_loss(site: Site, tmp_path: Path) -> None:
    broken = site.copy(tmp_path / "broken")
    path = broken.clone.folder / "metrics/summary.json"
    path.write_text(path.read_text().replace("1", "2"))
    lock = yaml.safe_load((broken.clone.folder / "dvc.lock").read_text())
    (out,) = (out for out in lock["stages"]["summarize"]["outs"] if out["path"] == "metrics/summary.json")
    out |= {"md5": hashlib.md5(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
    (broken.clone.folder / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    found = verdict.after(broken, "summarize")
    assert not found.survived
    assert found.how == "other bits than an unbroken run's: metrics/summary.json"


@pytest.mark.parametrize(
    ("printed", "survived"),
    [
        ("error: split@0: data/splits: no space left\nERROR: failed to reproduce 'split@0'", True),
        ("error: split@0: no\nTraceback (most recent call last):\n", False),
        ("ERROR: failed to reproduce 'split@0': failed to run: python -m erkt", False),
        ("ERROR: failed to reproduce 'split@0': 'data/prepared' is busy, it is being blocked by:", True),
        ("'./dvc.lock' validation failed.\n\nexpected str, in stages -> distill@0 -> deps", True),
        ("'./dvc.lock' is invalid.\n\nMapping values are not allowed in this context", True),
        ("", False),
    ],
)
def test_a_refusal_has_a_reason_and_no_traceback(printed: str, survived: bool) -> None:
    assert verdict.refusal(Ended(1, printed, 0.0)).survived is survived
