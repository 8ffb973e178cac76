from pathlib import Path

import pytest
import torch
from made import CLASSES, batches

from erkt import models, teaching
from erkt.artifacts import ENSEMBLE, MANIFEST, WEIGHTS
from erkt.cache.manifest import Origin
from erkt.cache.writer import write_block
from erkt.errors import ErktError
from erkt.files import sha256_file, write_json
from erkt.params.cache import Cache
from erkt.params.network import Network, Weights
from erkt.schema import as_dict

NETWORK = Network("test_resnet", Weights("none", None, None, None), 0.0, 0.0)
DATA = batches()
CACHED, ONLINE = Cache((0,), 1), Cache((), 1)


def refuse(_: str) -> None:
    pytest.fail("a warning came where none was due")


@pytest.fixture
def source(tmp_path: Path) -> teaching.Source:
    """Two teachers with unequal weights, and their logits on view 0."""
    made = teaching.Source(tmp_path / "views", tmp_path / "teachers", "images", "train")
    for seed, name in enumerate(("one", "two")):
        folder = made.teachers / name
        models.save(models.build(NETWORK, CLASSES, 16, seed, {}), folder / WEIGHTS)
        digest = sha256_file(folder / WEIGHTS)
        write_json(folder / MANIFEST, {"sha256": digest})
        origin = Origin(digest, "images", "train", DATA.seed, as_dict(DATA.settings), list(CLASSES))
        write_block(made.views / name / "0", models.load(folder / WEIGHTS, CLASSES), DATA, [0], origin)
    write_json(made.views / ENSEMBLE, {"weights": {"one": 0.1, "two": 0.9}, "space": "logits"})
    return made


@pytest.mark.parametrize("cache", [CACHED, ONLINE], ids=["cached", "online"])
def test_the_ensemble_is_each_teacher_with_its_own_weight(source: teaching.Source, cache: Cache) -> None:
    view, order = DATA.epoch(0)
    batch = DATA.batch(view, order[0])
    found = teaching.open_teachers(source, DATA, cache, refuse)(batch)
    one, two = (models.load(source.teachers / name / WEIGHTS, CLASSES) for name in ("one", "two"))
    with torch.no_grad():
        expected = 0.1 * one(batch.images) + 0.9 * two(batch.images)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-3 * float(expected.std()))


def test_a_damaged_teacher_is_refused(source: teaching.Source) -> None:
    path = source.teachers / "one" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(ErktError, match="missing or damaged"):
        teaching.open_teachers(source, DATA, ONLINE, refuse)
