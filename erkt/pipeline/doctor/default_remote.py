"""DVC's default remote: whether it is there and lets this user in."""

import importlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from erkt.pipeline.doctor.findings import Finding, note, ok, problem
from erkt.tracking.mlflow_store import masked

_WEB = ("http", "https")
_OBJECT_STORES = ("s3", "gs", "azure", "oss")
_FORBIDDEN = 403


def check(root: Path) -> Iterator[Finding | None]:
    """Yield None, then what is to be said about the remote of the repository at ``root``.

    Raises what DVC and its file systems raise for a remote that refuses, is away, or makes no sense.
    """
    from dvc.config import Config
    from dvc.fs import get_cloud_fs

    config = Config(str(root / ".dvc"))
    name = config["core"].get("remote")
    if name is None:
        yield note("DVC: no default remote: what is made here stays here", "dvc remote add -d team ADDRESS")
        return
    kind, settings, path = get_cloud_fs(config, name=name)
    for module in kind.REQUIRES.values():  # on a busy machine they take longer than an answer may
        importlib.import_module(module)
    yield None
    if kind.protocol == "local":
        yield _folder(f"DVC: the remote {name} ({path})", Path(path))
        return
    system = kind(**settings)
    there = _is_served(system, path) if kind.protocol in _WEB else system.exists(path)
    if not there and kind.protocol in _OBJECT_STORES:
        system.fs.info(path.partition("/")[0])  # what has no bucket is not merely empty: it raises
    address = masked(config["remote"][name.lower()]["url"])
    pushed = "" if there else "; nothing has been pushed yet"
    yield ok(f"DVC: the remote {name} ({address}) answers{pushed}")


def _folder(shown: str, path: Path) -> Finding:
    if not path.exists():
        return problem(f"{shown} is not there", f"mount it, or mkdir -p {shlex.quote(str(path))}")
    if not os.access(path, os.W_OK):
        return problem(f"{shown} is not writable", "have its owner give write access to your group")
    return ok(f"{shown} is there and can be written")


def _is_served(system: Any, address: str) -> bool:  # noqa: ANN401  # DVC ships no types
    """Return whether a web server has something at ``address``; raise if it is away or wants a login."""
    from aiohttp import ClientResponseError

    try:
        return bool(system.fs.exists(address, strict=True))  # else one that is away only lacks the file
    except ClientResponseError as error:
        if error.status == _FORBIDDEN:
            return True  # many refuse to show a folder whose files they serve
        raise
