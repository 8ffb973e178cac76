"""Disk space: what a protocol needs in all, what of it is still to be made, and what is free where it goes.

Counted are the images, the networks, the stored logits and the checkpoints; metrics, lists and pictures are small.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from erkt.data.benchmarks import BENCHMARKS
from erkt.errors import ErktError
from erkt.files.json_file import read_json
from erkt.params.protocol import Protocol
from erkt.pipeline.doctor.findings import Finding, note, ok, problem
from erkt.pipeline.doctor.units import size

_FLOAT16 = 2


@dataclass(frozen=True)
class Data:
    """How many images and classes there are, and the bytes of their archive (None: not known before it is here)."""

    images: int
    classes: int
    archive: int | None


@dataclass(frozen=True)
class Network:
    """The bytes of a network's float32 parameters, and of its other buffers."""

    parameters: int
    buffers: int

    @property
    def weights(self) -> int:
        """What its file takes."""
        return self.parameters + self.buffers

    @property
    def checkpoint(self) -> int:
        """What a checkpoint of its training takes: AdamW has two moments for each parameter."""
        return 3 * self.parameters + self.buffers


@dataclass(frozen=True)
class Need:
    """An artifact that stays: its kind, its bytes, and whether it is here already."""

    kind: str
    bytes: int
    made: bool


@dataclass(frozen=True)
class Place:
    """A folder with a role: the file system that it is or will be in, by number, and the bytes free there."""

    role: str
    folder: Path
    system: int
    free: int


def prepared(protocol: Protocol, manifest: Path) -> Data | None:
    """Return what ``manifest`` says of the prepared images; None if there are none of the protocol's side."""
    if not manifest.is_file():
        return None
    try:
        facts = read_json(manifest)
        images, *_, side = facts["shape"]
        classes = len(facts["classes"])
    except (ErktError, KeyError, TypeError, ValueError):
        return None  # what is damaged is made again
    return Data(int(images), classes, None) if side == protocol.prepare.side else None


def expected(protocol: Protocol) -> Data | None:
    """Return what the params alone tell of the images; None if that is not enough."""
    dataset = protocol.dataset
    if dataset.scenes is not None:
        from erkt.scenes.catalogue import CATALOGUE

        images = dataset.scenes.per_class * len(CATALOGUE)
        return Data(images, len(CATALOGUE), images * 3 * dataset.scenes.side**2)
    if dataset.name in BENCHMARKS:
        counts = BENCHMARKS[dataset.name].counts
        return Data(sum(counts.values()), len(counts), None)
    return None


def network_of(arch: str, classes: int) -> Network:
    """Return the sizes of timm's ``arch``, where it can be without making its tensors; ErktError if it has none."""
    import timm
    import torch

    if not timm.is_model(arch):
        raise ErktError(f"timm has no architecture '{arch}'")
    try:
        with torch.device("meta"):
            model = timm.create_model(arch, pretrained=False, num_classes=classes)
    except (RuntimeError, NotImplementedError):  # some compute with their tensors while they are built
        model = timm.create_model(arch, pretrained=False, num_classes=classes)
    parameters, buffers = (
        sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        for tensors in (model.parameters(), model.buffers())
    )
    return Network(parameters, buffers)


def needs(
    protocol: Protocol, data: Data, networks: Mapping[str, Network], made: Mapping[str, int]
) -> list[Need]:
    """Return everything that stays, for all seeds.

    ``networks`` has the teachers by name and ``student``. ``made`` says of ``archive``, ``images``, each network's
    name and ``logits`` how many of them are here (of networks and logits: over all seeds, teachers and blocks).
    """
    seeds = len(protocol.seeds)
    train = data.images * protocol.split.train_percent / 100 * (1 - protocol.split.val_percent / 100)
    block = round(protocol.cache.views_per_block * train * data.classes * _FLOAT16)
    blocks = seeds * len(protocol.teachers) * len(protocol.cache.blocks)
    entries = [("images", data.images * 3 * protocol.prepare.side**2, made.get("images", 0), 1)]
    if data.archive is not None:
        entries.append(("archive", data.archive, made.get("archive", 0), 1))
    for name, network in networks.items():
        entries.append(("networks", network.weights, made.get(name, 0), seeds))
    entries.append(("logits", block, made.get("logits", 0), blocks))
    listed = []
    for kind, each, here, count in entries:
        listed += [Need(kind, each * min(here, count), made=True)] if here else []
        listed += [Need(kind, each * (count - here), made=False)] if here < count else []
    return listed


def checkpoints(protocol: Protocol, data: Data, networks: Mapping[str, Network]) -> int:
    """Return the most that checkpoints of one stage take: the largest, twice, while one replaces another."""
    views = protocol.cache.views_per_block if protocol.cache.blocks else 0
    block = round(views * data.images * protocol.split.train_percent / 100 * data.classes * _FLOAT16)
    average = networks["student"].weights if protocol.distill.economy.averaging else 0
    student = networks["student"].checkpoint + average
    return 2 * max(block, student, *(network.checkpoint for network in networks.values()))


def look(folders: Mapping[str, Path]) -> Iterator[list[Place] | None]:
    """Yield None, then the places of ``folders`` by role; what is not there yet is looked up where it will be made."""
    yield None
    places = []
    for role, folder in folders.items():
        here = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
        places.append(Place(role, folder, here.stat().st_dev, shutil.disk_usage(here).free))
    yield places


def findings(listed: Sequence[Need], in_flight: int, link: str, places: Sequence[Place]) -> Iterator[Finding]:
    """Yield the sum, then for each file system what is needed and free: a problem if that is less.

    ``in_flight`` are the bytes for checkpoints; ``link`` is how DVC's cache and workspace share files. Roles of
    ``places`` are ``workspace``, ``DVC cache``, ``in-flight`` and others, which need next to nothing.
    """
    to_make = sum(need.bytes for need in listed if not need.made)
    kinds = {need.kind: 0 for need in listed}
    for need in listed:
        kinds[need.kind] += need.bytes
    parts = ", ".join(f"{kind} {size(count)}" for kind, count in kinds.items() if count)
    twice = f", and {size(to_make)} again for DVC's copies" if link == "copy" and to_make else ""
    yield ok(
        f"space: the protocol takes {size(sum(kinds.values()))} ({parts}); {size(to_make)} are still to be made"
        f"{twice}, checkpoints take {size(in_flight)} meanwhile"
    )
    wanted = {
        "workspace": 0 if link == "symlink" else to_make,
        "DVC cache": to_make if link in ("copy", "symlink") else 0,
        "in-flight": in_flight,
    }
    for system in dict.fromkeys(place.system for place in places):
        together = [place for place in places if place.system == system]
        yield _system_finding(together, sum(wanted.get(place.role, 0) for place in together))


def unknown(dataset: str, places: Sequence[Place]) -> Iterator[Finding]:
    """Yield a note that the need is not known, and what is free."""
    free = "; ".join(
        f"{size(place.free)} at {', '.join(other.role for other in places if other.system == place.system)}"
        for place in {place.system: place for place in places}.values()
    )
    yield note(
        f"space: how many images '{dataset}' has is not known yet, nor what it needs; free: {free}",
        "dvc repro prepare, then ask again",
    )


def _system_finding(places: Sequence[Place], wanted: int) -> Finding:
    roles, free = ", ".join(place.role for place in places), places[0].free
    if wanted <= free:
        return ok(f"space: {size(free)} free for {roles}; needed there: {size(wanted)}")
    return problem(
        f"space: {size(free)} free for {roles}, needed there: {size(wanted)}",
        f"free {size(wanted - free)} in the file system of {places[0].folder} (dvc gc --workspace drops what older "
        "params made), or move a part: dvc cache dir --local DIR, ERKT_INFLIGHT=DIR",
    )
