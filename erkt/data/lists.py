"""Lists of images as plain text: what a split is kept as.

A line of the unlabelled part names an image and no class index, so that nothing downstream can read one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from erkt.data.index import NO_LABEL, order_of
from erkt.errors import ErktError
from erkt.files.replace import write_text


def write_list(path: Path, keys: Sequence[str], labels: Sequence[int]) -> None:
    """Write one line ``key<TAB>label`` an image; no line for an empty part."""
    write_text(path, "".join(f"{key}\t{label}\n" for key, label in zip(keys, labels, strict=True)))


def write_unlabelled(path: Path, keys: Sequence[str]) -> None:
    """Write one line ``key`` an image; no line for an empty part."""
    write_text(path, "".join(f"{key}\n" for key in keys))


def read_list(path: Path) -> list[tuple[str, int]]:
    """Return ``(key, label)`` for each line of a list that ``write_list`` wrote.

    Raises ErktError naming the file and line for anything else: another number of fields, a label that is not
    a whole number, a key without class or filename, a repeated key, a last line that is cut.
    """

    def label_of(rest: str) -> int | None:
        return int(rest[1:]) if rest[1:].isascii() and rest[1:].isdigit() else None

    return _read(path, label_of, "a tab and a label")


def read_unlabelled(path: Path) -> list[tuple[str, int]]:
    """Return ``(key, NO_LABEL)`` for each line of a list that ``write_unlabelled`` wrote.

    Raises ErktError as ``read_list`` does, and for a line with a label.
    """
    return _read(path, lambda rest: None if rest else NO_LABEL, "no label")


def _read(path: Path, label_of: Callable[[str], int | None], expected: str) -> list[tuple[str, int]]:
    """Return key and label of each line; ``label_of`` makes a label of what follows a key, or refuses it."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ErktError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ErktError(f"{path}: not readable as a list: {error}") from error
    *lines, rest = text.split("\n")
    if rest:
        raise ErktError(f"{path}:{len(lines) + 1}: the last line is cut: {rest!r}")
    rows: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        key, tab, after = line.partition("\t")
        label = label_of(tab + after)
        if not all(order_of(key)) or label is None:
            raise ErktError(f"{path}:{number}: expected class/filename and {expected}, found {line!r}")
        if key in rows:
            raise ErktError(f"{path}:{number}: {key!r} is there twice")
        rows[key] = label
    return list(rows.items())
