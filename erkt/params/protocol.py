"""The whole of ``params.yaml``: checked in full before any stage starts, so that nothing fails a night later.

A stage takes its values from its own sections alone; this module only refuses, and is therefore neutral to
results.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from erkt.errors import ErktError
from erkt.params.cache import Cache
from erkt.params.dataset import Dataset
from erkt.params.distill import Distill
from erkt.params.ensemble import Ensemble
from erkt.params.export import Export
from erkt.params.network import Network
from erkt.params.page import Page
from erkt.params.prepare import Prepare
from erkt.params.report import Report
from erkt.params.runtime import Runtime
from erkt.params.schema import Between, Length, Names, build, nearest
from erkt.params.split import Split
from erkt.params.stress import Stress
from erkt.params.teacher import Teacher
from erkt.params.tracking import Tracking
from erkt.params.views import ViewSettings

_TAKEN = {"student", "ensemble", "lead", "oa", "nll", "chosen", "kind", "strength", "unit"}


@dataclass(frozen=True)
class Protocol:
    """One protocol: dataset, training ratio and recipe, over ``seeds``."""

    seeds: Annotated[tuple[Annotated[int, Between(0)], ...], Length(1, distinct=True)]
    dataset: Dataset
    prepare: Prepare
    split: Split
    base: ViewSettings
    vsm: ViewSettings
    teachers: Annotated[dict[str, Teacher], Length(1), Names()]
    ensemble: Ensemble
    cache: Cache
    student: Network
    distill: Distill
    stress: Stress
    report: Report
    export: Export
    page: Page
    runtime: Runtime
    tracking: Tracking

    def __post_init__(self) -> None:
        for name in sorted(_TAKEN & set(self.teachers)):
            raise ErktError(f"teachers: '{name}' is a name in files or tables of results; choose another")
        self._check_places()
        self._check_parts()
        self._check_ensemble()
        self._check_resizing()
        self._check_cache()
        self._check_views()
        self._check_unlabelled()

    def _check_places(self) -> None:
        unlabelled, weights = self.dataset.unlabelled, self.student.weights.location
        places = {"dataset": self.dataset.location, "student.weights": weights}
        places["dataset.unlabelled"] = unlabelled.location if unlabelled else None
        for name, teacher in self.teachers.items():
            places[f"teachers.{name}.network.weights"] = teacher.network.weights.location
        for place, location in places.items():
            if re.search("://[^/]*@", location or ""):
                raise ErktError(
                    f"{place}.location: an address with a user or password, and params are committed; set a "
                    "variable of the environment to it, and write its name, as $ARCHIVE"
                )

    def _check_parts(self) -> None:
        parts, percent = self.dataset.parts, self.split.train_percent
        if (parts is None) != (percent is not None):
            raise ErktError(
                "split.train_percent: null where dataset.parts names a published split, a number elsewhere"
            )
        if parts is not None and parts.val and self.split.val_percent:
            raise ErktError("split.val_percent: dataset.parts has a validation part; set it to 0")

    def _check_ensemble(self) -> None:
        weights, lead = self.ensemble.weights, self.ensemble.lead
        for name in (*(weights or ()), *([lead] if lead else [])):
            if name not in self.teachers:
                raise ErktError(f"ensemble: there is no teacher '{name}'{nearest(name, self.teachers)}")
        if weights is not None:
            if set(weights) != set(self.teachers):
                raise ErktError("ensemble.weights: every teacher needs a weight, or weights is null")
            if abs(sum(weights.values()) - 1) > 1e-6:
                raise ErktError(f"ensemble.weights: they sum to {sum(weights.values()):g}, expected 1")
        if self.ensemble.search == "line" and lead is None:
            raise ErktError("ensemble.lead: search: line needs the name of the swept teacher")
        published = self.dataset.parts is not None and self.dataset.parts.val
        if self.ensemble.search != "none" and self.split.val_percent == 0 and not published:
            raise ErktError(
                "ensemble.search: weights are searched on the validation part, but split.val_percent is 0; "
                "set search: none or a val_percent"
            )

    def _check_resizing(self) -> None:
        first, side = self.distill.resizing.first_side, self.prepare.side
        if first is not None and self.student.side is not None:
            raise ErktError(
                "distill.resizing: small images cost no less where student.side brings all to one side; "
                "set first_side: null and full_after: 0.0, or student.side: null"
            )
        if first is not None and first > side:
            raise ErktError(f"distill.resizing.first_side: {first} pixels, but images have {side}")

    def _check_cache(self) -> None:
        views, epochs = len(self.cache.views), self.distill.recipe.epochs
        if views > epochs:
            raise ErktError(
                f"cache: {views} views for {epochs} epochs: more views than epochs; "
                "lower cache.views_per_block, remove blocks, or raise distill.recipe.epochs"
            )
        if self.cache.precision != "fp32" and self.runtime.caching == "onnx":
            raise ErktError(
                "cache.precision: bf16 takes torch's networks; set runtime.caching: eager, or fp32"
            )
        if self.cache.blocks and sorted(self.cache.blocks) != list(range(len(self.cache.blocks))):
            raise ErktError(f"cache.blocks: expected 0 to {len(self.cache.blocks) - 1}, each once")

    def _check_views(self) -> None:
        for name, teacher in self.teachers.items():
            try:
                teacher.views_beside(self.base)
            except ErktError as error:
                raise ErktError(f"teachers.{name}: {error}") from None
        share, views = self.distill.finish, self.cache.per_block(self.distill.recipe.epochs)
        if 0 < share < 1 and not 0 < round(share * views) < views:
            raise ErktError(
                f"distill.finish: a share of {share:g} of {views} views is none or all of them; "
                "raise cache.views_per_block, or set finish to 0 or 1"
            )

    def _check_unlabelled(self) -> None:
        loss, ratio = self.distill.loss, self.distill.loss_ratio
        if self.split.unlabelled_percent == 0 and self.dataset.unlabelled is None:
            return
        off = "split.unlabelled_percent: 0 and dataset.unlabelled: null"
        if loss == "dkd":
            raise ErktError(f"distill.loss: dkd needs every image's label; take dist or kd, or set {off}")
        if loss == "none" or ratio == 2:
            raise ErktError(
                f"distill: loss: {loss} with loss_ratio: {ratio:g} learns nothing from unlabelled images; "
                f"take dist or kd and a ratio below 2, or set {off}"
            )


def check(params: Mapping[str, Any], where: str) -> Protocol:
    """Return the protocol that ``params`` describes; raise ErktError naming the first thing that is wrong."""
    return build(Protocol, params, where)
