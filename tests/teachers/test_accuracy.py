"""How often teachers are right on views and on whole images: against loops, and teachers that are known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from made import batches, classifier
from torch import Tensor, nn

from erkt.data.index import NO_LABEL
from erkt.teachers import accuracy
from erkt.teachers.online import OnlineTeachers
from erkt.views.batches import Batch, ViewBatches
from erkt.views.finish import Finish

DATA = batches()


class Brightest(nn.Module):
    """Names the class of the brightest channel, as the made images have it."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)).flip(1)


def networks(*members: Callable[[Tensor], Tensor]) -> OnlineTeachers:
    return OnlineTeachers(list(members), [1 / len(members)] * len(members), "logits")


def larger(batch: Batch) -> Tensor:
    """Name the class of the larger part, as a perfect teacher would."""
    classes = torch.where(batch.alpha > 0.5, batch.label_b, batch.label_a)
    return nn.functional.one_hot(classes, 3).float()


def smaller(batch: Batch) -> Tensor:
    classes = torch.where(batch.alpha > 0.5, batch.label_a, batch.label_b)
    return nn.functional.one_hot(classes, 3).float()


def test_images_whose_larger_part_is_unlabelled_do_not_count() -> None:
    """Right on one of two that count; the last two are unlabelled, or mixed mostly with what is."""
    label_a, label_b = np.array([0, 1, NO_LABEL, 2]), np.array([NO_LABEL, 2, 1, NO_LABEL])
    alpha = np.float32([0.25, 0.75, 0.25, 0.75])
    found = accuracy.of_views(np.array([0, 1, 1, 2]), label_a, label_b, alpha)
    assert found == (50, 100)


def test_whole_images_without_a_label_do_not_count() -> None:
    """Without their labels the wrongly named images are gone."""
    labels = DATA.subset.labels.copy()
    labels[::2] = (labels[::2] + 1) % 3
    wrong = replace(DATA, subset=replace(DATA.subset, labels=labels))
    assert accuracy.of_whole_images(networks(Brightest()), wrong, np.arange(31)) < 50
    labels = np.where(np.arange(31) % 2 == 0, NO_LABEL, labels)
    known = replace(DATA, subset=replace(DATA.subset, labels=labels))
    assert accuracy.of_whole_images(networks(Brightest()), known, np.arange(31)) == 100


def test_of_views_is_what_a_loop_counts() -> None:
    random = np.random.default_rng(0)
    chosen, label_a, label_b = random.integers(3, size=(3, 4, 50))
    alpha = random.choice(np.float32([0, 0.2, 0.5, 0.8, 1]), size=(4, 50))
    right = named = 0
    for c, a, b, part in zip(chosen.flat, label_a.flat, label_b.flat, alpha.flat, strict=True):
        right += c == (b if part > 0.5 else a)
        named += c in ([a] if part == 0 else [b] if part == 1 else [a, b])
    assert accuracy.of_views(chosen, label_a, label_b, alpha) == pytest.approx((right / 2, named / 2))


def test_the_first_view_is_asked_about_its_larger_parts_and_about_its_images_whole() -> None:
    perfect = accuracy.of_first_view(larger, networks(Brightest()), DATA)
    assert perfect == accuracy.Accuracy(100, 100, 100)
    wrong = accuracy.of_first_view(smaller, networks(lambda images: -Brightest()(images)), DATA)
    view = DATA.view(0)
    alpha = DATA.batch(view, np.arange(31)).alpha.numpy()
    labels, partners = DATA.subset.labels, DATA.subset.labels[view.partners]
    assert wrong.views == pytest.approx(100 * np.mean(labels == partners))
    shown = (labels == partners) | ((alpha > 0) & (alpha < 1))
    assert wrong.either == pytest.approx(100 * np.mean(shown))
    assert wrong.whole == 0


def test_the_first_view_is_not_one_of_those_at_the_end_however_many_these_are() -> None:
    asked: list[int] = []

    def teach(batch: Batch) -> Tensor:
        asked.append(batch.view)
        return larger(batch)

    for share in (0.0, 0.6, 0.75):
        finishing = replace(DATA, finish=Finish(share, DATA.settings, DATA.views))
        accuracy.of_first_view(teach, networks(Brightest()), finishing)
    assert set(asked) == {0}


def test_whole_images_are_neither_mixed_nor_augmented() -> None:
    """A mean of two networks on the stored pixels, image by image."""
    members = [classifier(seed).eval() for seed in (1, 2)]
    positions = np.array([4, 30, 0, 17, 9])
    right = 0
    for position in positions:
        image = torch.from_numpy(DATA.subset.pixels([position])).float() / 255
        with torch.no_grad():
            right += int((members[0](image) + members[1](image)).argmax() == DATA.subset.labels[position])
    assert accuracy.of_whole_images(networks(*members), DATA, positions) == pytest.approx(20 * right)


def test_large_training_sets_are_asked_about_enough_images_alone() -> None:
    asked = []

    def teach(batch: Batch) -> Tensor:
        asked.append(batch.positions)
        return larger(batch)

    accuracy.of_first_view(teach, networks(Brightest()), batches(batch_size=60, count=1500))
    assert sum(map(len, asked)) == 1020
    assert len(np.unique(np.concatenate(asked))) == 1020


@pytest.mark.parametrize(("views", "far"), [(87.0, False), (86.9, True), (99.0, False)])
def test_more_than_ten_points_are_said_to_be_wrong_teaching(views: float, far: bool) -> None:
    said = accuracy.Accuracy(views, views, 97.0).sentence
    assert f"{views:.0f} %" in said
    assert "97 %" in said
    assert ("wrong" in said) == far


def test_asking_the_teachers_draws_nothing_and_changes_no_network() -> None:
    state, members = torch.get_rng_state(), networks(classifier(1).eval())
    weights = {k: v.clone() for k, v in members.members[0].state_dict().items()}
    accuracy.of_first_view(members, members, ViewBatches(**vars(DATA)))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, weights[k]) for k, v in members.members[0].state_dict().items())
