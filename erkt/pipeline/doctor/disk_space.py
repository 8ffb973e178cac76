"""Disk space: what a protocol needs in all, what of it is still to be made, and what is free where it goes.

Counted are images, networks, stored logits and checkpoints; metrics, lists and pictures are small.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from erkt.files.artifacts import WEIGHTS
from erkt.params.network import Network
from erkt.params.protocol import Protocol
from erkt.pipeline import paths
from erkt.pipeline.doctor.cache_and_lock import existing, look_at_cache
from erkt.pipeline.doctor.findings import Finding, note, ok, problem, size
from erkt.pipeline.images_known import images_known

_FLOAT16 = 2


@dataclass(frozen=True)
class Need:
    """The bytes of all that stays, by kind; of what of it is not here; of checkpoints while a stage runs."""

    kinds: Mapping[str, int]
    to_make: int
    in_flight: int


def needed(protocol: Protocol) -> Need | None:
    """Return what the protocol needs for all seeds; None if it is not known yet how many images there are."""
    counted, scenes = images_known(protocol), protocol.dataset.scenes
    if counted is None:
        return None
    images, more, classes = counted.labelled, counted.unlabelled, counted.classes
    stays: list[tuple[str, Path, int]] = []
    if not counted.prepared and scenes is not None:
        stays.append(("archive", paths.ARCHIVE, images * 3 * scenes.side**2))
    split = protocol.split
    trained = 100 if split.train_percent is None else split.train_percent  # of a published split: at most
    shown = trained * (1 - split.val_percent / 100) + split.unlabelled_percent
    logits = round(protocol.cache.views_per_block * (images * shown / 100 + more) * classes * _FLOAT16)
    student = network_bytes(protocol.student, classes)
    teachers = {name: network_bytes(one.network, classes) for name, one in protocol.teachers.items()}
    for seed in protocol.seeds:
        stays.append(("networks", paths.student(seed) / WEIGHTS, student[0]))
        for name, (weights, _) in teachers.items():
            stays.append(("networks", paths.teacher(seed, name) / WEIGHTS, weights))
            folder = paths.teaching(seed) / name
            stays += [("logits", folder / str(block), logits) for block in protocol.cache.blocks]
    array = (images + more) * 3 * protocol.prepare.side**2
    kinds = Counter({"images": array})
    for kind, _, count in stays:
        kinds[kind] += count
    to_make = sum(count for _, path, count in stays if not path.exists()) + (0 if counted.prepared else array)
    averaged = student[0] if protocol.distill.averaging else 0
    largest = max(student[1] + averaged, *(checkpoint for _, checkpoint in teachers.values()))
    if protocol.cache.blocks:
        largest = max(largest, logits)
    return Need(kinds, to_make, 2 * largest)  # while one replaces another


def network_bytes(network: Network, classes: int) -> tuple[int, int]:
    """Return what ``network`` takes as a file, and as a checkpoint: AdamW has two moments a parameter."""
    import timm
    import torch

    with torch.device("meta"):  # the tensors of a large network take seconds to make
        model = timm.create_model(network.arch, pretrained=False, num_classes=classes, **network.options)
    parameters = sum(tensor.nbytes for tensor in model.parameters())
    weights = parameters + sum(tensor.nbytes for tensor in model.buffers())
    return weights, weights + 2 * parameters


def check(root: Path, need: Need | None, store: Path) -> Iterator[Finding | None]:
    """Yield None, then the sum, then for each file system what is needed and free: a problem if that is less.

    ``need`` is None where it is not known; in-flight states go to ``store``.
    """
    yield None
    cache = look_at_cache(root)
    wanted: dict[str, int] = {}
    if need is None:
        yield note(
            "space: how many images there are, and so what is needed, is not known before they are prepared",
            "dvc repro prepare, then ask again",
        )
    else:
        copied = need.to_make if cache.link == "copy" else 0
        yield ok(
            f"space: the protocol takes {size(sum(need.kinds.values()))} "
            f"({', '.join(f'{kind} {size(count)}' for kind, count in need.kinds.items() if count)}); "
            f"{size(need.to_make)} are still to be made, {size(copied)} again for DVC's copies, "
            f"checkpoints take {size(need.in_flight)} meanwhile"
        )
        wanted = {"workspace": need.to_make, "DVC cache": copied, "in-flight": need.in_flight}
        if cache.link == "symlink":
            wanted |= {"workspace": 0, "DVC cache": need.to_make}
    folders = {"workspace": root, "DVC cache": cache.folder, "in-flight": store}
    systems: dict[int, list[str]] = {}
    for role, folder in folders.items():
        systems.setdefault(existing(folder).stat().st_dev, []).append(role)
    for roles in systems.values():
        yield _system(folders[roles[0]], ", ".join(roles), sum(wanted.get(role, 0) for role in roles))


def _system(folder: Path, roles: str, wanted: int) -> Finding:
    free = shutil.disk_usage(existing(folder)).free
    said = f"space: {size(free)} free for {roles}; needed there: {size(wanted)}"
    if wanted <= free:
        return ok(said)
    return problem(
        said,
        f"free {size(wanted - free)} in the file system of {folder} (dvc gc --workspace drops what older "
        "params made), or move a part: dvc cache dir --local DIR, ERKT_INFLIGHT=DIR",
    )
