"""Where cells are made and what each takes there, as options of a command."""

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass

from erkt.errors import ErktError
from erkt.params.schema import nearest
from erkt.pipeline.cells import pipeline

_NEED = re.compile(r"(\w+)=(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?")

_USUAL: dict[str, object] = {
    "workers": None,
    "address": None,
    "cpus": 1.0,
    "gpus": None,
    "need": [],
    "clones": None,
}
"""The options, and what they are if they are not given."""


@dataclass(frozen=True)
class Where:
    """A cluster's address, or None for one of this machine for ``workers`` cells at once; what cells take.

    ``gpus`` None is a card for each cell where the cluster has any, and none elsewhere. ``stages`` are those
    that take something else: cores, and cards where they were named. ``clones`` is the folder for workers'
    clones, None for the usual one.
    """

    address: str | None
    workers: int
    cpus: float
    gpus: float | None
    stages: Mapping[str, tuple[float, float | None]]
    clones: str | None


def arguments(parser: ArgumentParser) -> None:
    """Add where, what a cell takes, and where workers keep their clones."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--workers", type=int, help="cells at once on this machine; default: one a core")
    place.add_argument("--address", help="HOST:PORT of a cluster's head; default: RAY_ADDRESS, if set")
    parser.add_argument("--cpus", type=float, default=1.0, help="cores that a cell takes; default: 1")
    parser.add_argument("--gpus", type=float, help="cards, or a share of one; default: 1 where there are any")
    parser.add_argument(
        "--need",
        action="append",
        default=[],
        metavar="STAGE=CPUS[,GPUS]",
        help="what cells of a stage take; GPUS 0: no card, so they compute on the CPU",
    )
    parser.add_argument("--clones", help="folder for workers' clones; default: .dvc/tmp/fleet")


def asked(options: Namespace) -> Where | None:
    """Return what the options say where they are for ``--fleet``, None without it and without them."""
    given = vars(options)
    words = [f"--{name}" for name, usual in _USUAL.items() if given[name] != usual]
    if options.fleet:
        return where(options)
    if words:
        raise ErktError(f"{' and '.join(words)}: only with --fleet")
    return None


def where(options: Namespace) -> Where:
    """Return what the options say; ErktError if a number is too small or a stage unknown."""
    address = options.address or (os.environ.get("RAY_ADDRESS") if options.workers is None else None)
    workers = len(os.sched_getaffinity(0)) if options.workers is None else options.workers
    for name, value, least in (("workers", workers, 1), ("cpus", options.cpus, 0), ("gpus", options.gpus, 0)):
        if value is not None and value < least:
            raise ErktError(f"--{name} {value:g}: expected {least} or more")
    _check_cards("--gpus", options.gpus)
    known, stages = pipeline(), dict[str, tuple[float, float | None]]()
    for need in options.need:
        match = _NEED.fullmatch(need)
        if match is None:
            raise ErktError(f"--need {need}: expected STAGE=CPUS or STAGE=CPUS,GPUS, as distill=2,0.5")
        if match[1] not in known:
            raise ErktError(f"--need {need}: dvc.yaml has no stage '{match[1]}'{nearest(match[1], known)}")
        cards = None if match[3] is None else float(match[3])
        _check_cards(f"--need {need}:", cards)
        stages[match[1]] = (float(match[2]), cards)
    return Where(address, workers, options.cpus, options.gpus, stages, options.clones)


def _check_cards(option: str, cards: float | None) -> None:
    """Raise ErktError for one card and a half, which no engine gives."""
    if cards is not None and cards > 1 and cards != int(cards):
        raise ErktError(f"{option} {cards:g} cards: expected a share of one, or whole ones")
