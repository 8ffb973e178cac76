from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made import CLASSES, ORIGIN, batches, no_warning, part

from erkt.files.artifacts import ENSEMBLE
from erkt.files.json_file import write_json
from erkt.networks import models
from erkt.params.cache import Cache
from erkt.params.network import Network, Weights
from erkt.teachers import teaching
from erkt.teachers.writer import write_block

NETWORK = Network("test_resnet", Weights("none", None, None, None), 0.0, 0.0)
DATA = batches()
CACHED, ONLINE = Cache((0,), 1, "fp32"), Cache((), 1, "fp32")


@pytest.fixture
def source(tmp_path: Path) -> teaching.Source:
    """Two teachers with unequal weights, and their logits on view 0."""
    made = teaching.Source(teaching=tmp_path / "teaching", networks=tmp_path / "teachers", train=part())
    for seed, name in enumerate(("one", "two")):
        teacher = models.build(NETWORK, CLASSES, 16, seed, {})
        origin = replace(ORIGIN, teacher=models.save_folder(teacher, made.networks / name))
        write_block(made.teaching / name / "0", teacher, DATA, views=[0], origin=origin)
    write_json(made.teaching / ENSEMBLE, {"weights": {"one": 0.1, "two": 0.9}, "space": "logits"})
    return made


@pytest.mark.parametrize("cache", [CACHED, ONLINE], ids=["cached", "online"])
def test_the_ensemble_is_each_teacher_with_its_own_weight(source: teaching.Source, cache: Cache) -> None:
    view, order = DATA.epoch(0, 1)
    batch = DATA.batch(view, order[0])
    found = teaching.open_teachers(source, DATA, cache, no_warning)(batch)
    one, two = (models.load_folder(source.networks / name, CLASSES) for name in ("one", "two"))
    with torch.no_grad():
        expected = 0.1 * one(batch.images) + 0.9 * two(batch.images)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-3 * float(expected.std()))


@pytest.mark.parametrize("cache", [CACHED, ONLINE], ids=["cached", "online"])
def test_checked_teachers_are_the_same_and_their_accuracy_is_said_and_noted(
    source: teaching.Source, cache: Cache
) -> None:
    """Against the two networks on the whole images, and on the view, image by image."""
    said, noted = [], {}
    view = DATA.view(0)
    everything = DATA.batch(view, np.arange(31))
    checked = teaching.open_checked(source, DATA, cache, said.append, noted.update)
    assert torch.equal(
        checked(everything), teaching.open_teachers(source, DATA, cache, no_warning)(everything)
    )
    one, two = (models.load_folder(source.networks / name, CLASSES) for name in ("one", "two"))
    whole = torch.from_numpy(DATA.subset.pixels(np.arange(31))) / 255
    with torch.no_grad():
        on_view, on_whole = (
            (0.1 * one(images) + 0.9 * two(images)).argmax(dim=1) for images in (everything.images, whole)
        )
    right = torch.where(everything.alpha > 0.5, everything.label_b, everything.label_a)
    assert noted["teacher_oa_views"] == pytest.approx(100 * float((on_view == right).float().mean()))
    labels = torch.from_numpy(DATA.subset.labels)
    assert noted["teacher_oa_whole"] == pytest.approx(100 * float((on_whole == labels).float().mean()))
    assert len(said) == 1
    assert f"{noted['teacher_oa_views']:.0f} % of the views" in said[0]
