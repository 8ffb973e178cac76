"""The protocols of Table 9's rows beside a preset: the experiment file's, at the length of the day."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.files.locations import resolve
from erkt.params.schema import nearest
from erkt.pipeline.experiments.definition import find_experiment, find_preset
from erkt.pipeline.params_file import check_params

EXPERIMENT = "table9"
ROWS = ("base", "dist", "erkt")
PRESETS = {"aid100": "aid100-64", "eurosat": "eurosat-tr5"}
"""The preset of an archive by how its name begins."""

Params = dict[str, Any]
_NONE = {"source": "none", "location": None, "revision": None, "sha256": None}


def preset_of(archive: Path) -> str:
    """Return the preset for ``archive`` by its name; ErktError if the name tells none."""
    for beginning, preset in PRESETS.items():
        if archive.name.lower().startswith(beginning):
            return preset
    raise ErktError(f"{archive}: no preset is known for this name ({', '.join(PRESETS)}...); say --preset")


def protocols(
    preset: str, rows: Sequence[str], *, epochs: int, views: int, pretrained: bool, toy: bool
) -> dict[str, Params]:
    """Return by row the params of Table 9 beside ``preset``: ``epochs`` of the student on ``views`` views.

    A row that the experiment gives several times as many epochs gets as many times these, and of the views.
    Without ``pretrained`` weights that would be read from files are random; ``toy`` leaves little of all.
    Raises ErktError for an unknown preset or row, and for what this cannot do.
    """
    experiment, usual = find_experiment(EXPERIMENT), find_preset(preset)
    found = {}
    for row in rows:
        if row not in experiment.rows:
            raise ErktError(f"there is no row '{row}' in {EXPERIMENT}{nearest(row, experiment.rows)}")
        params = experiment.params(preset, row, quick=False)
        recipe = params["distill"]["recipe"]
        times = recipe["epochs"] // usual["distill"]["recipe"]["epochs"]
        if toy:
            _shrink(params)
        if not pretrained:
            for network in networks(params):
                network["weights"] = dict(_NONE) if network["weights"]["location"] else network["weights"]
        recipe["epochs"] = times * epochs
        recipe["warmup_epochs"] = min(recipe["warmup_epochs"], times * epochs - 1)
        params["cache"] |= {"blocks": [0], "views_per_block": times * min(views, epochs)}
        check_params(params, f"{EXPERIMENT}, preset {preset}, row {row}")
        if params["distill"]["finish"] or params["split"]["unlabelled_percent"]:
            raise ErktError(f"preset {preset}: distill.finish and unlabelled images are not for this command")
        if any(teacher["train"] != "all" for teacher in params["teachers"].values()):
            raise ErktError(f"preset {preset}: teachers with train: head are not for this command")
        found[row] = params
    return found


def networks(params: Params) -> list[Params]:
    """Return the settings of every network, the student's first."""
    return [params["student"], *(teacher["network"] for teacher in params["teachers"].values())]


def check_files(params: Params, archive: Path, environment: Mapping[str, str]) -> str:
    """Return the archive's sha256; ErktError if it, or initial weights, are missing or other than named."""
    digest = sha256_file(archive)
    if params["dataset"]["sha256"] not in (None, digest):
        raise ErktError(f"{archive}: sha256 is {digest}, expected {params['dataset']['sha256']}")
    for weights in (network["weights"] for network in networks(params)):
        if weights["source"] == "hub":
            raise ErktError("weights of the hub need a network connection; take a preset with files")
        if weights["source"] == "file":
            path = Path(resolve(weights["location"], environment))
            if weights["sha256"] not in (None, sha256_file(path)):
                raise ErktError(f"{path}: not the weights that the preset names: its sha256 differs")
    return digest


def kind_of(params: Params) -> str:
    """Return the name of the views that a row's student sees: ``base`` or ``vsm``."""
    return "base" if params["vsm"] == params["base"] else "vsm"


def stored_views(rows: Mapping[str, Params]) -> dict[str, int]:
    """Return by kind how many views need stored logits: as many as the longest row that reads them."""
    counts: dict[str, int] = {}
    for params in rows.values():
        if params["distill"]["loss"] != "none":
            kind = kind_of(params)
            counts[kind] = max(counts.get(kind, 0), params["cache"]["views_per_block"])
    return counts


def _shrink(params: Params) -> None:
    """Leave what a CPU does in seconds: small images, an epoch a teacher, no search."""
    params["prepare"]["side"] = 32
    params["split"] |= {"train_percent": 60, "val_percent": 0}
    params["ensemble"] |= {"search": "none", "weights": None}
    for teacher in params["teachers"].values():
        teacher["recipe"] |= {"epochs": 1, "warmup_epochs": 0}
