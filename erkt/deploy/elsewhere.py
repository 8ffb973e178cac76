"""Shards of a table made by processes of an engine, on this machine or on others.

Each worker opens the model once and makes whole shards, with the batches that one process would take: the
rows are the same bit for bit on the same kind of CPU. A shard that is lost with its worker is made again.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Literal

import erkt
from erkt.deploy.decoding import decoded
from erkt.deploy.inputs import ARCHIVES, by_name
from erkt.deploy.opening import file_of
from erkt.deploy.pixels import Decoder
from erkt.deploy.predictor import Predictor, load
from erkt.deploy.rows import FeatureRows, PredictionRows, Rows
from erkt.deploy.shards import MADE_BY, Make, write_shard
from erkt.errors import ErktError
from erkt.files.digests import Sha256, sha256_file
from erkt.machine import ray_cluster
from erkt.machine.cluster import Cluster, Needs

Command = Literal["predict", "embed"]

_AHEAD = 2  # shards for each worker that are named before one is free
_LOOK_SECONDS = 1.0
_PACKAGES = ("onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class Work:
    """What all shards of a table share; paths are those of the head, and hold on every machine."""

    model: Path
    digest: Sha256
    threads: int
    command: Command
    top: int | None
    decoder: Decoder
    folder: Path
    versions: tuple[str, ...]


def versions() -> tuple[str, ...]:
    """Return what decides rows beside the model: this package, and those that decode and compute."""
    return (f"erkt {erkt.__version__}", *(f"{name} {version(name)}" for name in _PACKAGES))


def check(places: Sequence[str], out: Path | None) -> None:
    """Raise ErktError for what can only be done in one process: archives, and lines without a file."""
    if out is None:
        raise ErktError("--engine ray: add --out; lines are printed by one process")
    for place in places:
        if place.lower().endswith(ARCHIVES):
            raise ErktError(f"{place}: an archive is read in one piece; unpack it, or leave out --engine ray")


@contextmanager
def maker(work: Work, address: str | None, workers: int) -> Iterator[Make]:
    """Yield what makes shards on Ray: at ``address`` or ``RAY_ADDRESS``, else by ``workers`` processes here.

    Raises ErktError as ``erkt.machine.ray_cluster.joined`` does.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    with ray_cluster.joined(address, workers * work.threads) as cluster:

        def places() -> int:
            cores = sum(machine.get("CPU", 0.0) for machine in cluster.nodes().values())
            return max(1, int(cores // work.threads))

        yield partial(make_all, work, cluster, places)


def make_all(
    work: Work,
    cluster: Cluster,
    places: Callable[[], int],
    missing: Iterator[tuple[Path, list[str]]],
) -> Iterator[tuple[int, int]]:
    """Make the ``missing`` shards on ``cluster``; yield rows and errors of each, in the order of their ends.

    ``places`` says how many can be made at once; twice as many are named ahead, so that the list of images is
    never held whole. Raises ErktError with the reason for the first that cannot be made.
    """
    waiting: dict[str, int] = {}
    while True:
        for path, names in islice(missing, max(0, _AHEAD * places() - len(waiting))):
            there = (work.folder / names[0]).exists()
            needs = Needs(cpus=work.threads)
            cluster.submit(path.name, needs, make_shard, work, path.resolve(), names, there)
            waiting[path.name] = len(names)
        if not waiting:
            return
        for ended in cluster.ended(_LOOK_SECONDS):
            if ended.error is not None:
                raise ErktError(f"{ended.key}, on {ended.node or 'no machine'}: {ended.error}")
            yield waiting.pop(ended.key), ended.value


def make_shard(work: Work, path: Path, names: Sequence[str], there: bool) -> int:
    """Make one shard on a worker; return how many of its rows are errors.

    ``there`` says that the head finds the first image. Raises ErktError if this machine has another model,
    other packages, or not the head's files.
    """
    here = versions()
    for wanted, found in zip(work.versions, here, strict=True):
        if wanted != found:
            raise ErktError(f"{socket.gethostname()} has {found}, and the head {wanted}: rows would differ")
    for needed in (path.with_name(MADE_BY), *([work.folder / names[0]] if there else [])):
        if not needed.exists():
            raise ErktError(
                f"{needed}: not on {socket.gethostname()}; images and output have to lie at the same path on "
                "all machines"
            )
    rows = _rows(work)
    sources = (by_name(name, work.folder) for name in names)
    images = decoded(sources, _predictor(work).card.preparation, work.threads, work.decoder)
    return write_shard(path, images, rows)


@lru_cache(maxsize=1)
def _predictor(work: Work) -> Predictor:
    if sha256_file(file_of(work.model)) != work.digest:
        raise ErktError(f"{work.model}: another model on {socket.gethostname()} than on the head")
    return load(work.model, work.threads)


@lru_cache(maxsize=1)
def _rows(work: Work) -> Rows:
    if work.command == "embed":
        return FeatureRows(_predictor(work))
    return PredictionRows(_predictor(work), work.top or 1)
