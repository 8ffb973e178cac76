"""DVC's cache: whether it can be written, and whether its files and the workspace's are the same on disk."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erkt.pipeline.doctor.findings import Finding, note, ok, problem

_DEFAULT = ("reflink", "copy")  # what DVC tries without cache.type


@dataclass(frozen=True)
class Cache:
    """The cache's folder, and the kinds of links from it to the workspace.

    ``configured`` are those that DVC tries, in this order; ``working`` are those of all kinds that can be made.
    """

    folder: Path
    writable: bool
    configured: tuple[str, ...]
    working: tuple[str, ...]

    @property
    def link(self) -> str:
        """The kind of link that DVC will make."""
        return next((kind for kind in self.configured if kind in self.working), "copy")


def look(root: Path, settings: Mapping[str, Any]) -> Cache:
    """Return the facts for the repository at ``root``; ``settings`` are those of DVC's section ``cache``."""
    folder = Path(settings.get("dir") or root / ".dvc/cache")
    base = _existing(folder)
    writable = os.access(base, os.W_OK)
    working = tuple(_working_links(base, _existing(root / "data"))) if writable else ()
    return Cache(folder, writable, tuple(settings.get("type") or _DEFAULT), working)


def findings(cache: Cache) -> Iterator[Finding]:
    """Yield whether the cache can be used, and whether it doubles what artifacts take."""
    if not cache.writable:
        yield problem(
            f"DVC: the cache {cache.folder} is not writable",
            "give its group write access (dvc config --local cache.shared group keeps it), or dvc cache dir --local DIR",
        )
        return
    if cache.link != "copy":
        yield ok(f"DVC: the cache {cache.folder} and the workspace share files ({cache.link})")
        return
    what = f"DVC: every artifact lies twice, in the workspace and copied in the cache {cache.folder}"
    best = next((kind for kind in ("reflink", "hardlink") if kind in cache.working), None)
    if best is not None:
        command = "dvc config --local cache.type reflink,hardlink,copy && dvc checkout --relink"
        yield note(f"{what}; {best} works here", command)
    else:
        symlink = ", or dvc config --local cache.type symlink,copy" if "symlink" in cache.working else ""
        yield note(
            f"{what}; neither reflink nor hardlink works between them",
            f"dvc cache dir --local DIR, in the file system of the workspace{symlink}",
        )


def _existing(path: Path) -> Path:
    """Return ``path``, or the nearest folder above it that is there."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


def _working_links(cache: Path, workspace: Path) -> Iterator[str]:
    """Yield the kinds of links that can be made from a file in ``cache`` to one in ``workspace``, by trying."""
    from dvc_objects.fs import system

    makers = {"reflink": system.reflink, "hardlink": system.hardlink, "symlink": system.symlink}
    source = cache / f".part-{secrets.token_hex(4)}-probe"
    target = workspace / f".part-{secrets.token_hex(4)}-probe"
    try:
        source.write_bytes(b"probe")
        for kind, make in makers.items():
            with suppress(OSError):
                make(str(source), str(target))
                if target.read_bytes() == b"probe":
                    yield kind
            target.unlink(missing_ok=True)
    finally:
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
    yield "copy"
