"""DVC here, read through its own configuration, without opening its repository, which would make folders."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from erkt.pipeline.doctor import dvc_cache, dvc_lock, dvc_remote
from erkt.pipeline.doctor.findings import Finding, problem


@dataclass(frozen=True)
class Repository:
    """What is known without a network; ``git``: git holds the folder, or DVC was told to do without."""

    git: bool
    cache: dvc_cache.Cache
    lock: dvc_lock.Lock


def look(root: Path) -> Iterator[Repository | dvc_remote.Remote | dvc_remote.State | None]:
    """Yield None once all is loaded, then the repository, then the default remote, then what lies there.

    The last two are None if there is no default remote. Raises what DVC and its file systems raise.
    """
    from dvc.config import Config

    config = Config(str(root / ".dvc"))
    with suppress(Exception):  # it comes again when the remote is looked at
        dvc_remote.load(config)
    yield None
    yield Repository(
        git=config["core"].get("no_scm", False)
        or any((folder / ".git").exists() for folder in (root, *root.parents)),
        cache=dvc_cache.look(root, config["cache"]),
        lock=dvc_lock.look(root / ".dvc/tmp", config["core"].get("hardlink_lock", False)),
    )
    remote = dvc_remote.look(config)
    yield remote
    yield None if remote is None else dvc_remote.reach(config, remote)


def findings(repository: Repository) -> Iterator[Finding]:
    """Yield what is to be said about git, cache and lock."""
    if not repository.git:
        yield problem("DVC: this folder is in no git repository, and every dvc command refuses", "git init")
    yield from dvc_cache.findings(repository.cache)
    yield from dvc_lock.findings(repository.lock)
