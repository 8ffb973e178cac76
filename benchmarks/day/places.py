"""What comes back: the files of the output folder, few and small, and no image or weights among them."""

from pathlib import Path

SUMMARY, STATE = "summary.md", "day.json"
EQUIVALENCE, RATES = "equivalence.json", "rates.json"
TABLE, CURVES, PREDICTIONS = "table9.json", "table9-curves.csv", "table9-predictions.parquet"
FILES, BYTES = 8, 16 * 2**20
"""At most so many files, each of at most so many bytes."""


def too_much(out: Path) -> list[str]:
    """Return what is wrong with the output folder, in words: too many files, or too large ones."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    found = [f"{path.name} has {path.stat().st_size} bytes" for path in files if path.stat().st_size > BYTES]
    return found + ([f"there are {len(files)} files"] if len(files) > FILES else [])
