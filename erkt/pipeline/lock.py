"""What dvc.lock holds, read without DVC."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST
from erkt.files.digests import md5_file
from erkt.files.yaml_file import read_yaml
from erkt.inflight.states import Result
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell, all_cells

_LARGE = 2**30
"""Bytes: about two seconds of md5."""


def holds(stage: str, result: Result) -> bool:
    """Return whether all outputs of ``stage`` that dvc.lock lists are those of ``result``."""
    listed = _outputs().get(stage, {})
    return bool(listed) and all(dvc_md5(out, result) == md5 for out, md5 in listed.items())


def read_cells(path: Path) -> dict[str, Any]:
    """Return the entry of each cell in ``path``, a dvc.lock; ErktError if it cannot be read as one."""
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("stages", {}), dict):
        raise ErktError(f"{path}: no dvc.lock")
    return dict(content.get("stages") or {})


def require_as_recorded(cell: Cell, params: Mapping[str, Any]) -> None:
    """Raise ErktError if something that ``cell`` reads is not what dvc.lock records of it.

    DVC takes its cache's word for what it brings back, so damage there comes along. Large folders with a
    manifest are left to whoever opens them, and compares the files with the digests in it. Cells that
    ``params`` no longer have may still be in dvc.lock, and do not count.
    """
    sources, recorded = [Path(dep) for dep in cell.entry()["deps"]], _outputs()
    for maker in all_cells(params):
        for out, md5 in recorded.get(maker.name, {}).items():
            path = Path(out)
            if not _read_by(sources, path) or not path.exists() or _vouches_for_itself(path):
                continue
            if code_md5(path) != md5:
                raise ErktError(
                    f"{path}: damaged, or changed by hand, since dvc.lock records {md5}; remove it here and "
                    "in DVC's cache (dvc cache dir says where), and run dvc repro"
                )


def _read_by(sources: list[Path], out: Path) -> bool:
    """Return whether ``out`` is one of ``sources``, lies in one, or holds one."""
    return any(out == source or out in source.parents or source in out.parents for source in sources)


def _vouches_for_itself(path: Path) -> bool:
    """Return whether it is a folder with a manifest of digests, too large to be read twice by each cell."""
    return (path / MANIFEST).is_file() and sum(one.stat().st_size for one in path.iterdir()) > _LARGE


def _outputs() -> dict[str, dict[str, str]]:
    """Return DVC's names of the outputs by path for each cell in dvc.lock; none if that cannot be read."""
    try:
        stages = read_yaml(paths.LOCK)["stages"]
        return {
            name: {out["path"]: out["md5"] for out in entry.get("outs", ())} for name, entry in stages.items()
        }
    except (ErktError, KeyError, TypeError, AttributeError):
        return {}


def dvc_md5(out: str, result: Result) -> str:
    """Return DVC's name for the content of ``out``: a file's md5, or that of a folder's listing."""
    if out in result.files:
        return result.files[out]
    return folder_md5(
        {
            path.removeprefix(f"{out}/"): md5
            for path, md5 in result.files.items()
            if path.startswith(f"{out}/")
        }
    )


def folder_md5(inside: Mapping[str, str]) -> str:
    """Return DVC's name for a folder whose files, by relative path, have these md5."""
    paths_in_order = sorted(inside, key=lambda path: path.split("/"))
    listing = [{"md5": inside[path], "relpath": path} for path in paths_in_order]
    return (
        hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
    )


def code_md5(path: Path) -> str:
    """Return DVC's name for a file or folder as it lies here; ErktError if it is not there."""
    try:
        if path.is_file():
            return md5_file(path)
        files = [file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        return folder_md5({file.relative_to(path).as_posix(): md5_file(file) for file in files})
    except OSError as error:
        raise ErktError(f"{path}: not readable: {error}") from None
