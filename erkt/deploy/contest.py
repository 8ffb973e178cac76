"""Whether a new student beats the present one: both on the same test images, image by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erkt.errors import ErktError
from erkt.evaluation.paired import bootstrap
from erkt.files.csv_file import write_csv
from erkt.files.table_file import parse_table

LEVEL = 95.0
"""Of the interval, in percent."""

_COLUMNS = ("key", "actual", "predicted")


@dataclass(frozen=True)
class Answers:
    """What a model says of test images: (key, true class, predicted class) of each."""

    rows: tuple[tuple[str, str, str], ...]

    @property
    def oa(self) -> float:
        """Overall accuracy in percent."""
        return 100 * float(np.mean(self.hits(sorted(key for key, _, _ in self.rows))))

    @property
    def listed(self) -> dict[str, str]:
        """The true class by key."""
        return {key: actual for key, actual, _ in self.rows}

    def hits(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Return (N,) of the images ``keys``: whether each is classified rightly."""
        right = {key: actual == predicted for key, actual, predicted in self.rows}
        return np.array([right[key] for key in keys], dtype=np.bool_)

    def write(self, path: Path) -> None:
        """Write the table that ``read`` reads."""
        write_csv(path, [dict(zip(_COLUMNS, row, strict=True)) for row in self.rows])


def read(path: Path) -> Answers:
    """Return the table at ``path``; ErktError if it is no such table, or an image is twice in it."""
    try:
        table = parse_table(path.read_bytes(), path.name)
        rows = [tuple(row[column] for column in _COLUMNS) for row in table]
    except (OSError, KeyError) as error:
        raise ErktError(f"{path.name}: not readable as predictions of test images ({error})") from None
    found = Answers(tuple((key, actual, predicted) for key, actual, predicted in rows))
    if not rows or len(found.listed) != len(rows):
        raise ErktError(f"{path.name}: without images, or with one of them twice")
    return found


@dataclass(frozen=True)
class Contest:
    """A new model beside the champion on the same ``images``.

    ``difference`` is OA of the new one minus OA of the champion in points, ``low`` and ``high`` are its
    bounds at ``LEVEL`` percent over the test images; ``better`` and ``worse`` count the images that only the
    new one, and only the champion, classifies rightly.
    """

    images: int
    difference: float
    low: float
    high: float
    better: int
    worse: int

    @property
    def won(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0


def compare(new: Answers, champion: Answers, who: str) -> Contest:
    """Return how ``new`` does against ``champion``, which ``who`` names in messages.

    The interval is ``erkt.evaluation.paired.bootstrap``'s, paired by image. Raises ErktError if their images,
    or the true classes of these, differ: then nothing can be said.
    """
    mine, theirs = new.listed, champion.listed
    if mine != theirs:
        both = sum(theirs.get(key) == actual for key, actual in mine.items())
        raise ErktError(
            f"its test list is not that of {who}: {len(mine)} and {len(theirs)} images, {both} in both; "
            "register a student of the same split, or under another --name"
        )
    keys = sorted(mine)
    ours, other = new.hits(keys), champion.hits(keys)
    low, high = bootstrap({0: ours}, {0: other}, np.random.default_rng(0), LEVEL)
    better, worse = int((ours & ~other).sum()), int((~ours & other).sum())
    return Contest(len(keys), 100 * (better - worse) / len(keys), low, high, better, worse)
