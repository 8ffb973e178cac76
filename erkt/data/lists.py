"""Lists of images as plain text: what a split is kept as."""

from collections.abc import Sequence
from pathlib import Path

from erkt.data.index import order_of
from erkt.errors import ErktError
from erkt.files.replace import write_text


def write_list(path: Path, keys: Sequence[str], labels: Sequence[int]) -> None:
    """Write one line ``key<TAB>label`` an image; no line for an empty part."""
    write_text(path, "".join(f"{key}\t{label}\n" for key, label in zip(keys, labels, strict=True)))


def read_list(path: Path) -> list[tuple[str, int]]:
    """Return ``(key, label)`` for each line of a list that ``write_list`` wrote.

    Raises ErktError naming the file and line for anything else: another number of fields, a label that is not
    a whole number, a key without class or filename, a repeated key, a last line that is cut.
    """
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
        key, _, label = line.partition("\t")
        if not all(order_of(key)) or not (label.isascii() and label.isdigit()):
            raise ErktError(f"{path}:{number}: expected class/filename, a tab and a label, found {line!r}")
        if key in rows:
            raise ErktError(f"{path}:{number}: {key!r} is there twice")
        rows[key] = int(label)
    return list(rows.items())
