"""Checkpoints of long work: tensors and plain values, kept whole, verified when they are read.

What goes into a checkpoint, and that work which goes on from one ends as if it had never stopped, is the
business of who makes it. Here it is only stored: one safetensors file, no pickle, replaced whole.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from erkt.errors import ErktError
from erkt.files.json_file import parse_json
from erkt.files.replace import replace_whole
from erkt.inflight.stopping import Stop, Stopped
from erkt.machine.device import described

FILE = "checkpoint.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, of any shape and type, and a state that JSON can hold without loss."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


class Checkpoints:
    """Where long work keeps its checkpoints; this one, for work that may start again, keeps none.

    ``stop`` says whether the work is asked to leave.
    """

    stop = Stop()

    def restore(self, device: torch.device) -> Checkpoint | None:
        """Return the last checkpoint, or None at the beginning. The work goes on or begins on ``device``."""
        return None

    def after_step(self, make: Callable[[], Checkpoint]) -> None:
        """Keep what ``make`` returns if it is time to. Raises Stopped after that if asked to leave."""


NO_CHECKPOINTS = Checkpoints()


class FolderCheckpoints(Checkpoints):
    """The last checkpoint, as one file in ``folder``.

    One is kept every ``seconds`` (0: after every step), and when ``stop`` is requested. ``attempts`` counts
    the starts that went into the work, this one included; ``spent`` is how many seconds of work the restored
    checkpoint holds. Raises ErktError if a checkpoint cannot be written; the one before it stays.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float,
        stop: Stop,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = folder / FILE
        self._seconds = seconds
        self.stop = stop
        self._warn = warn
        self._clock = clock
        self._started = self._kept_at = clock()
        self._device = torch.device("cpu")
        self.attempts = 1
        self.spent = 0.0

    def restore(self, device: torch.device) -> Checkpoint | None:
        """Return the last checkpoint, or None if there is none, or, with a warning, none that is intact.

        A warning also says if it was made on another device than ``device``, or with another torch or number
        of threads. Whoever works calls this first: checkpoints from then on say that they are of ``device``.
        """
        self._device = device
        if not self._path.exists():
            return None
        try:
            checkpoint, about = _read(self._path)
        # A file that somebody wrote with a digest of its own may hold anything.
        except (ErktError, OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            self._warn(f"{self._path} is damaged ({reason}); starting from the beginning")
            return None
        self.attempts, self.spent = about["attempts"] + 1, about["seconds"]
        if about["made_with"] != self._made_with():
            self._warn(
                f"{self._path} was made with {about['made_with']}, this is {self._made_with()}: going on, "
                "but not bit for bit as without the interruption"
            )
        return checkpoint

    def after_step(self, make: Callable[[], Checkpoint]) -> None:
        """Keep a checkpoint if one is due or the process is asked to leave; then leave."""
        if self.stop.requested or self._clock() - self._kept_at >= self._seconds:
            seconds = self.spent + self._clock() - self._started
            about = {"attempts": self.attempts, "seconds": round(seconds, 1)}
            _write(self._path, make(), about | {"made_with": self._made_with()})
            self._kept_at = self._clock()
        if self.stop.requested:
            raise Stopped

    def _made_with(self) -> str:
        """Return what training's rounding depends on."""
        threads = f"{torch.get_num_threads()} threads"
        return f"torch {torch.__version__}, {described(self._device)}, {threads}, {platform.machine()}"


def _write(path: Path, checkpoint: Checkpoint, about: dict[str, Any]) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    text = json.dumps({"state": checkpoint.state, "about": about}, allow_nan=False)
    with replace_whole(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"text": text, "sha256": _digest(tensors, text)})
        except SafetensorError as error:
            raise ErktError(f"{path}: not written: {error}") from None


def _read(path: Path) -> tuple[Checkpoint, dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata["sha256"] != _digest(tensors, metadata["text"]):
        raise ValueError("its content is not what was written")
    content: Any = parse_json(metadata["text"], str(path))
    state, about = dict(content["state"]), dict(content["about"])
    counted = {"attempts": int(about["attempts"]), "seconds": float(about["seconds"])}
    return Checkpoint(tensors, state), counted | {"made_with": about["made_with"]}


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
