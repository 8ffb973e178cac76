"""Where a student's teacher logits come from: the cache, or the teachers themselves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erkt.artifacts import ENSEMBLE, MANIFEST
from erkt.batches import ViewBatches
from erkt.cache.manifest import Origin
from erkt.cache.online import OnlineTeachers
from erkt.cache.reader import CachedTeachers, open_blocks
from erkt.engine import Teach
from erkt.files import read_json
from erkt.models import Classifier, load_folder
from erkt.params.cache import Cache
from erkt.schema import as_dict


@dataclass(frozen=True)
class Source:
    """The folders of the views and of the teachers, and the sha256 of the image array and training list."""

    views: Path
    teachers: Path
    images: str
    train: str


def open_teachers(source: Source, data: ViewBatches, cache: Cache, warn: Callable[[str], None]) -> Teach:
    """Return the ensemble: its stored logits for the views of ``cache``, or its networks if there are none.

    Raises ErktError if stored logits do not belong to these teachers, views, images or classes.
    """
    mixture = read_json(source.views / ENSEMBLE)
    weights: Mapping[str, float] = mixture["weights"]
    if not cache.blocks:
        networks = [load_teacher(source.teachers / name, data) for name in weights]
        return OnlineTeachers(networks, list(weights.values()), mixture["space"])
    members = []
    for name in weights:
        folders = [source.views / name / str(block) for block in sorted(cache.blocks)]
        members.append(open_blocks(folders, data, origin_of(source, name, data), cache.views, warn))
    return CachedTeachers(members, list(weights.values()), mixture["space"])


def origin_of(source: Source, name: str, data: ViewBatches) -> Origin:
    """Return what teacher ``name``'s logits on the views of ``data`` must have been made from."""
    teacher: dict[str, Any] = read_json(source.teachers / name / MANIFEST)
    settings, classes = as_dict(data.settings), list(data.subset.classes)
    return Origin(teacher["sha256"], source.images, source.train, data.seed, settings, classes)


def load_teacher(folder: Path, data: ViewBatches) -> Classifier:
    """Return the teacher stored in ``folder``, on the device of ``data``; ErktError as ``load_folder`` raises."""
    return load_folder(folder, data.subset.classes).to(data.device)
