"""How long the protocol takes on this machine, and how much memory, from a short measurement.

Each network takes a few steps on a few images of its own side, and each kind of view is made once; the rest
is counting. What shares the machine meanwhile is in it. Nothing of what is already done is taken off.

torch is imported within the functions: a torch that does not load is told by ``packages``.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from erkt.params.network import Network
from erkt.params.protocol import Protocol
from erkt.params.views import ViewSettings
from erkt.pipeline.doctor.findings import Finding, note, ok, size
from erkt.pipeline.images_known import Counted, images_known

_IMAGES = 8
_ROUNDS = 3
_SECONDS = 4.0
"""A network that takes longer than this for its first step is not asked again."""


@dataclass(frozen=True)
class Pace:
    """Seconds an image of a network: to train it, and to run it alone."""

    training: float
    running: float


def estimate(protocol: Protocol) -> Iterator[Finding]:
    """Yield how long all seeds take and the memory of the largest step; a note if that is more than is free.

    Where the number of images is not known yet, the line says so. Raises what timm and torch raise for a
    network that cannot run.
    """
    import psutil  # type: ignore[import-untyped]

    from erkt.networks.rehearsal import step_bytes

    counted = images_known(protocol)
    if counted is None:
        yield ok("time: how many images there are is not known; dvc repro prepare, then ask again")
        return
    student = protocol.student
    networks = {name: (one.network, one.recipe.batch_size) for name, one in protocol.teachers.items()}
    paces = {name: _pace(protocol, network) for name, (network, _) in networks.items()}
    views = {"base": _view_seconds(protocol, protocol.base), "vsm": _view_seconds(protocol, protocol.vsm)}
    parts = seconds(protocol, counted, paces, _pace(protocol, student), views)
    named = ", ".join(f"{name} {in_words(value)}" for name, value in parts.items())
    seeds = len(protocol.seeds)
    whole = in_words(sum(parts.values()) * seeds)
    each = f" for {seeds} seeds, each" if seeds > 1 else ":"
    yield ok(f"time: about {whole} here{each} {named}")
    everyone = [*networks.values(), (student, protocol.distill.recipe.batch_size)]
    need, arch = max(
        (step_bytes(network, network.side or protocol.prepare.side, counted.classes, batch), network.arch)
        for network, batch in everyone
    )
    free = psutil.virtual_memory().available
    said = f"memory: a step of {arch} holds about {size(need)}; {size(free)} of memory are free"
    if need <= free:
        yield ok(said)
    else:
        yield note(said, "runtime.recompute: true, a smaller batch_size, or a GPU with that much")


def seconds(
    protocol: Protocol,
    counted: Counted,
    teachers: dict[str, Pace],
    student: Pace,
    views: dict[str, float],
) -> dict[str, float]:
    """Return the seconds of one seed by what takes them: teachers, their views, student, and the rest.

    ``views`` are the seconds an image of the settings ``base`` and ``vsm``. Small images first are counted as
    large ones.
    """
    split = protocol.split
    share = (0.6 if split.train_percent is None else split.train_percent / 100) * (
        1 - split.val_percent / 100
    )
    trained = counted.labelled * share
    shown = trained + counted.labelled * split.unlabelled_percent / 100 + counted.unlabelled
    tested = counted.labelled * (1 - share - split.unlabelled_percent / 100)
    epochs = protocol.distill.recipe.epochs
    stored = len(protocol.cache.blocks) * protocol.cache.views_per_block
    taught = protocol.distill.loss != "none" and protocol.distill.loss_ratio < 2
    passes = (stored or epochs) if taught else 0
    ensemble = sum(pace.running for pace in teachers.values())
    again = views["vsm"] if stored and taught else 0.0
    return {
        "teachers": sum(
            one.recipe.epochs * trained * (teachers[name].training + views["base"])
            for name, one in protocol.teachers.items()
        ),
        "their answers": passes * shown * (ensemble + again),
        "student": epochs * shown * (student.training + views["vsm"]),
        "tests": tested * (ensemble + 10 * student.running),
    }


def in_words(value: float) -> str:
    """Return seconds as people say them: ``40 s``, ``25 min``, ``6 h 20 min``, ``3 d 4 h``."""
    if value < 60:
        return f"{max(1, round(value))} s"
    minutes = round(value / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(10 * round(minutes / 10), 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


def _pace(protocol: Protocol, settings: Network) -> Pace:
    import torch

    from erkt.machine.device import choose
    from erkt.networks import creation
    from erkt.networks.models import put_on

    where = choose(protocol.runtime).type
    side = settings.side or protocol.prepare.side
    with torch.random.fork_rng(devices=[]):
        network = put_on(creation.create(settings, 10, {"pretrained": False}), where)
        images = torch.rand(_IMAGES, 3, side, side, device=where).contiguous(
            memory_format=torch.channels_last
        )

        def train() -> None:
            network.train()(images).float().square().mean().backward()
            network.zero_grad()

        @torch.no_grad()
        def run() -> None:
            network.eval()(images)

        return Pace(_timed(train) / _IMAGES, _timed(run) / _IMAGES)


def _view_seconds(protocol: Protocol, settings: ViewSettings) -> float:
    import numpy as np
    import torch

    from erkt.machine.device import choose
    from erkt.views.view import View

    side = protocol.prepare.side
    view = View.make(0, 0, np.zeros(2 * _IMAGES, np.int64), side, settings)
    images = torch.zeros(2 * _IMAGES, 3, side, side, dtype=torch.uint8, device=choose(protocol.runtime))
    return _timed(lambda: view.render(images, np.arange(2 * _IMAGES))) / (2 * _IMAGES)


def _timed(call: Callable[[], object]) -> float:
    """Return the median seconds of a few calls after a first one, or those of the first if it is slow."""
    found: list[float] = []
    for _ in range(1 + _ROUNDS):
        start = time.perf_counter()
        call()
        _wait()
        found.append(time.perf_counter() - start)
        if found[0] > _SECONDS:
            break
    return statistics.median(found[1:] or found)


def _wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
