"""More images of no class, packed beside those of the classes.

They lie in the folder ``UNLABELLED``, under the name that they have where they come from, its folders joined
by ``_``. A folder there says nothing about a class, and nobody reads it as one.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from erkt.data.archive import members
from erkt.data.contents import reader
from erkt.data.index import UNLABELLED, key_of
from erkt.data.sources.packing import OnBytes, add
from erkt.data.sources.table import read_rows
from erkt.errors import ErktError

Files = Iterable[tuple[str, Callable[[], bytes]]]


def files_listed(table: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield path as written and reader of each image in a CSV file of the one column ``path``.

    A relative path starts at the table's folder. Raises ErktError naming the row for a file that is missing,
    and for a table with labels: nobody would read them.
    """
    for number, row in read_rows(table, ("path",)):
        path = table.parent / row["path"]
        if not path.is_file():
            raise ErktError(
                f"{table}: row {number}: no file {str(path)!r}; a relative path starts at the table's folder"
            )
        yield row["path"], reader(path)


def join(labelled: Path, more: Files, shown: str, target: Path, on_bytes: OnBytes) -> int:
    """Make ``target`` a zip of the archive ``labelled`` and the images among ``more``; return their number.

    ``shown`` names ``more`` in messages. Raises ErktError if there is no image, or if two get one name.
    """
    name_of: dict[str, str] = {}
    done = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:

        def put(name: str, data: bytes) -> None:
            nonlocal done
            add(archive, name, data)
            done += len(data)
            on_bytes(done, None)

        for name, read in members(labelled):
            put(name, read())
        for name, read in more:
            key = _key(name, shown)
            if key is None:
                continue
            if key in name_of:
                raise ErktError(
                    f"{shown}: {name_of[key]!r} and {name!r} both become {key!r}; remove or rename one"
                )
            name_of[key] = name
            put(key, read())
    if not name_of:
        raise ErktError(f"{shown}: no image in it; set dataset.unlabelled to null, or correct its location")
    return len(name_of)


def _key(name: str, shown: str) -> str | None:
    """Return the key of the file ``name``; None if it is no image, is hidden, or lies in a hidden folder."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if key_of("/".join(["images", *parts]), shown) is None:
        return None
    return key_of(f"{UNLABELLED}/{'_'.join(parts)}", shown)
