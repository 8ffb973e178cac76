"""The first part: what the device computes is what the CPU computes, within bounds, and goes on after a kill.

Bounds for float32 are those of rounding: on a CPU, two implementations of convolution give B0's gradient
at 128 px with a relative difference of 0.0025, and TF32 would be far above the bound. bf16 has eight bits:
there, on a CPU, B0's gradient differs from float32's by 0.11 in direction and 0.04 in length (one minus
cosine, one minus ratio).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import memory, paper
from benchmarks.day.bounds import Check, largest, relative, share_beyond, turned
from benchmarks.day.places import EQUIVALENCE
from benchmarks.day.processes import Outcome, Task, last_line, run_beside
from benchmarks.day.sizes import Sizes
from benchmarks.day.trained import STUDENT, chosen, short, small, still, train_kept, write_peak
from erkt.files.json_file import write_json
from erkt.inflight.checkpoints import FILE, NO_CHECKPOINTS
from erkt.losses.objective import Objective
from erkt.networks import models
from erkt.networks.models import Classifier
from erkt.params.distill import Distill
from erkt.params.schema import build
from erkt.seeds import stream
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.teach import Teach
from erkt.teachers.writer import block_logits
from erkt.training.graphs import BEFORE
from erkt.views.batches import ViewBatches

CPU = torch.device("cpu")

VISIBLE, MOVED, MEAN = 1e-3, 1e-3, 1e-4
LOSS, GRADIENT, DIRECTION, STATISTICS = 1e-3, 0.02, 1e-4, 1e-3
BF16_LOSS, BF16_DIRECTION, BF16_LENGTH = 0.02, 0.3, 0.2
LOGITS, ONLINE, RESUMED = 5e-3, 1e-3, 0.05

_WHOLE = "whole"


def run(out: Path, scratch: Path, device: str, sizes: Sizes, until: float) -> None:
    """Make every check, one after the other, and write ``equivalence.json`` in ``out`` after each.

    A check that raises is a row with its error. Those that would begin after ``until`` are left out.
    """
    small(sizes)
    both = Both(chosen(device), sizes, scratch, until)
    asked = list(both.all())
    rows: dict[str, list[dict[str, object]]] = {name: [_not(name, "not reached")] for name, _ in asked}
    for name, checks in asked:
        found: list[dict[str, object]] = []
        try:
            if time.time() >= until:
                raise TimeoutError("left out: no time")
            for check in checks():
                found.append(check.row())
                rows[name] = found
                print(f"  {check.name}: {check.found:.3g}, at most {check.bound:g} {check.note}", flush=True)
                _write(out, rows)
        except Exception as error:  # noqa: BLE001  # the checks after it are made all the same
            rows[name] = [*found, _not(name, last_line(error))]
            print(f"  {name}: {last_line(error)}", flush=True)
            _write(out, rows)


def _not(name: str, why: str) -> dict[str, object]:
    return {"name": name, "kept": False, "error": why}


def _write(out: Path, rows: dict[str, list[dict[str, object]]]) -> None:
    write_json(out / EQUIVALENCE, [row for found in rows.values() for row in found])


@dataclass(frozen=True)
class _Trained:
    """What a short training leaves: its mean loss, the last gradient, how far weights moved, statistics."""

    loss: float
    gradient: Tensor
    moved: Tensor
    statistics: Tensor


@dataclass(frozen=True)
class Both:
    """The device beside the CPU."""

    device: torch.device
    sizes: Sizes
    scratch: Path
    until: float

    def all(self) -> Iterator[tuple[str, Callable[[], Iterator[Check]]]]:
        """Yield name and checks of everything that is compared, the most important first."""
        yield "views", self.views
        yield "losses", self.losses
        yield "step", self.step
        yield "repeated", self.repeated
        yield "cache", self.cache
        yield "resume", self.resume
        yield "memory", self.memory
        yield "recompute", self.recompute
        # A kernel that fails on a device may spoil whatever comes after it in this process.
        yield "graphs", self.graphs
        yield "fused views", self.fused_views

    def views(self) -> Iterator[Check]:
        """Table 1 on noise, where a pixel that comes from its neighbour is seen at once."""
        yield from self._views("views", fused=False)

    def fused_views(self) -> Iterator[Check]:
        """The same by the fused kernels; a device that cannot run them says so here."""
        yield from self._views("fused views", fused=True)

    def _views(self, name: str, *, fused: bool) -> Iterator[Check]:
        for side in self.sizes.views:
            subset, seen = paper.images(self.sizes.seen, side), []
            for device in (self.device, CPU):
                data = replace(paper.data(subset, device, batch=self.sizes.seen), fused=fused)
                seen.append(data.batch(data.view(0), data.in_order(0)[0]).images.cpu())
            what = f"share of values in [0, 1] more than {VISIBLE:g} apart: ties of the rotation"
            yield Check(f"{name} {side} px", what, share_beyond(*seen, VISIBLE), MOVED)
            mean = float((seen[0] - seen[1]).abs().mean())
            yield Check(f"{name} {side} px, mean", "mean difference, of [0, 1]", mean, MEAN)

    def losses(self) -> Iterator[Check]:
        """Each loss of eq. 15's L_KD with its gradient, on the same logits and mixed labels."""
        count, classes = paper.BATCH, len(paper.CLASSES)
        numbers = stream(0, "logits")
        student, teacher = torch.from_numpy(6 * numbers.doubles(2, count, classes)).float()
        labels = torch.from_numpy(numbers.integers(classes, 2, count))
        alpha = torch.from_numpy(numbers.doubles(count)).float()
        for name in ("dist", "kd", "dkd", "multi_level"):
            objective = Objective(build(Distill, paper.PARAMS["distill"] | {"loss": name}, "distill"))
            found = []
            for device in (self.device, CPU):
                logits = student.to(device).requires_grad_()
                mixed = [values.to(device) for values in (teacher, *labels, alpha)]
                loss = objective(logits, *mixed, epoch=0)["loss"]
                found.append((loss.detach().reshape(1), torch.autograd.grad(loss, logits)[0]))
            (loss, gradient), (its_loss, its_gradient) = found
            yield Check(f"loss {name}", "relative difference of the loss", relative(loss, its_loss), LOSS)
            apart = relative(gradient, its_gradient)
            yield Check(f"loss {name}, gradient", "relative difference of the gradient", apart, LOSS)

    def step(self) -> Iterator[Check]:
        """One step of the student on views without rotation, so that no tie counts; fp32, then bf16."""
        reference = self._cpu_step
        full, half = (self._train(self.device, precision=precision) for precision in ("fp32", "bf16"))
        yield Check("step fp32, loss", "relative difference", _apart(full.loss, reference.loss), LOSS)
        apart = relative(full.gradient, reference.gradient)
        yield Check("step fp32, gradient", "relative difference of the gradient", apart, GRADIENT)
        apart = turned(full.gradient, reference.gradient)
        yield Check("step fp32, direction", "1 minus the gradients' cosine", apart, DIRECTION)
        apart = relative(full.statistics, reference.statistics)
        yield Check("step fp32, statistics", "relative difference of running statistics", apart, STATISTICS)
        yield Check("step bf16, loss", "relative difference", _apart(half.loss, reference.loss), BF16_LOSS)
        apart = turned(half.gradient, reference.gradient)
        yield Check("step bf16, direction", "1 minus the gradients' cosine", apart, BF16_DIRECTION)
        length = _apart(float(half.gradient.norm()), float(reference.gradient.norm()))
        yield Check("step bf16, length", "relative difference of the gradients' lengths", length, BF16_LENGTH)

    def repeated(self) -> Iterator[Check]:
        """A short training twice on the device."""
        first, again = (self._train(self.device, steps=self.sizes.steps) for _ in range(2))
        apart = relative(again.moved, first.moved)
        yield Check(
            f"{self.sizes.steps} steps again", "relative difference of how far weights moved", apart, RESUMED,
            note=_bits(apart),
        )  # fmt: skip

    def cache(self) -> Iterator[Check]:
        """The teachers' logits in float16: against the CPU's, and a student's epoch against one online."""
        data, its = self._batches(self.device, 2), self._batches(CPU, 2)
        online = paper.teachers(self.sizes.side, self.device)
        stored = [block_logits(member, data, [0]) for member in online.members]
        for member, logits, reference in zip(
            online.members, stored, paper.teachers(self.sizes.side, CPU).members, strict=True
        ):
            theirs = block_logits(reference, its, [0])
            apart = largest(torch.from_numpy(logits), torch.from_numpy(theirs))
            name = f"cache {member.card.arch.partition('.')[0]}"
            yield Check(name, "largest difference of a logit over the largest logit", apart, LOGITS)
        cached = CachedTeachers([dict(enumerate(block)) for block in stored], online.weights, online.space)
        losses = [self._train(self.device, steps=2, teach=teach).loss for teach in (cached, online)]
        apart = _apart(*losses)
        yield Check("cache, an epoch", "mean loss against that with the teachers online", apart, ONLINE)

    def resume(self) -> Iterator[Check]:
        """A training that SIGKILL ends after some steps, and that goes on, against an unbroken one."""
        folder, first = self.scratch / "resume", {name: self._beside[name] for name in ("killed", _WHOLE)}
        if not (folder / "killed" / FILE).is_file():
            raise RuntimeError(f"no checkpoint was left by the training that was killed: {_of(first)}")
        later = {"resumed": (train_kept, (folder / "killed", False, self.device.type, self.sizes))}
        for outcomes in (first, run_beside(later, self.device.type, self.until)):
            for name, outcome in outcomes.items():
                if name != "killed" and outcome.error:
                    raise RuntimeError(f"{name}: {outcome.error}")
        resumed, whole = (models.load(folder / name / STUDENT, None) for name in ("killed", _WHOLE))
        start = _weights(paper.network(paper.STUDENT, self.sizes.side, CPU))
        apart = relative(_weights(resumed) - start, _weights(whole) - start)
        yield Check(
            "resume after SIGKILL", "relative difference of how far weights moved", apart, RESUMED,
            note=_bits(apart),
        )  # fmt: skip

    def recompute(self) -> Iterator[Check]:
        """A step whose activations are computed again, on the device, against one without."""
        usual, again = (self._train(self.device, recompute=recompute) for recompute in (False, True))
        apart = relative(again.gradient, usual.gradient)
        yield Check("recompute, gradient", "relative difference", apart, GRADIENT, note=_bits(apart))
        apart = relative(again.statistics, usual.statistics)
        yield Check("recompute, statistics", "relative difference", apart, STATISTICS, note=_bits(apart))

    def graphs(self) -> Iterator[Check]:
        """A training whose steps are recorded and replayed, against one without; a CPU records nothing."""
        steps = self.sizes.steps + BEFORE
        usual, graphs = (self._train(self.device, steps, graphs=graphs) for graphs in (False, True))
        apart = relative(graphs.moved, usual.moved)
        yield Check(
            "graphs", f"{steps} steps: relative difference of how far weights moved", apart, RESUMED,
            note=_bits(apart),
        )  # fmt: skip
        apart = relative(graphs.statistics, usual.statistics)
        yield Check("graphs, statistics", "relative difference", apart, STATISTICS, note=_bits(apart))

    def memory(self) -> Iterator[Check]:
        """The most that each kind of work takes of the device, beside many images."""
        count, side = self.sizes.memory
        for kind, arch in self._kinds.items():
            if self._beside[kind].error:
                raise RuntimeError(f"{kind}: {self._beside[kind].error}")
            most = int((self.scratch / "memory" / kind).read_text(encoding="ascii")) / 1e9
            what = f"GB, {arch.partition('.')[0]}, batch {paper.BATCH}, {count} images of {side} px"
            yield Check(f"memory, {kind}", what, most, memory.LIMITS[self.device.type] / 1e9)

    @property
    def _kinds(self) -> dict[str, str]:
        largest_one = list(paper.TEACHERS.values())[1]
        return {"distill": paper.STUDENT, "train": largest_one, "cache": largest_one}

    @cached_property
    def _beside(self) -> dict[str, Outcome]:
        """How the processes ended that ``resume`` and ``memory`` need, all at a time."""
        resume, folder = self.scratch / "resume", self.scratch / "memory"
        for path in (resume / "killed", resume / _WHOLE, folder):
            path.mkdir(parents=True)
        count, side = self.sizes.memory
        np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, 3, side, side)).flush()
        tasks: dict[str, Task] = {
            name: (train_kept, (resume / name, name == "killed", self.device.type, self.sizes))
            for name in ("killed", _WHOLE)
        }
        for kind, arch in self._kinds.items():
            tasks[kind] = (write_peak, (folder / kind, memory.Work(folder, kind, arch), self.sizes))
        return run_beside(tasks, self.device.type, self.until)

    @cached_property
    def _cpu_step(self) -> _Trained:
        return self._train(CPU)

    def _batches(self, device: torch.device, steps: int) -> ViewBatches:
        return still(paper.images(steps * paper.BATCH, self.sizes.side), device)

    def _train(
        self,
        device: torch.device,
        steps: int = 1,
        precision: str = "fp32",
        recompute: bool = False,
        teach: Teach | None = None,
        graphs: bool = False,
    ) -> _Trained:
        network = paper.network(paper.STUDENT, self.sizes.side, CPU)
        start, data = _weights(network), self._batches(device, steps)
        loss = short(network, data, NO_CHECKPOINTS, precision, recompute, teach, graphs)
        gradients = [weights.grad for weights in network.parameters() if weights.grad is not None]
        statistics = [buffer for name, buffer in network.named_buffers() if "running" in name]
        return _Trained(loss, _flat(gradients), _weights(network) - start, _flat(statistics))


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().cpu().float().flatten() for tensor in tensors])


def _weights(network: Classifier) -> Tensor:
    return _flat(list(network.parameters()))


def _apart(one: float, other: float) -> float:
    return abs(one - other) / abs(other)


def _bits(apart: float) -> str:
    return "the same bits" if apart == 0 else "other bits"


def _of(outcomes: dict[str, Outcome]) -> str:
    return "; ".join(f"{name}: {outcome.error}" for name, outcome in outcomes.items() if outcome.error)
