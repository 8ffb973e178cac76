"""DVC's default remote: whether it is there and lets this user in."""

import importlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from erkt.errors import ErktError
from erkt.pipeline.doctor.findings import Finding, note, ok, problem
from erkt.tracking.mlflow_store import masked

_WEB = ("http", "https")
_WITHOUT_RUN_CACHE = (*_WEB, "webdav", "webdavs")
_OBJECT_STORES = ("s3", "gs", "azure", "oss")
_LOGIN = (401, 407)


@dataclass(frozen=True)
class Remote:
    """The default remote: its name, address, and kind in DVC's words."""

    name: str
    address: str
    kind: str

    def __str__(self) -> str:
        return f"DVC: the remote {self.name} ({masked(self.address)})"


@dataclass(frozen=True)
class State:
    """What was found at the address; ``writable`` is known of a folder alone, and true elsewhere."""

    there: bool
    writable: bool


def load(config: Any) -> None:  # noqa: ANN401  # DVC ships no types
    """Import what the default remote's kind needs: on a busy machine that takes longer than an answer may."""
    from dvc.fs import get_cloud_fs

    name = config["core"].get("remote")
    if name is not None:
        for module in get_cloud_fs(config, name=name)[0].REQUIRES.values():
            importlib.import_module(module)


def look(config: Any) -> Remote | None:  # noqa: ANN401
    """Return what DVC's configuration says; None without a default remote. Raises what DVC raises."""
    from dvc.fs import get_cloud_fs

    name = config["core"].get("remote")
    if name is None:
        return None
    kind, _, path = get_cloud_fs(config, name=name)
    local = kind.protocol == "local"
    return Remote(name, path if local else config["remote"][name.lower()]["url"], kind.protocol)


def reach(config: Any, remote: Remote) -> State:  # noqa: ANN401
    """Return what lies at the remote's address. May take for ever; raises what DVC and its file systems raise."""
    from dvc.fs import get_cloud_fs

    kind, settings, path = get_cloud_fs(config, name=remote.name)
    system = kind(**settings)
    there = _is_served(system, path) if remote.kind in _WEB else system.exists(path)
    if not there and remote.kind in _OBJECT_STORES:
        system.fs.info(path.partition("/")[0])  # what has no bucket is not merely empty: it raises
    return State(there, writable=remote.kind != "local" or not there or os.access(path, os.W_OK))


def _is_served(system: Any, address: str) -> bool:  # noqa: ANN401
    """Return whether a web server has something at ``address``; raise if it is away, ill, or wants a login.

    Without ``strict`` a server that is away is taken for one without the file. Many refuse to show a folder whose
    files they serve.
    """
    from aiohttp import ClientResponseError

    try:
        return bool(system.fs.exists(address, strict=True))
    except ClientResponseError as error:
        if error.status in _LOGIN or error.status >= 500:
            raise ErktError(f"it answers {error.status} {error.message}") from error
        return True


def findings(remote: Remote | None, state: State | None) -> Iterator[Finding]:
    """Yield what is to be said about a remote that was reached, or that there is none."""
    if remote is None or state is None:
        yield note("DVC: no default remote: what is made here stays here", "dvc remote add -d team ADDRESS")
        return
    if remote.kind == "local" and not state.there:
        yield problem(f"{remote} is not there", f"mount it, or mkdir -p {shlex.quote(remote.address)}")
    elif not state.writable:
        yield problem(f"{remote} is not writable", "have its owner give write access to your group")
    else:
        yield ok(f"{remote} answers" + ("" if state.there else "; nothing has been pushed yet"))
    if remote.kind in _WITHOUT_RUN_CACHE:
        yield note(
            f"{remote} holds no run-cache: what was made with earlier params is not shared",
            "a remote over ssh, S3 or a shared folder, if colleagues are to get that too",
        )


def unusable(remote: Remote | None, reason: str) -> Finding:
    """Return the problem of a remote that refused, did not answer, or whose settings make no sense (None)."""
    shown = remote or "DVC: the default remote"
    return problem(
        f"{shown} cannot be used: {reason}",
        "check the network, your credentials and its settings (dvc remote list, dvc remote modify)",
    )
