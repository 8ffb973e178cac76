"""An epoch of the student with the paper's recipe, the teachers' logits on it, and bare steps beside it."""

import os
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks import paper
from erkt.machine.progress import Progress
from erkt.networks.models import Classifier
from erkt.teachers.online import OnlineTeachers
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.teach import Teach
from erkt.teachers.writer import block_logits
from erkt.training.engine import fit
from erkt.training.graphs import Recorder
from erkt.training.ranks import ALONE, Ranks
from erkt.views.batches import Batch, ViewBatches

_MOST_EPOCHS = 1_000_000


def cached_teachers(teachers: OnlineTeachers, data: ViewBatches) -> CachedTeachers:
    """Run every teacher on the view of ``data`` and return their logits, kept in memory."""
    members = [dict(enumerate(block_logits(member, data, [0]))) for member in teachers.members]
    return CachedTeachers(members, teachers.weights, teachers.space)


def bare_step(network: Classifier, batch: Batch, *, recorded: bool = False) -> Callable[[], Tensor]:
    """Return what trains ``network`` for a step on the ready images of ``batch``, without distillation.

    ``recorded``: a CUDA graph may hold it.
    """
    model, images = network.train(), batch.images.contiguous(memory_format=torch.channels_last)
    model.to(memory_format=torch.channels_last)
    rate = torch.tensor(2e-4, device=images.device) if recorded else 2e-4
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=rate, weight_decay=1e-6, fused=True, capturable=recorded
    )

    def step() -> Tensor:
        loss = torch.nn.functional.cross_entropy(model(images), batch.label_a)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def times(count: int, call: Callable[[], object]) -> None:
    """Call ``call`` so many times."""
    for _ in range(count):
        call()


def epochs(
    student: Classifier,
    data: ViewBatches,
    teach: Teach,
    ranks: Ranks = ALONE,
    graphs: bool | Recorder = False,
) -> Callable[[], object]:
    """Return what trains ``student`` for its next epoch with the paper's recipe.

    It is one training, as a run has it: what it begins with is done once. Progress is shown to nobody.
    """

    def all_epochs() -> Iterator[object]:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            shown = Progress(None, label="benchmark", unit="steps", stream=nowhere)
            yield from fit(
                student,
                data,
                paper.objective(),
                recipe=paper.recipe(_MOST_EPOCHS),
                seed=0,
                teach=teach,
                on_step=lambda done, _: shown.update(done),
                ranks=ranks,
                graphs=graphs,
            )

    return all_epochs().__next__
