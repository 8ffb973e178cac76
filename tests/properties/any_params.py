"""Params drawn from their own schemas: any that these describe, and that agree with each other."""

import copy
import dataclasses
import math
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

from hypothesis import strategies as st

from erkt.params.dataset import Dataset, Parts, Unlabelled
from erkt.params.loss import MultiLevel
from erkt.params.network import Network, Plain, Weights
from erkt.params.prepare import Prepare
from erkt.params.protocol import Protocol
from erkt.params.recipe import Recipe
from erkt.params.resizing import Resizing
from erkt.params.runtime import Runtime
from erkt.params.schema import Between, Length, Names
from erkt.params.split import Split
from erkt.params.teacher import Teacher
from erkt.params.views import Erasing, ResizedCrop

Values = st.SearchStrategy[Any]
Block = dict[str, Any]

LARGE = 10**6
"""Numbers without an end are drawn up to here."""

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda name: (
        name not in ("student", "ensemble", "lead", "oa", "nll", "chosen", "kind", "strength", "unit")
    )
)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


def values(hint: Any) -> Values:
    """Return what a field annotated with ``hint`` may be given in YAML."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _annotated(args[0], args[1:])
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([values(arg) for arg in args])
    if origin is tuple:
        if args[-1] is Ellipsis:
            return st.lists(values(args[0]), max_size=3)
        return st.tuples(*map(values, args)).map(list)
    if origin is dict:
        return st.dictionaries(NAMES, values(args[1]), max_size=3)
    if dataclasses.is_dataclass(hint):
        return blocks(typing.cast(type, hint))
    if hint is type(None):
        return st.none()
    if hint in (int, float):
        return numbers(hint, Between())
    return {bool: st.booleans(), str: TEXTS, Any: st.none()}[hint]


def blocks(schema: type) -> Values:
    """Return the blocks of keys that make an instance of ``schema``."""
    hints = typing.get_type_hints(schema, include_extras=True)
    drawn = st.fixed_dictionaries({name: values(hint) for name, hint in hints.items()})
    return drawn.map(_AGREE[schema]) if schema in _AGREE else drawn


def numbers(kind: type, range_: Between) -> Values:
    """Return numbers in ``range_``; whole ones stand for floats too, as in YAML."""
    low, high = max(range_.low, -LARGE), min(range_.high, LARGE)
    whole = st.integers(
        math.floor(low) + 1 if range_.above else math.ceil(low),
        math.ceil(high) - 1 if range_.below else math.floor(high),
    )
    if kind is int:
        return whole
    # The smallest doubles are no settings, and their quotients overflow.
    broken = st.floats(low, high, exclude_min=range_.above, exclude_max=range_.below).filter(
        lambda number: number == 0 or abs(number) > 1e-6
    )
    return broken | whole if low + 1 < high else broken


def _annotated(hint: Any, checks: tuple[Any, ...]) -> Values:
    (check,) = (one for one in checks if not isinstance(one, Names)) if len(checks) > 1 else checks
    if isinstance(check, Between):
        return numbers(hint, check)
    if isinstance(check, Plain):
        return st.booleans() | st.integers(-9, 999) | st.floats(-9, 9) | TEXTS
    args = typing.get_args(hint)
    low = check.low if isinstance(check, Length) else 0
    if typing.get_origin(hint) is dict:
        return st.dictionaries(NAMES, values(args[1]), min_size=low, max_size=3)
    return st.lists(values(args[0]), min_size=low, max_size=3, unique=getattr(check, "distinct", False))


def _dataset(block: Block) -> Block:
    if block["source"] == "scenes":
        block |= {"location": None, "scenes": block["scenes"] or {"per_class": 5, "side": 32, "seed": 0}}
    else:
        block |= {"location": block["location"] or "$IMAGES", "scenes": None}
    if block["source"] == "benchmark":
        block |= {"name": "aid30"}
    fitting = {"folder": "folders", "archive": "folders", "csv": "column"}
    if block["parts"] is not None:
        source = block["parts"]["source"]
        if source != "lists" and fitting.get(block["source"]) != source:
            block["parts"] = None
    return block | {"sha256": "0f" * 32 if block["source"] == "archive" else None}


def _parts(block: Block) -> Block:
    named = {
        part: [f"{part}{place}" for place in range(len(block[part]))] for part in ("train", "val", "test")
    }
    return block | named | {"location": "$LISTS" if block["source"] == "lists" else None}


def _weights(block: Block) -> Block:
    where = {"location": block["location"] or "$WEIGHTS", "revision": None}
    return (
        block
        | {
            "none": {"location": None, "revision": None, "sha256": None},
            "hub": {"location": None, "sha256": None},
            "file": where,
        }[block["source"]]
    )


def _prepare(block: Block) -> Block:
    if block["bands"] is not None:
        block["bands"] = block["bands"] if len(block["bands"]) == 3 else block["bands"][:1]
    if block["stretch"] is not None:
        low, high = sorted(block["stretch"])
        block["stretch"] = [low, high if low < high else high + 1]
    return block


def _split(block: Block) -> Block:
    train = block["train_percent"]
    left = 0 if train is None or train > 99 else 100 - train  # beyond, their sum may round to 100
    return block | {"unlabelled_percent": min(block["unlabelled_percent"], left / 2)}


def _rises(block: Block) -> Block:
    low, high = block["scale"]
    high = high or 1
    return block | {"scale": [min(low, high), high], "ratio": sorted(block["ratio"])}


def _recipe(block: Block) -> Block:
    batch = 2 * block["batch_size"]
    return block | {
        "batch_size": batch,
        "processes": min(block["processes"], batch // 2),
        "warmup_epochs": min(block["warmup_epochs"], block["epochs"] - 1),
    }


def _resizing(block: Block) -> Block:
    off = block["first_side"] is None or not block["full_after"]
    return {"first_side": None, "full_after": 0.0} if off else block


def _teacher(block: Block) -> Block:
    network = block["network"]
    if block["train"] == "head":
        network |= {"drop_rate": 0.0, "drop_path_rate": 0}
    return block | {"views": {"cutmix": {"p": 0.5}} if block["views"] else {}}


def _multi_level(block: Block) -> Block:
    return block | {"batch": block["batch"] or 1}


_AGREE: dict[type, Callable[[Block], Block]] = {
    Dataset: _dataset,
    Parts: _parts,
    Unlabelled: lambda block: block | {"sha256": None, "location": "more"},
    Weights: _weights,
    Network: lambda block: block | {"options": {f"x{name}": one for name, one in block["options"].items()}},
    Prepare: _prepare,
    Split: _split,
    Erasing: _rises,
    ResizedCrop: _rises,
    Recipe: _recipe,
    Resizing: _resizing,
    Teacher: _teacher,
    MultiLevel: _multi_level,
    Runtime: lambda block: block | {"inference_batch": 2 * block["inference_batch"]},
}
"""What a schema asks beyond types and ranges: how a drawn block comes to have it."""


@st.composite
def edits(draw: st.DrawFn, base: Block) -> Block:
    """Draw ``base``, params of a whole protocol, with other sections that agree with each other."""
    hints = typing.get_type_hints(Protocol, include_extras=True)
    params = copy.deepcopy(base)
    for name in draw(st.sets(st.sampled_from(sorted(hints)), min_size=1, max_size=5)):
        params[name] = draw(values(hints[name]))
    dataset, split, distill = params["dataset"], params["split"], params["distill"]
    names, cache, ensemble = sorted(params["teachers"]), params["cache"], params["ensemble"]
    published = dataset["parts"]
    if published is None:
        split["train_percent"] = split["train_percent"] or 50
    else:
        split |= {"train_percent": None, "unlabelled_percent": 0}
        split["val_percent"] = 0 if published["val"] else split["val_percent"]
    ensemble["lead"] = draw(st.sampled_from(names))
    ensemble["weights"] = draw(st.none() | st.just({name: 1 / len(names) for name in names}))
    if not split["val_percent"] and not (published and published["val"]):
        ensemble["search"] = "none"
    cache["blocks"] = list(range(len(cache["blocks"])))
    distill["recipe"]["epochs"] += len(cache["blocks"]) * cache["views_per_block"]
    distill["finish"] = round(distill["finish"])
    if params["runtime"]["caching"] == "onnx":
        cache["precision"] = "fp32"
    params["runtime"]["graphs"] &= not params["runtime"]["recompute"]
    if (
        params["student"]["side"] is not None
        or (distill["resizing"]["first_side"] or 0) > params["prepare"]["side"]
    ):
        distill["resizing"] = {"first_side": None, "full_after": 0.0}
    if split["unlabelled_percent"] or dataset["unlabelled"]:
        distill |= {"loss": "kd", "loss_ratio": min(distill["loss_ratio"], 1)}
    return params
