"""The page of a run, as HTML."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from erkt.report import charts, classes, networks, pictures, twins, verdict, words
from erkt.report.facts import Facts
from erkt.report.limits import limits
from erkt.report.lineage import Lineage, Speed, shareable

_SHOWN_CLASSES = 40
"""Classes in the table that is open from the start."""


def run_page(facts: Facts, lineage: Lineage, *, images: bool, speed: Speed | None = None) -> str:
    """Return the page of a run as HTML that needs nothing beside it.

    With ``images`` it shows some of the dataset's images, and where networks look in them. The same arguments
    give the same bytes. Raises ErktError if a picture cannot be read, or predictions name another image than
    the prepared ones.
    """
    rows, gap = networks.compared(facts), networks.gap(facts)
    matrices = classes.confusions(facts)
    per_class = classes.per_class(facts, matrices)
    hard = classes.hardest(facts, per_class, matrices)
    tests = [one.predicted.keys for one in facts.seeds.values()]
    equal = twins.find(facts.images, tests) if facts.images else None
    corrupted = [one.robustness for one in facts.seeds.values()]
    bounds = [value for row in rows for value in (row.oa.low, row.oa.high)]
    shown = [(one.key, one.label) for each in hard for one in each.examples]
    return render(
        "run.html",
        lineage=lineage,
        facts=facts,
        headline=verdict.headline(rows, gap, lineage),
        tiles=verdict.tiles(facts, rows, gap, hard),
        verdict=verdict.sentences(facts, rows, gap, hard, classes.commonest(facts, matrices), lineage, speed),
        rows=rows,
        gap=gap,
        scale=charts.scale(bounds, (0.0, 100.0)),
        per_class=per_class,
        open_classes=len(per_class) if len(per_class) <= _SHOWN_CLASSES else _SHOWN_CLASSES // 2,
        hard=hard,
        matrix=classes.matrix(facts, per_class, matrices),
        reliability=charts.reliability(_curves(facts)),
        sureness=_sureness(facts),
        robustness=charts.robustness(corrupted) if all(corrupted) else [],
        by_kind=charts.by_kind(corrupted) if all(corrupted) else [],
        stressed=verdict.stressed(facts, lineage),
        images=images,
        pictures=pictures.examples(facts.images, shown) if images and facts.images else {},
        heat=pictures.heat(facts.first.heat) if images and facts.first.heat else None,
        speed=speed,
        counts=_counts(facts),
        twins=equal,
        limits=limits(facts, per_class, lineage, equal),
        params=yaml.safe_dump(shareable(lineage.params), sort_keys=False, allow_unicode=True, width=100),
    )


def render(template: str, **context: object) -> str:
    """Return a template of this package filled in; whatever is put into it is escaped."""
    environment = Environment(
        loader=PackageLoader("erkt.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "percent",
        "between",
        "count",
        "millions",
        "size",
        "seconds",
        "signed",
        "interval",
        "judged",
        "breakable",
    ):
        environment.filters[name] = getattr(words, name)
    return environment.get_template(template).render(context)


def _curves(facts: Facts) -> dict[str, tuple[Any, Any]]:
    """Return the confidences of ensemble and student, and whether they are right, of all seeds together."""
    found = {}
    for who in ("ensemble", "student"):
        each = [one.predicted for one in facts.seeds.values()]
        sure = np.concatenate([getattr(one, f"{who}_confidence") for one in each])
        right = np.concatenate([getattr(one, who) == one.labels for one in each])
        found[who] = (sure, right)
    return found


def _sureness(facts: Facts) -> Mapping[str, Any]:
    """Return the student's mean probability and its accuracy in percent, and in words which is larger.

    They are as large where chance explains the difference: two standard errors of its mean over the images of
    one run, since most of them come back in the next, and one that is hard is hard there too.
    """
    sure, right = _curves(facts)["student"]
    beyond = sure - right
    said = "too sure" if beyond.mean() > 0 else "too modest"
    if abs(beyond.mean()) <= 2 * beyond.std() / np.sqrt(len(beyond) / len(facts.seeds)):
        said = "about as sure as it should be"
    return {"probability": 100 * float(sure.mean()), "right": 100 * float(right.mean()), "said": said}


def _counts(facts: Facts) -> Sequence[tuple[str, int | None]]:
    """Return how many images each part of the first seed has; None where no file here says so."""
    training = facts.card.training if facts.card else None
    calibration = facts.card.calibration if facts.card else None
    validation = (calibration.images if calibration else 0) if facts.card else None
    return [
        ("training", training.images if training else None),
        ("validation", validation),
        ("training without labels", training.unlabelled if training else None),
        ("test", len(facts.first.predicted.labels)),
    ]
