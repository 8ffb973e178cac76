"""Distilling with unlabelled images: their labels play no part, and views, stores and resuming stay exact."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made import (
    CLASSES,
    LOSS,
    ORIGIN,
    RECIPE,
    Interrupting,
    batches,
    classifier,
    keeper,
    no_warning,
    part,
    subset,
)
from torch import Tensor
from views_settings import TABLE_1 as VSM

from erkt.data.images import Images, Subset
from erkt.data.index import Row
from erkt.errors import ErktError
from erkt.files.digests import Sha256
from erkt.inflight.checkpoints import Checkpoints
from erkt.inflight.stopping import Stopped
from erkt.losses.objective import Objective
from erkt.params.loss import Loss
from erkt.teachers.manifest import Origin, probe
from erkt.teachers.reader import CachedTeachers, open_blocks
from erkt.teachers.writer import block_logits, write_block
from erkt.training.engine import fit
from erkt.views.batches import ViewBatches

LABELLED = 19
TABLE = torch.randn(31, len(CLASSES), generator=torch.Generator().manual_seed(0))


def mixed(labelled: int = LABELLED) -> Subset:
    """Return 31 images of which only the first so many have a label."""
    whole = subset(31)
    labels = np.where(np.arange(31) < labelled, whole.labels, -1)
    return replace(whole, labels=labels)


def data(images: Subset, batch_size: int = 8) -> ViewBatches:
    return ViewBatches(images, VSM, 0, 4, batch_size, torch.device("cpu"))


def student(
    images: Subset, loss: Loss = LOSS, checkpoints: Checkpoints | None = None
) -> tuple[list[dict], Tensor]:
    """Return the epochs and the weights of a student that learns from ``TABLE``."""
    model = classifier()
    epochs = fit(
        model,
        data(images),
        Objective(loss),
        recipe=RECIPE,
        seed=3,
        teach=lambda batch: TABLE[torch.from_numpy(batch.positions)],
        checkpoints=checkpoints or Checkpoints(),
    )
    return list(epochs), torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])


def test_an_index_with_other_labels_of_unlabelled_images_gives_the_same_student() -> None:
    """Through the index, as the stages go: the label of every unlabelled image is another one there."""
    whole = subset(31)
    listed = [
        (key, int(label) if i < LABELLED else -1)
        for i, (key, label) in enumerate(zip(whole.keys, whole.labels, strict=True))
    ]

    def learn(shift: int) -> Tensor:
        index = []
        for place, key in enumerate(whole.keys):
            label = int(whole.labels[place] + shift * (place >= LABELLED)) % len(CLASSES)
            index.append(Row(key, CLASSES[label], label, 16, 16, "RGB"))
        images = Images(whole.array, tuple(index), CLASSES, Sha256("images"))
        return student(images.subset(listed))[1]

    assert torch.equal(learn(0), learn(1))
    assert torch.equal(learn(0), learn(2))


def test_unlabelled_images_teach_the_student_something_and_their_labels_would_teach_another() -> None:
    some, everything = student(mixed())[1], student(subset(31))[1]
    assert not torch.equal(some, everything)
    fewer = replace(
        mixed(), **{name: getattr(mixed(), name)[:LABELLED] for name in ("rows", "labels", "keys")}
    )
    assert not torch.equal(student(fewer)[1], some)


@pytest.mark.parametrize("name", ["dist", "kd"])
def test_without_any_label_the_student_is_that_of_distillation_alone(name: str) -> None:
    """No label anywhere, so that cross-entropy is 0 in value and gradient, at any ratio of the two."""
    loss = replace(LOSS, loss=name)
    rows, weights = student(mixed(0), loss)
    _, alone = student(subset(31), replace(loss, loss_ratio=0.0))
    assert [row["cross_entropy"] for row in rows] == [0, 0]
    # At a ratio of 1 the loss is half as large; AdamW takes almost no notice of that.
    torch.testing.assert_close(weights, alone, rtol=0, atol=1e-3)


def test_views_are_the_same_pixels_whether_their_images_have_labels_or_not() -> None:
    with_labels, without = data(subset(31)), data(mixed())
    for number in range(2):
        view, order = without.epoch(number, 4)
        other, other_order = with_labels.epoch(number, 4)
        assert all(map(np.array_equal, order, other_order))
        for positions in order:
            one, two = without.batch(view, positions), with_labels.batch(other, positions)
            assert torch.equal(one.images, two.images)
            assert torch.equal(one.alpha, two.alpha)
            seen = positions < LABELLED
            assert one.label_a[seen].tolist() == two.label_a[seen].tolist()
            assert (one.label_a[~seen] == -1).all()
            beside = view.partners[positions] < LABELLED
            assert one.label_b[beside].tolist() == two.label_b[beside].tolist()
            assert (one.label_b[~beside] == -1).all()
        assert probe(without, number) == probe(with_labels, number)


def test_stored_logits_of_unlabelled_images_are_replayed_and_belong_to_both_lists(tmp_path: Path) -> None:
    images = data(mixed())
    write_block(tmp_path / "0", classifier(1), images, views=[0, 1], origin=ORIGIN)
    stored = open_blocks([tmp_path / "0"], images, ORIGIN, [0, 1], no_warning)
    teach = CachedTeachers([stored], [1.0], "logits")
    view, order = images.epoch(1, 4)
    teacher = classifier(1).eval()
    for positions in order:
        batch = images.batch(view, positions)
        with torch.inference_mode():
            torch.testing.assert_close(teach(batch), teacher(batch.images), rtol=1e-3, atol=1e-3)

    def origin(*lists: str) -> Origin:
        first, *others = (
            replace(part(31, name), keys=tuple(f"{name}/{i}.png" for i in range(31))) for name in lists
        )
        whole = first.followed_by(others[0]) if others else first
        return Origin.of(Sha256("teacher"), whole, images, "fp32")

    assert origin("train").train == "train"
    one, other = origin("train", "unlabelled"), origin("train", "another")
    assert one.differences(other) == one.differences(origin("train")) == ["train"]
    with pytest.raises(ErktError, match="made from other train; rerun cache_logits"):
        open_blocks([tmp_path / "0"], images, replace(ORIGIN, train=one.train), [0, 1], no_warning)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_training_and_caching_go_on_with_the_same_bits(tmp_path: Path, steps: int) -> None:
    rows, weights = student(mixed())
    with pytest.raises(Stopped):
        student(mixed(), checkpoints=Interrupting(tmp_path / "student", steps))
    again, resumed = student(mixed(), checkpoints=keeper(tmp_path / "student"))
    assert again == rows
    assert torch.equal(resumed, weights)
    logits = block_logits(classifier(1), data(mixed()), [2, 3])
    interrupted = Interrupting(tmp_path / "block", steps)
    with pytest.raises(Stopped):
        block_logits(classifier(1), data(mixed()), [2, 3], checkpoints=interrupted)
    whole = block_logits(classifier(1), data(mixed()), [2, 3], checkpoints=keeper(tmp_path / "block"))
    assert np.array_equal(whole.view(np.uint16), logits.view(np.uint16))


def test_without_unlabelled_images_the_first_epochs_are_those_of_the_batches_alone() -> None:
    """The part of an empty second list is the first, to the object: draws, order and digest cannot differ."""
    train = part(31)
    nothing = replace(
        train, rows=train.rows[:0], labels=train.labels[:0], keys=(), list_sha256=Sha256("empty")
    )
    assert train.followed_by(nothing) is train
    assert batches().subset.labels.tolist() == train.labels.tolist()
