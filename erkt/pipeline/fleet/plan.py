"""What the head tells its workers, and what has to hold before they begin."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from erkt.errors import ErktError
from erkt.inflight import states
from erkt.pipeline import paths
from erkt.pipeline.committed import require_committed
from erkt.pipeline.dvc_repository import opened
from erkt.pipeline.fleet.worker import OF_THE_HEAD, versions

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "dvc")
"""Another version of these rounds otherwise, or writes another dvc.lock."""

_CLONES = Path(".dvc/tmp/fleet")
_LINKS = "reflink,hardlink,symlink,copy"
_VARIABLE = re.compile(r"\$\{?(\w+)")


@dataclass(frozen=True)
class Options:
    """Where workers find the commit, where they keep clones, and whether only the DVC remote is shared."""

    source: str | None
    clones: str | None
    remote: bool


def alone() -> AbstractContextManager[None]:
    """Let one fleet at a time run in this repository; ErktError for a second."""
    return states.only_one(
        paths.RUNNING / "fleet.lock", "another erkt fleet runs in this repository; wait for its end"
    )


@contextmanager
def planned(root: Path, options: Options, params: str) -> Iterator[dict[str, Any]]:
    """Yield the plan of a run, as ``erkt.pipeline.fleet.worker`` reads it; locks prove the shared folders.

    ``params`` is the text of what cells are made with. Raises ErktError if something that git tracks differs
    from the commit (what runs make may), if there is no default remote where one is needed, or the shared
    folder takes no lock.
    """
    plan = {
        "commit": require_committed(root),
        "source": options.source or str(root.resolve()),
        "clones": options.clones
        or ("~/.cache/erkt/fleet" if options.remote else str(root.resolve() / _CLONES)),
        "logs": "logs",
        "versions": versions(PACKAGES),
        "environment": dict(_variables(params, os.environ)),
        "sidecars": paths.environment("").parent.as_posix(),
        "cache": None,
        "proofs": [],
        **_dvc_settings(options),
    }
    if options.remote:
        yield plan
        return
    store = states.store(root, os.environ)
    plan["environment"][states.VARIABLE] = str(store)
    with _proof(store / "locks") as work, _proof(Path(plan["cache"])) as cache:
        yield plan | {"proofs": [str(work), str(cache)]}


@contextmanager
def _proof(folder: Path) -> Iterator[Path]:
    """Yield a file in ``folder`` on which this process holds a lock, for other machines to see."""
    proof = folder / f"fleet-{secrets.token_hex(8)}"
    held = FileLock(proof)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=0)
    except OSError as error:
        raise ErktError(f"{folder}: no lock can be made there: {error}") from error
    try:
        yield proof
    finally:
        held.release()
        proof.unlink(missing_ok=True)


def _variables(params: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what decides rounding here, and the places that ``params`` name."""
    named = set(_VARIABLE.findall(params))
    for name, value in environment.items():
        if name != states.VARIABLE and (name.startswith(OF_THE_HEAD) or name in named):
            yield name, value


def _dvc_settings(options: Options) -> dict[str, Any]:
    """Return the cache's folder and how DVC is set here where workers have to do the same."""
    with opened() as repo:
        core, cache = repo.config["core"], repo.config["cache"]
        if options.remote and not core.get("remote"):
            raise ErktError(
                "--remote: DVC has no default remote; dvc remote add --default NAME PLACE, and commit"
            )
        kinds = cache.get("type")
        links = f"    type = {','.join(kinds) if kinds else _LINKS}\n"
        links += f"    shared = {cache['shared']}\n" if cache.get("shared") else ""
        settings = "[core]\n    analytics = false\n"
        settings += "    hardlink_lock = true\n" if core.get("hardlink_lock") else ""
        folder = None if options.remote else str(Path(repo.cache.local.path).parent.parent)
    return {"settings": settings, "links": links, "cache": folder}
