"""What dvc.lock holds, read without DVC."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from erkt.errors import ErktError
from erkt.files.digests import md5_file
from erkt.inflight.states import Result
from erkt.pipeline import paths


def holds(stage: str, result: Result) -> bool:
    """Return whether all outputs of ``stage`` that dvc.lock lists are those of ``result``."""
    try:
        lock: dict[str, Any] = yaml.safe_load(paths.LOCK.read_text(encoding="utf-8"))
        outs = lock["stages"][stage]["outs"]
        listed = {out["path"]: out["md5"] for out in outs}
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return False
    return bool(listed) and all(dvc_md5(out, result) == md5 for out, md5 in listed.items())


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
    """Return DVC's name for a file or folder of code as it lies here; ErktError if it is not there."""
    try:
        if path.is_file():
            return md5_file(path)
        files = [file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        return folder_md5({file.relative_to(path).as_posix(): md5_file(file) for file in files})
    except OSError as error:
        raise ErktError(f"{path}: not readable: {error}") from None
