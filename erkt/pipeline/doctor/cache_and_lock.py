"""DVC's cache: whether it can be written and shares files; its record of results; its lock: who holds it.

DVC is read through its configuration: opening its repository would make folders.
"""

import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from erkt.pipeline.doctor.findings import Finding, note, ok, problem

_LINKS = ["reflink", "hardlink", "symlink"]
_DEFAULT = ["reflink", "copy"]  # what DVC tries without cache.type


@dataclass(frozen=True)
class Cache:
    """The cache's folder, the links from it to the workspace that work, and how DVC will put files there.

    ``link`` is ``copy`` where no link that DVC tries works, and None where the cache cannot be written.
    """

    folder: Path
    working: list[str]
    link: str | None


def look_at_cache(root: Path) -> Cache:
    """Return the facts for the repository at ``root``; links are tried out. Raises what DVC raises."""
    from dvc.config import Config
    from dvc.fs import localfs
    from dvc_objects.fs.generic import test_links

    settings = Config(str(root / ".dvc"))["cache"]
    folder = Path(settings.get("dir") or root / ".dvc/cache")
    base = existing(folder)
    if not os.access(base, os.W_OK):
        return Cache(folder, [], None)
    beside = existing(root / "data") / "probe"  # links are made beside the path that DVC is given
    working = test_links(_LINKS, localfs, str(base), localfs, str(beside))
    kinds = settings.get("type") or _DEFAULT
    return Cache(folder, working, next((kind for kind in kinds if kind in working), "copy"))


def existing(folder: Path) -> Path:
    """Return ``folder``, or the nearest one above it that is there: it will be made in that."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())


def check(root: Path) -> Iterator[Finding | None]:
    """Yield None, then about the cache, if dvc.lock is damaged, and about who is at work."""
    yield None
    cache = look_at_cache(root)
    doubled = f"DVC: every artifact lies twice, in the workspace and copied in the cache {cache.folder}"
    if cache.link is None:
        yield problem(
            f"DVC: the cache {cache.folder} is not writable",
            "give its group write access (dvc config --local cache.shared group keeps it), "
            "or dvc cache dir --local DIR",
        )
    elif cache.link != "copy":
        yield ok(f"DVC: the cache {cache.folder} and the workspace share files ({cache.link})")
    elif {"reflink", "hardlink"} & set(cache.working):
        yield note(doubled, "dvc config --local cache.type reflink,hardlink,copy && dvc checkout --relink")
    else:
        yield note(
            f"{doubled}; neither reflink nor hardlink works between them",
            "dvc cache dir --local DIR, in the file system of the workspace, or "
            "dvc config --local cache.type symlink,copy",
        )
    yield from _record(root / "dvc.lock")
    yield from _lock(root / ".dvc/tmp/rwlock")


def _record(path: Path) -> Iterator[Finding]:
    from dvc.exceptions import DvcException
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils import strictyaml

    try:
        if path.exists():
            strictyaml.load(str(path), COMPILED_LOCKFILE_SCHEMA)
    except DvcException:
        if b"\n<<<<<<< " in path.read_bytes():
            yield problem("DVC: its record dvc.lock is in conflict, in a merge", "erkt merge-lock")
            return
        yield problem(
            "DVC: its record dvc.lock is damaged, as when dvc was killed while it wrote it",
            "git checkout dvc.lock, and dvc repro takes what was made since from DVC's cache",
        )


def _lock(path: Path) -> Iterator[Finding]:
    import psutil  # type: ignore[import-untyped]
    from dvc.rwlock import SCHEMA, Invalid

    fix = f"rm {shlex.quote(str(path))}, once no dvc runs here"
    try:
        held = SCHEMA(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return
    except (ValueError, Invalid):
        yield problem(f"DVC: its lock {path} is damaged, and dvc repro refuses", fix)
        return
    holders = [*held["write"].values(), *(one for readers in held["read"].values() for one in readers)]
    for pid, command in sorted({(one["pid"], one["cmd"]) for one in holders}):
        if psutil.pid_exists(pid):
            yield ok(f"DVC: at work here: {command} (process {pid})")
        else:
            yield note(f"DVC: its lock {path} names what has ended: {command} (process {pid})", fix)
