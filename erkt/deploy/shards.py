"""A table of any length, made shard by shard, so that what is done survives whatever happens."""

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet
from filelock import FileLock, Timeout

from erkt.deploy.decoding import Decoded
from erkt.deploy.inputs import Source
from erkt.deploy.predictor import BATCH
from erkt.deploy.rows import Rows, format_of, writer
from erkt.errors import ErktError
from erkt.files.json_file import read_json, write_json
from erkt.files.replace import remove_leftovers, replace_whole

T = TypeVar("T")

SHARD = 1000
"""Images whose rows are written at once: what is lost at most, beside those under way."""

_MADE_BY = "made-by.json"


@dataclass(frozen=True)
class Written:
    """How many rows there are, and how many of them are errors."""

    rows: int
    errors: int


class Shards:
    """The unfinished table ``out``: shards of rows beside it, in ``out`` with ``.shards``.

    A shard has its number as name and is written whole; whoever comes back with the same work takes those
    that are there. ``made_by`` says what the rows depend on. One process at a time.

    Raises ErktError if ``out`` exists and is not to be replaced, its suffix is unknown, another process is at
    it, or the shards belong to other work.
    """

    def __init__(self, out: Path, made_by: Mapping[str, Any], *, replace: bool) -> None:
        self.out, self.suffix = out, format_of(out)
        self.folder = out.with_name(f"{out.name}.shards")
        if out.exists() and not replace:
            raise ErktError(f"{out}: exists; choose another name, or add --overwrite")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / "lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ErktError(f"{out}: another process is writing it") from None
        except OSError as error:
            raise ErktError(f"{self.folder}: cannot be made: {error}") from None
        try:
            remove_leftovers(self.folder)
            known = self.folder / _MADE_BY
            if known.exists() and self.rows_kept and read_json(known) != dict(made_by):
                raise ErktError(
                    f"{self.folder}: begun with another model, other paths or options; remove it, or choose "
                    "another name"
                )
            write_json(known, dict(made_by))
        except ErktError:
            self.leave()
            raise

    def fill(
        self,
        sources: Iterable[Source],
        rows: Rows,
        decode: Callable[[Iterable[Source]], Iterable[Decoded]],
        on_image: Callable[[int], None],
    ) -> Written:
        """Make every shard that is not there, join all of them into the table, and remove them.

        ``decode`` maps sources to their pixels, in order. ``on_image(done)`` is called with the number of
        images that have rows. Raises ErktError if a shard that is there has other images, and for what the
        file system refuses; what is done stays then, and when this is interrupted.
        """
        state = _State()
        done = 0
        missing = decode(self._missing(sources, state))
        for shard in _in_groups(missing, SHARD):
            tables = [rows.of(batch) for batch in _in_groups(shard, BATCH)]
            number = state.missing.popleft()
            state.errors += self._write(number, pa.concat_tables(tables), [image.name for image in shard])
            done += len(shard)
            on_image(state.kept + done)
        with replace_whole(self.out) as temporary, writer(temporary, self.suffix, rows.schema) as table:
            for number in range(state.shards):
                table.write_table(pa.parquet.read_table(self._path(number)).cast(rows.schema))
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)
        return Written(state.kept + done, state.errors)

    @property
    def rows_kept(self) -> int:
        """About how many images have rows by now: the last shard may have fewer than the others."""
        return SHARD * sum(1 for _ in self.folder.glob("[0-9]*.parquet"))

    def leave(self) -> None:
        """Let others at it. What is done stays; where nothing is, nothing does."""
        if not self.rows_kept:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()

    def _missing(self, sources: Iterable[Source], state: "_State") -> Iterator[Source]:
        """Yield the sources of shards that are not there."""
        rest = iter(sources)
        while (first := next(rest, None)) is not None:
            number, state.shards = state.shards, state.shards + 1
            if self._path(number).exists():
                names = [first.name, *(source.name for source in islice(rest, SHARD - 1))]
                state.errors += self._errors_in(number, names)
                state.kept += len(names)
            else:
                state.missing.append(number)
                yield first
                yield from islice(rest, SHARD - 1)

    def _errors_in(self, number: int, names: list[str]) -> int:
        path = self._path(number)
        try:
            about = pa.parquet.read_schema(path).metadata or {}
        except (OSError, pa.ArrowException) as error:
            raise ErktError(f"{path}: damaged ({error}); remove it and run the same command again") from None
        if about.get(b"names") != _digest(names):
            raise ErktError(
                f"{self.folder}: images have come or gone since it was begun; remove it, or choose another "
                "name"
            )
        return int(about[b"errors"])

    def _write(self, number: int, rows: pa.Table, names: list[str]) -> int:
        errors: int = len(rows) - rows.column("error").null_count
        about = {b"names": _digest(names), b"errors": str(errors).encode()}
        with replace_whole(self._path(number)) as temporary:
            pa.parquet.write_table(rows.replace_schema_metadata(about), temporary)
        return errors

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.parquet"


@dataclass
class _State:
    """What is known of the shards: how many, which are missing, and what those that are there hold."""

    shards: int = 0
    missing: deque[int] = field(default_factory=deque)
    kept: int = 0
    errors: int = 0


def _in_groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group


def _digest(names: list[str]) -> bytes:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest().encode()
