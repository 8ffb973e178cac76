"""Variances and distances against numpy loops and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from erkt.data.index import NO_LABEL
from erkt.evaluation import variance
from erkt.evaluation.on_views import OnViews

VIEWS, IMAGES, CLASSES = 4, 6, 3
RATIOS = {"within_class": "within", "across_views": "across", "distance": "distance"}


def logits(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(VIEWS, IMAGES, CLASSES)).astype(np.float32)


def seen(student: np.ndarray, teacher: np.ndarray) -> OnViews:
    """Return views of six images, of which half are mixed with others."""
    random = np.random.default_rng(9)
    label_a = np.tile([0, 2, 0, 2, 2, 1], (len(teacher), 1))
    label_b = random.integers(CLASSES, size=label_a.shape)
    alpha = random.uniform(size=label_a.shape) * (random.uniform(size=label_a.shape) < 0.5)
    return OnViews(student, teacher, label_a, label_b, alpha.astype(np.float32))


def test_a_report_is_what_loops_over_images_views_and_classes_give() -> None:
    student, teacher = logits(1), logits(2)
    views = seen(student, teacher)
    found = variance.report(views)
    every = [(v, i) for v in range(VIEWS) for i in range(IMAGES)]
    for name in ("logits", "probabilities"):
        own, theirs = (
            softmax(scores.astype(np.float64), axis=2)
            if name == "probabilities"
            else scores - scores.astype(np.float64).mean(axis=2, keepdims=True)
            for scores in (student, teacher)
        )
        across = [sum(np.var(theirs[:, i, c], ddof=1) for c in range(CLASSES)) for i in range(IMAGES)]
        within = between = 0.0
        for k in range(CLASSES):
            weight = {
                at: (views.label_a[at] == k) * (1 - float(views.alpha[at]))
                + (views.label_b[at] == k) * float(views.alpha[at])
                for at in every
            }
            size = sum(weight.values())
            mean = sum(weight[at] * theirs[at] for at in every) / size
            within += sum(weight[at] * sum((theirs[at] - mean) ** 2) for at in every) / len(every)
            between += size * sum((mean - theirs.mean(axis=(0, 1))) ** 2) / len(every)
        apart = [sum((own[at] - theirs[at]) ** 2) for at in every]
        assert found[f"{name}_across_views"] == pytest.approx(np.mean(across))
        assert found[f"{name}_within_class"] == pytest.approx(within)
        assert found[f"{name}_between_classes"] == pytest.approx(between)
        assert within + between == pytest.approx(theirs.reshape(-1, CLASSES).var(axis=0).sum())
        assert found[f"{name}_distance"] == pytest.approx(np.mean(apart))
        for figure, ratio in RATIOS.items():
            assert found[f"{name}_{ratio}_over_between"] == pytest.approx(found[f"{name}_{figure}"] / between)
    same = [student[at].argmax() == teacher[at].argmax() for at in every]
    assert found["agreement"] == pytest.approx(100 * np.mean(same))


def test_less_sure_teachers_have_less_variance_of_logits_and_the_same_ratio() -> None:
    """The scale of logits alone must not look like a suppressed variance."""
    sure, unsure = (variance.report(seen(f * logits(1), f * logits(2))) for f in (1.0, 0.25))
    for figure, ratio in RATIOS.items():
        assert unsure[f"logits_{figure}"] == pytest.approx(sure[f"logits_{figure}"] / 16)
        ratio = f"logits_{ratio}_over_between"
        assert unsure[ratio] == pytest.approx(sure[ratio])


def test_what_says_nothing_about_classes_is_no_deviation() -> None:
    teacher = logits(1)
    shifts = np.random.default_rng(0).normal(size=(VIEWS, IMAGES, 1)).astype(np.float32)
    found = variance.report(seen(teacher + shifts, teacher))
    assert found["logits_distance"] == pytest.approx(0, abs=1e-10)
    assert found["probabilities_distance"] == pytest.approx(0, abs=1e-10)
    assert found["agreement"] == 100


def test_one_view_has_no_variance_over_views() -> None:
    found = variance.report(seen(logits(1)[:1], logits(2)[:1]))
    assert found["logits_across_views"] is None
    assert found["logits_across_over_between"] is None


def test_nothing_is_divided_by_a_variance_of_0() -> None:
    views = seen(logits(1), np.zeros_like(logits(2)))
    assert variance.report(replace(views))["logits_within_over_between"] is None


def test_images_with_an_unlabelled_part_have_no_part_in_the_variance_of_classes_alone() -> None:
    views = seen(logits(1), logits(2))
    label_a = views.label_a.copy()
    label_a[:, [1, 5]] = NO_LABEL
    views = replace(views, label_a=label_a, alpha=np.zeros_like(views.alpha))
    kept = [0, 2, 3, 4]
    alone = {
        name: getattr(views, name)[:, kept] for name in ("student", "teacher", "label_a", "label_b", "alpha")
    }
    found, whole, known = (
        variance.report(each)
        for each in (views, replace(views, label_a=seen(logits(1), logits(2)).label_a), OnViews(**alone))
    )
    for name in ("logits", "probabilities"):
        for figure in ("within_class", "between_classes"):
            assert found[f"{name}_{figure}"] == pytest.approx(known[f"{name}_{figure}"])
            assert found[f"{name}_{figure}"] != pytest.approx(whole[f"{name}_{figure}"])
        for figure in ("across_views", "distance"):
            assert found[f"{name}_{figure}"] == whole[f"{name}_{figure}"]
