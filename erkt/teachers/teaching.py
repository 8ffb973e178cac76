"""Where a student's teacher logits come from: the cache, or the teachers themselves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erkt.data.images import Part
from erkt.files.artifacts import ENSEMBLE, MANIFEST
from erkt.files.digests import Sha256
from erkt.files.json_file import read_json
from erkt.networks.models import Classifier, load_folder
from erkt.params.cache import Cache
from erkt.params.recipe import Precision
from erkt.teachers import accuracy
from erkt.teachers.manifest import Origin
from erkt.teachers.online import OnlineTeachers
from erkt.teachers.reader import CachedTeachers, open_blocks
from erkt.teachers.teach import Teach
from erkt.views.batches import ViewBatches


@dataclass(frozen=True)
class Source:
    """Where a seed's teachers come from.

    ``teaching`` holds the ensemble's weights and the stored logits, ``networks`` a folder a teacher;
    ``train`` is the training part that both belong to.
    """

    teaching: Path
    networks: Path
    train: Part


def open_teachers(source: Source, data: ViewBatches, cache: Cache, warn: Callable[[str], None]) -> Teach:
    """Return the ensemble: its stored logits for the views of ``cache``, or its networks if there are none.

    Raises ErktError if stored logits do not belong to these teachers, views, images or classes.
    """
    if not cache.blocks:
        return _open_networks(source, data, cache.precision)
    mixture = read_json(source.teaching / ENSEMBLE)
    weights: Mapping[str, float] = mixture["weights"]
    members = []
    for name in weights:
        folders = [source.teaching / name / str(block) for block in sorted(cache.blocks)]
        origin = origin_of(source, name, data, cache.precision)
        members.append(open_blocks(folders, data, origin, cache.views, warn))
    return CachedTeachers(members, list(weights.values()), mixture["space"])


def open_checked(
    source: Source,
    data: ViewBatches,
    cache: Cache,
    say: Callable[[str], None],
    note: Callable[[Mapping[str, float]], None],
) -> Teach:
    """Return ``open_teachers``, having said and noted how often they are right on what they teach.

    Nothing is drawn from a random state: the student's training keeps its bits. Raises ErktError as
    ``open_teachers`` does.
    """
    teach = open_teachers(source, data, cache, say)
    found = accuracy.of_first_view(teach, as_networks(teach, source, data, cache.precision), data)
    say(found.sentence)
    note(found.figures)
    return teach


def as_networks(teach: Teach, source: Source, data: ViewBatches, precision: Precision) -> OnlineTeachers:
    """Return the ensemble ``teach`` of ``source`` as networks, which stored logits stand for on views alone.

    Raises ErktError as ``load_teacher`` does.
    """
    return teach if isinstance(teach, OnlineTeachers) else _open_networks(source, data, precision)


def origin_of(source: Source, name: str, data: ViewBatches, precision: Precision) -> Origin:
    """Return what teacher ``name``'s logits on the views of ``data`` must have been made from."""
    teacher: dict[str, Any] = read_json(source.networks / name / MANIFEST)
    return Origin.of(Sha256(teacher["sha256"]), source.train, data, precision)


def load_teacher(folder: Path, data: ViewBatches) -> Classifier:
    """Return the teacher stored in ``folder``, on the device of ``data``; ErktError as ``load_folder``."""
    return load_folder(folder, data.subset.classes).to(data.device)


def _open_networks(source: Source, data: ViewBatches, precision: Precision) -> OnlineTeachers:
    mixture = read_json(source.teaching / ENSEMBLE)
    weights: Mapping[str, float] = mixture["weights"]
    networks = [load_teacher(source.networks / name, data) for name in weights]
    return OnlineTeachers(networks, list(weights.values()), mixture["space"], precision)
