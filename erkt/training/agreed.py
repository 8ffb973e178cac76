"""Checkpoints of several processes: the first keeps them, and all leave after the same step."""

import json
from collections.abc import Callable

import torch

from erkt.inflight.checkpoints import Checkpoint, Checkpoints
from erkt.inflight.stopping import Stopped
from erkt.training.ranks import Ranks


class Agreed(Checkpoints):
    """``own`` as the checkpoints of a network that ``ranks`` train together, each with the same weights."""

    def __init__(self, own: Checkpoints, ranks: Ranks) -> None:
        self._own, self._ranks = own, ranks

    def restore(self, device: torch.device) -> Checkpoint | None:
        """Return the last checkpoint; raise ErktError if not every process has read the same one."""
        kept = self._own.restore(device)
        place = "" if kept is None else json.dumps(kept.state, sort_keys=True)
        self._ranks.require_same(
            place, "its processes have not read the same checkpoint; run dvc repro again"
        )
        return kept

    def after_step(self, make: Callable[[], Checkpoint]) -> None:
        """Keep a checkpoint in the first process if one is due; leave if any process is asked to."""
        self._own.stop.requested = self._ranks.any(self._own.stop.requested)
        if self._ranks.number == 0:
            self._own.after_step(make)
        elif self._own.stop.requested:
            raise Stopped
