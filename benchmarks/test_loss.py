"""DIST, forward and backward, against the form in which its authors published it."""

import pytest
import torch
from torch import Tensor

from benchmarks import others
from benchmarks.session import Bench, Race
from erkt.losses.dist import dist
from erkt.seeds import stream

TAU = 2.0


@pytest.mark.parametrize("classes", [45, 1000])
def test_loss(classes: int, bench: Bench, race: Race) -> None:
    """30 samples; both give the same loss and gradient."""
    numbers = stream(0, "logits").doubles(2, 30, classes)
    student, teacher = torch.from_numpy(6 * numbers).float().to(bench.device)
    student.requires_grad_()

    def ours() -> tuple[Tensor, Tensor]:
        loss = dist(student, teacher, tau=TAU, tau_squared=False)
        return loss.detach(), torch.autograd.grad(loss, student)[0]

    def authors() -> tuple[Tensor, Tensor]:
        loss = others.dist(student, teacher, TAU)
        return loss.detach(), torch.autograd.grad(loss, student)[0]

    torch.testing.assert_close(ours(), authors(), rtol=1e-3, atol=1e-7)
    seconds = race({"ours": ours, "authors": authors}, times=200)
    ratios = [theirs / own for own, theirs in zip(seconds["ours"], seconds["authors"], strict=True)]
    bench.add("loss", f"the authors' form, {classes} classes", ratios, batch=30)
