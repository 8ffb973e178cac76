"""A table of any length, made shard by shard, so that what is done survives whatever happens.

Shards are made here, or elsewhere (``erkt.deploy.elsewhere``).
"""

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

MADE_BY = "made-by.json"
"""Lies beside shards, and says what their rows depend on."""

Make = Callable[[Iterator[tuple[Path, list[str]]]], Iterable[tuple[int, int]]]
"""Makes shards, given as the file to write and the images' names; yields each one's rows and errors."""


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
            known = self.folder / MADE_BY
            if self.rows_kept and not (known.exists() and read_json(known) == dict(made_by)):
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
            number = state.missing.popleft()
            state.errors += self._write(number, shard, rows)
            done += len(shard)
            on_image(state.kept + done)
        return self._join(state, done, rows.schema)

    def fill_elsewhere(
        self, sources: Iterable[Source], schema: pa.Schema, make: Make, on_image: Callable[[int], None]
    ) -> Written:
        """Have every shard that is not there made by ``make``, which calls ``write_shard`` wherever it likes.

        Otherwise as ``fill``.
        """
        state, done = _State(), 0
        for images, errors in make(self._missing_shards(sources, state)):
            done += images
            state.errors += errors
            on_image(state.kept + done)
        return self._join(state, done, schema)

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
                self._keep(number, [first, *islice(rest, SHARD - 1)], state)
            else:
                state.missing.append(number)
                yield first
                yield from islice(rest, SHARD - 1)

    def _missing_shards(self, sources: Iterable[Source], state: "_State") -> Iterator[tuple[Path, list[str]]]:
        """Yield file and names of shards that are not there."""
        for shard in _in_groups(sources, SHARD):
            number, state.shards = state.shards, state.shards + 1
            if self._path(number).exists():
                self._keep(number, shard, state)
            else:
                yield self._path(number), [source.name for source in shard]

    def _keep(self, number: int, sources: list[Source], state: "_State") -> None:
        state.errors += self._errors_in(number, [(source.name, source.stamp) for source in sources])
        state.kept += len(sources)

    def _join(self, state: "_State", done: int, schema: pa.Schema) -> Written:
        """Make the table of all shards, and remove them."""
        with replace_whole(self.out) as temporary, writer(temporary, self.suffix, schema) as table:
            for number in range(state.shards):
                table.write_table(pa.parquet.read_table(self._path(number)).cast(schema))
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)
        return Written(state.kept + done, state.errors)

    def _errors_in(self, number: int, images: list[tuple[str, str]]) -> int:
        path = self._path(number)
        try:
            about = pa.parquet.read_schema(path).metadata or {}
        except (OSError, pa.ArrowException) as error:
            raise ErktError(f"{path}: damaged ({error}); remove it and run the same command again") from None
        if about.get(b"images") != _digest(images):
            raise ErktError(
                f"{self.folder}: images have come, gone or changed since it was begun; remove it, or choose "
                "another name"
            )
        return int(about[b"errors"])

    def _write(self, number: int, shard: list[Decoded], rows: Rows) -> int:
        return write_shard(self._path(number), shard, rows)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.parquet"


def write_shard(path: Path, shard: Iterable[Decoded], rows: Rows) -> int:
    """Write the rows of a shard's images to ``path``, whole; return how many of them are errors.

    Raises ErktError for what the file system refuses.
    """
    images: list[tuple[str, str]] = []
    tables = []
    for batch in _in_groups(shard, BATCH):
        images += [(image.name, image.stamp) for image in batch]
        tables.append(rows.of(batch))
    table = pa.concat_tables(tables)
    errors: int = len(table) - table.column("error").null_count
    about = {b"images": _digest(images), b"errors": str(errors).encode()}
    with replace_whole(path) as temporary:
        pa.parquet.write_table(table.replace_schema_metadata(about), temporary)
    return errors


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


def _digest(images: list[tuple[str, str]]) -> bytes:
    return hashlib.sha256(json.dumps(images).encode()).hexdigest().encode()
