"""A frozen backbone: nothing of it moves, nothing is kept for its gradients, and training can be resumed."""

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from made import CARD, RECIPE, Interrupting, batches, keeper
from torch import Tensor, nn

from erkt.errors import ErktError
from erkt.inflight.checkpoints import Checkpoint, Checkpoints
from erkt.inflight.stopping import Stopped
from erkt.losses.supervised import Supervised
from erkt.networks import models
from erkt.networks.head_only import HeadOnly
from erkt.networks.inference import predict
from erkt.networks.models import Classifier
from erkt.params.network import Network, Weights
from erkt.training.engine import fit

RANDOM = Weights("none", None, None, None)
ARCHS = ["test_vit", "test_resnet", "test_efficientnet"]
STEPS = 8  # two epochs of 31 images in batches of 8


def built(arch: str) -> Classifier:
    """Return a network that sees the made images at 32 px, with statistics other than they began with."""
    model = models.build(Network(arch, RANDOM, 0.0, 0.0, side=32), CARD.classes, 16, 0, {})
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
    return model


def trained(model: Classifier, checkpoints: Checkpoints | None = None) -> list[dict[str, float]]:
    recipe = replace(RECIPE, weight_decay=0.1)
    options = {} if checkpoints is None else {"checkpoints": checkpoints}
    return list(fit(model, batches(), Supervised(), recipe=recipe, seed=3, **options))


@pytest.mark.parametrize("arch", ARCHS)
def test_every_bit_of_the_backbone_stays_and_the_head_learns(arch: str) -> None:
    model = HeadOnly(built(arch))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained(model)
    after = model.state_dict()
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    head = next(name for name, one in model.named_modules() if one is model.network.get_classifier())
    assert moved == {f"{head}.weight", f"{head}.bias"}


@pytest.mark.parametrize("arch", ARCHS)
def test_nothing_is_kept_for_gradients_but_what_the_head_is_given(arch: str) -> None:
    model = HeadOnly(built(arch)).train()
    kept: list[Tensor] = []
    inputs: list[Tensor] = []
    model.network.get_classifier().register_forward_pre_hook(lambda _, given: inputs.append(given[0]))

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(torch.rand(4, 3, 16, 16)).square().sum()
    assert not inputs[0].requires_grad
    assert max(tensor.numel() for tensor in kept) <= max(inputs[0].numel(), 4 * len(CARD.classes))
    loss.backward()
    graded = {name for name, one in model.named_parameters() if one.grad is not None}
    assert len(graded) == 2
    assert all(parameter.requires_grad == (name in graded) for name, parameter in model.named_parameters())


def test_a_step_is_adamw_of_a_linear_layer_on_the_features_of_the_frozen_network() -> None:
    """The first step against softmax regression on features that the untouched network gives."""
    data, objective = batches(batch_size=32), Supervised()
    model, reference = HeadOnly(built("test_resnet")), built("test_resnet").eval()
    recipe = replace(RECIPE, epochs=1, batch_size=32, weight_decay=0.3)
    row = next(fit(model, data, objective, recipe=recipe, seed=0))

    view, order = data.epoch(0, 1)
    batch = data.batch(view, order[0])
    with torch.no_grad():
        network = reference.network
        features = network.forward_head(
            network.forward_features(reference.seen(batch.images)), pre_logits=True
        )
    linear = nn.Linear(features.shape[1], len(CARD.classes))
    linear.load_state_dict(reference.network.get_classifier().state_dict())
    optimizer = torch.optim.AdamW(linear.parameters(), lr=0.01, weight_decay=0.3)
    loss = objective(linear(features), None, batch.label_a, batch.label_b, batch.alpha, 0)["loss"]
    loss.backward()
    optimizer.step()
    assert row["loss"] == pytest.approx(loss.item(), rel=1e-5)
    for ours, theirs in zip(model.network.get_classifier().parameters(), linear.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 3, 4, 7])
def test_training_interrupted_goes_on_and_ends_with_the_same_bits(tmp_path: Path, steps: int) -> None:
    for interruption in (steps, 1):
        with pytest.raises(Stopped):
            trained(HeadOnly(built("test_efficientnet")), Interrupting(tmp_path, interruption))
    last, model, unbroken = (
        keeper(tmp_path),
        HeadOnly(built("test_efficientnet")),
        HeadOnly(built("test_efficientnet")),
    )
    assert trained(model, last) == trained(unbroken)
    assert last.attempts == 3
    expected = unbroken.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_the_optimizer_has_moments_of_the_head_alone() -> None:
    class Last(Checkpoints):
        kept: Checkpoint

        def after_step(self, make) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
            self.kept = make()

    checkpoints, model = Last(), HeadOnly(built("test_vit"))
    trained(model, checkpoints)
    shapes = [tensor.shape for name, tensor in checkpoints.kept.tensors.items() if name.endswith(".exp_avg")]
    assert shapes == [parameter.shape for parameter in model.network.get_classifier().parameters()]


def test_only_the_classifier_is_ever_in_training_mode() -> None:
    model = HeadOnly(built("test_efficientnet"))
    head = model.network.get_classifier()
    model.train()
    assert [one for one in model.network.modules() if one.training] == [head]
    model.eval()
    assert not any(one.training for one in model.network.modules())


def test_it_is_saved_and_read_as_any_network(tmp_path: Path) -> None:
    model = HeadOnly(built("test_vit"))
    trained(model)
    models.save_folder(model, tmp_path)
    back = models.load_folder(tmp_path, CARD.classes)
    assert back.card == model.card
    assert back.parameters_count == sum(one.numel() for one in back.parameters())
    data = batches().subset
    device = torch.device("cpu")
    assert (predict(back, data, 31, device) == predict(model, data, 31, device)).all()


def test_a_distilled_network_has_two_heads_and_both_are_trained() -> None:
    settings = Network("deit_tiny_distilled_patch16_224", RANDOM, 0.0, 0.0, side=32, options={"img_size": 32})
    model = HeadOnly(models.build(settings, CARD.classes, 16, 0, {}))
    names = {name for name, one in model.named_parameters() if one.requires_grad}
    assert names == {
        f"network.{head}.{part}" for head in ("head", "head_dist") for part in ("weight", "bias")
    }


def test_a_network_without_a_classifier_is_refused_in_one_line() -> None:
    bare = Classifier(timm.create_model("test_resnet", num_classes=0), CARD)
    with pytest.raises(ErktError, match=r"^test_resnet: timm names no classifier of it; set train: all$"):
        HeadOnly(bare)
