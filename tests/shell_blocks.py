"""The commands of a document, and a folder of clones in which they run as they stand.

A block is indented by four spaces and ends at an empty line. Its first line says who runs it and for what, as
``# ana: share what was made``. Where it shows what is printed, commands start with ``$ `` and the other lines
are output; ``...`` leaves lines out.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TITLE = re.compile(r"# (\w+): \S.*")
_VARYING = re.compile(r"\b[0-9a-f]{7,40}\b|\d\d:\d\d [AP]M|-?\d+(?:\.\d+)?")
_OUTER = ("AWS_", "DVC_", "ERKT_", "GIT_", "MLFLOW_", "PYTHONPATH", "SSH_", "TEAM_", "XDG_")


@dataclass(frozen=True)
class Block:
    """Commands of one person, and the lines of output that the document shows."""

    title: str
    commands: str
    shown: tuple[str, ...]

    @property
    def person(self) -> str:
        """Who runs it: the name of a clone."""
        return self.title.split(":")[0]


def blocks(text: str) -> dict[str, Block]:
    """Return the blocks of a document by title, in order.

    Raises ValueError for a block that names nobody or has another's title, and for a fenced one.
    """
    if "```" in text:
        raise ValueError("a fenced block: indent it by four spaces")
    found: dict[str, Block] = {}
    for match in re.finditer(r"^ {4}.*\n(?: {4}.*\n)*", text, flags=re.MULTILINE):
        title, *lines = (line[4:] for line in match[0].splitlines())
        if not _TITLE.fullmatch(title) or title[2:] in found:
            raise ValueError(
                f"the block that starts with {title!r} names nobody, or has another block's title"
            )
        prompted = any(line.startswith("$ ") for line in lines)
        commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ") or not prompted]
        shown = [line for line in lines if prompted and line and not line.startswith("$ ")]
        found[title[2:]] = Block(title[2:], "\n".join(commands), tuple(shown))
    return found


def missing(shown: tuple[str, ...], printed: str) -> list[str]:
    """Return the shown lines that ``printed`` lacks in this order, whatever their numbers."""
    rest = iter([_plain(line) for line in printed.splitlines()])
    return [line for line in shown if line != "..." and _plain(line) not in rest]


def _plain(line: str) -> str:
    return " ".join(re.sub("─+", "─", _VARYING.sub("0", line)).split())


class Team:
    """A folder in which each person has a clone, and a home without the developer's configuration."""

    def __init__(self, folder: Path, document: Mapping[str, Block], **variables: str) -> None:
        self.folder = folder
        self.document = document
        home = folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OUTER)}
        people = {
            f"GIT_{role}_{fact}": value
            for role in ("AUTHOR", "COMMITTER")
            for fact, value in (("NAME", "team"), ("EMAIL", "team@example.org"))
        }
        self.environment = kept | people | variables
        self.environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
            "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc-system"),
            "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "SHELL": "/bin/sh",
        }

    def run(self, title: str, status: int = 0) -> str:
        """Run the document's block of this title as its person; return all that it prints.

        Fails where it ends with another status, or does not print what the document shows.
        """
        block = self.document[title]
        printed = self.shell(block.person, block.commands, status)
        absent = missing(block.shown, printed)
        assert not absent, f"{title}: not printed: {absent}\nprinted:\n{printed}"
        return printed

    def shell(self, person: str, commands: str, status: int = 0) -> str:
        """Run commands in this person's clone, or beside the others' where there is none yet."""
        clone = self.folder / person
        done = subprocess.run(
            ["bash", "-e", "-u", "-o", "pipefail", "-c", commands],
            cwd=clone if clone.is_dir() else self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, (
            f"{person}: {commands}\nended with {done.returncode}:\n{done.stdout}"
        )
        return done.stdout


def executed(printed: str) -> list[str]:
    """Return the stages that a ``dvc repro`` or ``dvc exp run`` has run, in order."""
    return re.findall(r"^Running stage '([^']+)'", printed, flags=re.MULTILINE)


def restored(printed: str) -> list[str]:
    """Return the stages whose outputs came from the run-cache, in order."""
    return re.findall(r"^Stage '([^']+)' is cached - skipping run", printed, flags=re.MULTILINE)
