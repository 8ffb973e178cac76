"""One archive, whatever the images come from: scenes, a benchmark, a file, an address, a folder, a table.

Everything after this stage reads that one archive, so that a dataset is one file with one digest. Images of
no class are packed into it too.
"""

import os
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from erkt.data.archive import entries, members
from erkt.data.benchmarks import BENCHMARKS, Benchmark
from erkt.data.contents import HIDDEN, Contents, files_below, reader
from erkt.data.index import UNLABELLED
from erkt.data.parts import PARTS_FILE, table_of
from erkt.data.sources import hub, web
from erkt.data.sources.benchmark import check_images, repack, what_is_unproved
from erkt.data.sources.packing import OnBytes, add, copy_file, pack_folder
from erkt.data.sources.published import Published
from erkt.data.sources.table import pack_table
from erkt.data.sources.unlabelled import files_listed, join
from erkt.errors import ErktError
from erkt.files.digests import Sha256, sha256_file
from erkt.files.locations import resolve
from erkt.files.replace import replace_whole
from erkt.params.dataset import Dataset, Parts, Unlabelled


def fetch(
    settings: Dataset,
    out: Path,
    environment: Mapping[str, str],
    on_bytes: OnBytes,
    scratch: Path | None = None,
    *,
    benchmarks: Mapping[str, Benchmark] = BENCHMARKS,
) -> dict[str, Any]:
    """Make ``out`` the archive that ``settings`` describes; return its name, source, sha256 and bytes.

    Where ``settings`` has ``unlabelled`` images, they are packed together with the others. Then ``sha256`` is
    that of the others alone, as ``settings`` pins it, and ``unlabelled`` is how many they are. Where there
    are files that are no image, ``left_out`` counts them by suffix.

    ``environment`` is where a location's leading ``$NAME`` or ``${NAME}`` is looked up (a leading ``~/`` is
    ``$HOME/``); relative paths start at the working folder. ``on_bytes(done, total)`` is called as bytes
    arrive, ``total`` is None where a server does not say. ``scratch`` is a folder where half a download
    survives this process and is taken up by the next; None keeps nothing. An archive is copied, never linked:
    a link would let a change of the user's file reach into what DVC has recorded.

    For ``source: benchmark`` the images are those of ``benchmarks[settings.name]``, checked by checksum,
    classes and counts; the result has two more entries, ``benchmark`` (its origin, licence and citation) and
    ``remarks`` (lines for the user).

    Raises ErktError, and leaves ``out`` as it was, if the location is missing or of the wrong kind, a
    download fails, the digest is another one, a benchmark lacks images or has others, or the result is not a
    readable zip or tar. An address is named without what may be secret in it.
    """
    benchmark = benchmarks[settings.name] if settings.source == "benchmark" else None
    wanted = settings.sha256 if benchmark is None or benchmark.repacked else benchmark.sha256
    published = published_in(settings.parts, environment)
    facts: dict[str, Any] = {"name": settings.name, "source": settings.source}
    with replace_whole(out) as temporary:
        remarks: list[str] = []
        left_out: dict[str, int] = {}
        if settings.source == "scenes":
            shown = _draw(settings, temporary)
        elif benchmark and settings.location is None:
            shown = _from_publisher(benchmark, temporary, on_bytes)
        elif benchmark and benchmark.repacked:
            shown = resolve(str(settings.location), environment)
            remarks += repack(Path(shown), temporary, on_bytes)
        else:
            shown, left_out = _from_user(
                settings, wanted, environment, temporary, scratch, on_bytes, published
            )
        found = sha256_file(temporary)
        _compare(shown, found, wanted)
        names = [name for name, _ in entries(temporary, called=shown)]
        if benchmark:
            names = [name for name in names if not name.endswith("/")]
            check_images(names, benchmark, shown)
            if wanted is None and settings.location is not None:
                remarks += what_is_unproved(benchmark, Path(shown), found)
            facts |= {"benchmark": benchmark.facts(), "remarks": remarks}
        if published is None or not _packed(settings):
            _refuse_reserved(names, shown)
        if not _packed(settings) and (not benchmark or published):
            left_out = _sort(published, temporary, shown)
        left_out = {kind: count for kind, count in left_out.items() if kind != HIDDEN}
        if left_out:
            facts |= {"left_out": left_out}
        if settings.unlabelled is not None:
            more = _add_unlabelled(settings.unlabelled, temporary, environment, scratch, on_bytes)
            facts |= {"unlabelled": more}
        facts |= {"sha256": found, "bytes": temporary.stat().st_size}
    return facts


def published_in(settings: Parts | None, environment: Mapping[str, str]) -> Published | None:
    """Return the published split that ``settings`` name, still without images; None without ``settings``."""
    if settings is None:
        return None
    folder = None if settings.location is None else Path(resolve(settings.location, environment))
    return Published(settings, folder)


def _packed(settings: Dataset) -> bool:
    """Return whether the archive is made here from the user's files, and so has been looked at."""
    return settings.source in ("folder", "csv")


def _sort(published: Published | None, archive: Path, shown: str) -> dict[str, int]:
    """Check that folders are classes, add the parts of a published split; return what is no image, by suffix.

    With parts the archive is written anew, images by key.
    """
    contents = Contents(shown)
    if published is None:
        list(contents.images(entries(archive, called=shown)))
        contents.check()
    else:
        with replace_whole(archive) as temporary, zipfile.ZipFile(temporary, "w") as target:
            for key, read in contents.images(published.sorted_out(entries(archive, called=shown))):
                add(target, key, read())
            contents.check()
            add(target, PARTS_FILE, table_of(published.finished(contents.names)).encode())
    return contents.left_out()


def _refuse_reserved(names: Iterable[str], shown: str) -> None:
    for name in names:
        if name == PARTS_FILE:
            raise ErktError(f"{shown}: the file {name!r} at its top is reserved; rename or remove it")
        if name.split("/")[0] == UNLABELLED:
            reserved = f"the folder {UNLABELLED!r} is reserved for the images of dataset.unlabelled"
            raise ErktError(f"{shown}: {reserved}; rename or remove it")


def _add_unlabelled(
    settings: Unlabelled,
    archive: Path,
    environment: Mapping[str, str],
    scratch: Path | None,
    on_bytes: OnBytes,
) -> int:
    """Pack more images, of no class, into ``archive``; return how many."""
    with tempfile.TemporaryDirectory(prefix=".part-", dir=archive.parent) as folder:
        joined, other = Path(folder, "joined"), Path(folder, "other")
        if settings.source == "archive":
            shown = _archive(settings.location, settings.sha256, environment, other, scratch, on_bytes)
            found = sha256_file(other)
            if settings.sha256 not in (None, found):
                raise ErktError(
                    f"{shown}: not the pinned archive: sha256 {found}, expected {settings.sha256}"
                )
            files = members(other, called=shown)
        else:
            shown = resolve(settings.location, environment)
            if settings.source == "csv":
                files = files_listed(Path(shown))
            else:
                files = ((name, reader(path)) for name, path in files_below(Path(shown)) if path.is_file())
        count = join(archive, files, shown, joined, on_bytes)
        os.replace(joined, archive)
    return count


def _draw(settings: Dataset, target: Path) -> str:
    from erkt.scenes.archive import write_archive  # only who draws scenes needs the drawing

    if settings.scenes is None:
        raise ErktError("source: scenes needs the block 'scenes'")
    write_archive(target, settings.scenes.per_class, settings.scenes.side, settings.scenes.seed)
    return settings.source


def _from_publisher(benchmark: Benchmark, target: Path, on_bytes: OnBytes) -> str:
    """Copy or repack what the hub's cache holds; what it holds wrongly is fetched once more."""
    if benchmark.archive is None:
        raise ErktError(f"{benchmark.title} cannot be fetched by a program: {benchmark.instructions}")
    cached = hub.download(benchmark.archive)
    found = sha256_file(cached)
    if found != benchmark.sha256:
        try:
            cached = hub.download(benchmark.archive, wrong=cached)
        except ErktError as error:
            held = f"the copy in the Hugging Face cache is not the pinned archive (sha256 {found})"
            raise ErktError(f"{held}; and anew: {error}") from error
        _compare(str(benchmark.archive), sha256_file(cached), benchmark.sha256)
    if benchmark.repacked:
        repack(cached, target, on_bytes)
    else:
        copy_file(cached, target, on_bytes)
    return str(benchmark.archive)


def _compare(shown: str, found: str, wanted: str | None) -> None:
    if wanted not in (None, found):
        raise ErktError(f"{shown}: not the pinned archive: sha256 {found}, expected {wanted}")


def _from_user(
    settings: Dataset,
    sha256: str | None,
    environment: Mapping[str, str],
    target: Path,
    scratch: Path | None,
    on_bytes: OnBytes,
    published: Published | None,
) -> tuple[str, dict[str, int]]:
    """Bring what lies at the user's location; return its name for messages, and files left out by suffix."""
    if settings.source not in ("folder", "csv"):
        return _archive(str(settings.location), sha256, environment, target, scratch, on_bytes), {}
    location = resolve(str(settings.location), environment)
    pack_from = pack_folder if settings.source == "folder" else pack_table
    return location, pack_from(Path(location), target, on_bytes, published)


def _archive(
    place: str,
    sha256: str | None,
    environment: Mapping[str, str],
    target: Path,
    scratch: Path | None,
    on_bytes: OnBytes,
) -> str:
    """Copy or download the archive at ``place``; return its name for messages."""
    location = resolve(place, environment)
    if "://" not in location:
        copy_file(Path(location), target, on_bytes)
        return location
    # What the environment put in, a query and a password may be secret.
    shown = re.sub(r"//[^/@]*@", "//", place.partition("?")[0])
    if not location.lower().startswith(("http://", "https://")):
        raise ErktError(f"{shown}: only http and https addresses are fetched")
    if sha256 is None:
        raise ErktError(f"{shown}: an archive from the network needs its sha256; set dataset.sha256")
    with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as short_lived:
        web.download(location, shown, Sha256(sha256), target, scratch or Path(short_lived), on_bytes)
    return shown
