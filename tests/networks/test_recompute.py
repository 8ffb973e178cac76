from dataclasses import replace

import numpy as np
import pytest
import torch
from made import CARD, RECIPE, classifier
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor
from views_settings import TABLE_1, sample_images

from erkt.data.images import Subset
from erkt.errors import ErktError
from erkt.losses.supervised import Supervised
from erkt.networks import models
from erkt.networks.models import Classifier
from erkt.networks.recompute import forget_activations, statistics_kept
from erkt.params.network import Network, Weights
from erkt.training.engine import fit
from erkt.views.batches import ViewBatches


def network(arch: str, side: int = 64) -> Classifier:
    settings = Network(arch, Weights("none", None, None, None), drop_rate=0.3, drop_path_rate=0.3)
    return models.build(settings, CARD.classes, side, seed=0, environment={})


def data() -> ViewBatches:
    """Return views of 12 images, so large that no convolution sees a single pixel.

    There torch 2.14's gradient in bf16 is undefined on CPUs with AMX.
    """
    pixels = sample_images(12, 64).numpy()
    labels = np.arange(12) % len(CARD.classes)
    subset = Subset(np.arange(12), labels, tuple(map(str, range(12))), CARD.classes, pixels)
    return ViewBatches(subset, TABLE_1, 0, 2, 6, torch.device("cpu"))


def trained(arch: str, precision: str, *, recompute: bool) -> dict[str, Tensor]:
    model = network(arch)
    if recompute:
        forget_activations(model)
    recipe = replace(RECIPE, precision=precision)
    list(fit(model, data(), Supervised(), recipe=recipe, seed=0))
    return model.state_dict()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("arch", ["test_efficientnet", "test_resnet", "test_byobnet"])
def test_weights_and_statistics_keep_their_bits(arch: str, precision: str) -> None:
    usual, again = (trained(arch, precision, recompute=recompute) for recompute in (False, True))
    assert usual.keys() == again.keys()
    for name, tensor in usual.items():
        assert torch.equal(tensor, again[name]), name


@pytest.mark.parametrize("arch", ["test_efficientnet", "test_resnet", "test_byobnet"])
def test_fewer_bytes_are_kept_for_the_backward_pass(arch: str) -> None:
    kept = []
    for recompute in (False, True):
        model = network(arch).train()
        if recompute:
            forget_activations(model)
        sizes: list[int] = []

        def pack(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(torch.rand(4, 3, 64, 64))
        kept.append(sum(sizes))
    assert kept[1] < 0.7 * kept[0]


@pytest.mark.parametrize("synchronised", [False, True])
@pytest.mark.parametrize("forgets", [True, False])
def test_statistics_stay_within_the_block_if_activations_are_forgotten(
    forgets: bool, synchronised: bool
) -> None:
    model = classifier().train()
    if synchronised:
        convert_sync_batchnorm(model)
    model.forgets_activations = forgets
    norm = model.network.norm
    before = norm.running_mean.clone()
    with statistics_kept(model):
        inside = norm(torch.ones(4, 8, 3, 3) * torch.arange(4).view(-1, 1, 1, 1))
    assert inside.mean().abs() < 1e-5, "the batch's own statistics are used"
    assert torch.equal(norm.running_mean, before) == forgets
    assert norm.num_batches_tracked == (0 if forgets else 1)
    model(torch.rand(4, 3, 16, 16))
    assert norm.num_batches_tracked == (1 if forgets else 2)


def test_an_architecture_that_cannot_is_refused_in_one_line() -> None:
    with pytest.raises(ErktError, match=r"test_resnet again; set runtime\.recompute: false"):
        forget_activations(classifier())
