"""A few images of a folder that the page offers to try."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erkt.deploy.app.panel import Panel
from erkt.deploy.inputs import Inputs
from erkt.deploy.rows import shown
from erkt.errors import ErktError

MOST = 12


@dataclass(frozen=True)
class Example:
    """An image by name, its file's bytes, and a picture of it as an address."""

    name: str
    data: bytes
    picture: str


def examples_in(folder: Path, panel: Panel) -> Sequence[Example]:
    """Return images of ``folder``, at any depth, ``MOST`` or fewer, evenly spread over their names in order.

    They are held in memory, so that nobody who opens the page reads a file. Raises ErktError if there is none
    or one of those chosen cannot be used.
    """
    if not folder.is_dir():
        raise ErktError(f"{folder}: no such folder of examples")
    sources = list(Inputs([str(folder)], sys.stdin))
    if not sources:
        raise ErktError(f"{folder}: no image there")
    count, found = min(MOST, len(sources)), []
    for place in range(count):
        source = sources[place * len(sources) // count]
        name = shown(str(Path(source.name).relative_to(folder)))
        try:
            data = source.read()
            found.append(Example(name, data, panel.thumbnail(data)))
        except ErktError as error:
            raise ErktError(f"{folder / name}: {error}; take it out of the examples") from None
    return found
