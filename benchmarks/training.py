"""An epoch of the student with the paper's recipe, the teachers' logits on it, and bare steps beside it."""

import os

import torch

from benchmarks import paper
from erkt.machine.progress import Progress
from erkt.networks.models import Classifier
from erkt.teachers.online import OnlineTeachers
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.teach import Teach
from erkt.teachers.writer import block_logits
from erkt.training.engine import fit
from erkt.training.ranks import ALONE, Ranks
from erkt.views.batches import Batch, ViewBatches


def cached_teachers(teachers: OnlineTeachers, data: ViewBatches) -> CachedTeachers:
    """Run every teacher on the view of ``data`` and return their logits, kept in memory."""
    members = [dict(enumerate(block_logits(member, data, [0]))) for member in teachers.members]
    return CachedTeachers(members, teachers.weights, teachers.space)


def bare_steps(network: Classifier, batch: Batch, steps: int) -> None:
    """Train ``network`` on the ready images of ``batch``, without distillation, for ``steps`` steps."""
    model, images = network.train(), batch.images.contiguous(memory_format=torch.channels_last)
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=1e-6, fused=True)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(model(images), batch.label_a)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def epoch(student: Classifier, data: ViewBatches, teach: Teach, ranks: Ranks = ALONE) -> None:
    """Train ``student`` for one epoch with the paper's recipe and loss, with progress shown to nobody."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        shown = Progress(None, label="benchmark", unit="steps", stream=nowhere)
        steps = fit(
            student,
            data,
            paper.objective(),
            recipe=paper.recipe(),
            seed=0,
            teach=teach,
            on_step=lambda done, _: shown.update(done),
            ranks=ranks,
        )
        list(steps)
