"""Tables for readers: Markdown in results/<preset>/, with all their numbers as CSV beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from erkt.files.csv_file import write_csv
from erkt.files.replace import write_text
from erkt.pipeline import paths


def page_path(name: str, preset: str, *, quick: bool = False) -> Path:
    """Return where the table ``name`` of a preset lies; its CSV lies beside it."""
    return paths.RESULTS / preset / ("quick" if quick else "") / f"{name}.md"


def write_page(
    name: str,
    preset: str,
    title: str,
    command: str,
    shown: Sequence[Mapping[str, object]],
    *,
    kept: Sequence[Mapping[str, object]] | None = None,
    notes: str = "",
    quick: bool = False,
) -> str:
    """Write the rows ``shown`` as Markdown, and ``kept`` or the same as CSV; return the text.

    ``command`` is what makes the table, without ``python -m erkt`` and ``--preset``. A ``quick`` table says
    that its numbers mean nothing. Rows share their keys.
    """
    path = page_path(name, preset, quick=quick)
    option, warning = (" --quick", "A quick run: its numbers mean nothing.\n\n") if quick else ("", "")
    text = (
        f"# {title}, preset `{preset}`\n\n{warning}"
        f"    python -m erkt {command} --preset {preset}{option}\n\n{markdown(shown)}"
    )
    text += f"\n{notes}" if notes else ""
    write_csv(path.with_suffix(".csv"), kept or shown)
    write_text(path, text)
    return text


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Return ``rows``, which share their keys, as a table in Markdown; None is an empty cell."""
    cells = [["" if value is None else str(value) for value in row.values()] for row in rows]
    lines = [list(rows[0]), ["---"] * len(rows[0]), *cells]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
