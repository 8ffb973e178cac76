"""The training loop: each step written out, the same for the same seed. Resuming: tests/inflight."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from made import RECIPE, batches, classifier, subset
from torch import Tensor

from erkt.losses.supervised import Supervised
from erkt.networks.inference import predict, validation
from erkt.networks.models import Classifier
from erkt.training.engine import fit, learning_rate

CPU = torch.device("cpu")


def test_the_rate_rises_over_the_warm_up_and_falls_along_half_a_cosine() -> None:
    recipe = replace(RECIPE, epochs=12, warmup_epochs=2, learning_rate=0.5)
    assert [learning_rate(recipe, epoch) for epoch in (0, 1, 2)] == [0, 0.25, 0.5]
    assert learning_rate(recipe, 7) == pytest.approx(0.25)
    assert learning_rate(recipe, 9.5) == pytest.approx(0.25 * (1 + math.cos(math.pi * 0.75)))
    assert learning_rate(recipe, 12) == pytest.approx(0)


def weights_after(seed: int) -> Tensor:
    model = classifier()
    list(fit(model, batches(seed=0), Supervised(), recipe=RECIPE, seed=seed))
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_training_follows_its_seed_and_leaves_the_callers_random_state_alone() -> None:
    first = weights_after(seed=3)
    torch.manual_seed(12345)
    before = torch.get_rng_state()
    assert torch.equal(weights_after(seed=3), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(weights_after(seed=4), first)  # the same batches, other dropout


def test_no_two_steps_have_the_same_dropout() -> None:
    model, seeds = classifier(), []
    model.register_forward_pre_hook(lambda *_: seeds.append(torch.initial_seed()))
    list(fit(model, batches(), Supervised(), recipe=RECIPE, seed=3))
    assert len(set(seeds)) == len(seeds) == 8


def without_dropout() -> Classifier:
    model = classifier()
    model.network.drop.p = 0.0
    return model


def test_one_step_is_adamw_on_the_batchs_loss() -> None:
    """The loop's first step against the same step written out with torch's own optimizer."""
    data, objective = batches(batch_size=32), Supervised()
    model, reference = without_dropout(), without_dropout()
    recipe = replace(RECIPE, epochs=1, batch_size=32, weight_decay=0.3)
    row = next(fit(model, data, objective, recipe=recipe, seed=0))

    view, order = data.epoch(0, 1)
    batch = data.batch(view, order[0])
    optimizer = torch.optim.AdamW(reference.parameters(), lr=0.01, weight_decay=0.3)
    logits = reference.train()(batch.images)
    loss = objective(logits, None, batch.label_a, batch.label_b, batch.alpha, 0)["loss"]
    loss.backward()
    optimizer.step()
    assert row["loss"] == pytest.approx(loss.item(), rel=1e-6)
    assert row["learning_rate"] == 0.01
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_no_gradient_is_longer_than_the_recipe_allows(clip_norm: float | None) -> None:
    """Four steps against torch's optimizer on gradients that are measured and shortened by hand."""
    data, objective = batches(batch_size=8), Supervised()
    model, reference = without_dropout(), without_dropout()
    recipe = replace(RECIPE, epochs=1, clip_norm=clip_norm)
    list(fit(model, data, objective, recipe=recipe, seed=0))

    view, order = data.epoch(0, 1)
    optimizer = torch.optim.AdamW(reference.train().parameters(), lr=0.01, weight_decay=0.0)
    lengths = []
    for step, positions in enumerate(order):
        batch = data.batch(view, positions)
        optimizer.param_groups[0]["lr"] = learning_rate(recipe, step / len(order))
        optimizer.zero_grad()
        logits = reference(batch.images)
        objective(logits, None, batch.label_a, batch.label_b, batch.alpha, 0)["loss"].backward()
        gradients = [parameter.grad for parameter in reference.parameters() if parameter.grad is not None]
        lengths.append(math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients)))
        if clip_norm is not None and lengths[-1] > clip_norm:
            for gradient in gradients:
                gradient.mul_(clip_norm / lengths[-1])
        optimizer.step()
    assert max(lengths) / min(lengths) > 1.2  # else a shortened gradient would be the same step of AdamW
    assert min(lengths) < 0.5 < max(lengths)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_the_mean_loss_counts_every_sample_once_whatever_the_batches() -> None:
    """With a rate of almost 0 the network stays as it is, so every batch size must report the same mean."""
    means = []
    for size in (2, 8, 32):
        model = without_dropout().eval()
        model.train = lambda mode=True, model=model: model  # type: ignore[method-assign]
        recipe = replace(RECIPE, epochs=1, batch_size=size, learning_rate=1e-12)
        rows = fit(model, batches(batch_size=size), Supervised(), recipe=recipe, seed=0)
        means.append(next(rows)["loss"])
    assert means == pytest.approx([means[0]] * 3, rel=1e-5)


def test_training_learns_and_validation_joins_the_epochs_numbers() -> None:
    model, held_out = classifier(), subset(30, seed=1)
    recipe = replace(RECIPE, epochs=25, batch_size=10)
    check = validation(model, held_out, 7, CPU)
    data = batches(10, count=60, views=25)
    rows = list(fit(model, data, Supervised(), recipe=recipe, seed=0, validate=check))
    assert [row["epoch"] for row in rows] == list(range(1, 26))
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    accuracy = 100 * np.mean(predict(model, held_out, 30, CPU).argmax(1) == held_out.labels)
    assert rows[-1]["val_oa"] == accuracy
    assert accuracy > 80


def test_nothing_is_validated_on_an_empty_part() -> None:
    assert validation(classifier(), subset(0), 8, CPU)() == {}


def test_bf16_keeps_the_gradients_direction_and_size_and_float32_weights() -> None:
    """One step's gradient, of all weights as one vector, against that of float32."""
    gradients = []
    for precision in ("fp32", "bf16"):
        model = classifier()
        recipe = replace(RECIPE, epochs=1, batch_size=32, precision=precision)
        list(fit(model, batches(batch_size=32), Supervised(), recipe=recipe, seed=3))
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))
    full, reduced = gradients
    assert not torch.equal(full, reduced)
    assert torch.cosine_similarity(full, reduced, dim=0) > 0.995
    assert reduced.norm().item() == pytest.approx(full.norm().item(), rel=0.02)


def test_prediction_does_not_depend_on_the_batch_beyond_rounding() -> None:
    model = classifier().eval()
    whole, parts = (predict(model, subset(), size, CPU) for size in (31, 4))
    assert np.abs(whole - parts).max() < 1e-5
    assert whole.shape == (31, 3)
    assert whole.std() > 1e-3


def test_a_network_normalises_its_own_input() -> None:
    model = classifier().eval()
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    torch.testing.assert_close(model(images), model.network((images - mean) / std))


def test_every_epoch_trains_in_training_mode_whatever_validation_leaves_behind() -> None:
    model, modes = classifier().eval(), []
    model.network.register_forward_pre_hook(lambda network, _: modes.append(network.training))

    def validate() -> dict[str, float]:
        model.eval()
        return {}

    list(fit(model, batches(), Supervised(), recipe=RECIPE, seed=0, validate=validate))
    assert modes == [True] * 8
