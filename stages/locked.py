"""What dvc.lock holds, read without DVC."""

import hashlib
import json
from typing import Any

import yaml

from erkt.inflight import Result
from stages import paths


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
        return result.files[out]["md5"]
    inside = {
        tuple(path.removeprefix(f"{out}/").split("/")): digests["md5"]
        for path, digests in result.files.items()
        if path.startswith(f"{out}/")
    }
    listing = [{"md5": inside[parts], "relpath": "/".join(parts)} for parts in sorted(inside)]
    return (
        hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
    )
