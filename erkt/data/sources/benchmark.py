"""A published collection: from its pinned address or from the user's copy, and checked against its record."""

import os
from collections import Counter
from functools import partial
from pathlib import Path

from erkt.data.archive import members
from erkt.data.benchmarks import Benchmark, HubFile
from erkt.data.index import key_of, order_of
from erkt.data.sources import hub
from erkt.data.sources.location import Place, bring
from erkt.data.sources.packing import OnBytes, copy_file, mismatch, pack
from erkt.errors import ErktError
from erkt.params.dataset import Dataset

_NAMED = 10  # differences that a message names; the count says how many more


def bring_benchmark(
    benchmark: Benchmark, settings: Dataset, place: Place, target: Path
) -> tuple[str, list[str]]:
    """Make ``target`` the archive of ``benchmark``; return its name for messages, and lines for the user.

    Without a location it comes from the pinned address, which only a benchmark with an ``archive`` has. One
    with checksums is taken as it is, others are packed anew from the user's copy, and ``settings.sha256`` may
    pin the result.

    Raises ErktError, with what to fetch and where to put it if no program can; for a failed download, another
    checksum, and classes or counts that are not the record's.
    """
    remarks: list[str] = []
    if benchmark.checksums:
        if settings.location is None and benchmark.archive is not None:
            shown = str(benchmark.archive)
            _from_hub(benchmark.archive, benchmark, target, place.on_bytes)
        else:
            shown = bring(place, benchmark.checksums, target)
    else:
        if settings.location is None:
            raise ErktError(f"{benchmark.title} cannot be fetched by a program: {benchmark.instructions}")
        shown = place.resolve()
        remarks += _repack(Path(shown), target, place.on_bytes)
        pinned = {"sha256": settings.sha256} if settings.sha256 else {}
        wrong = mismatch(target, pinned)
        if wrong:
            raise ErktError(f"{shown}: {wrong}")
        if not pinned:
            remarks.append("nobody publishes a checksum; set dataset.sha256 to this one to pin these images")
    check_images(target, benchmark, shown)
    return shown, remarks


def check_images(archive: Path, benchmark: Benchmark, shown: str) -> None:
    """Raise ErktError naming the differences if classes or images a class are not the benchmark's."""
    keys = {key_of(name, shown) for name, _ in members(archive, called=shown)} - {None}
    found = Counter(order_of(key)[0] for key in keys if key)
    differences = [
        f"no class {name}" if not found[name] else f"{found[name]} images of {name} instead of {count}"
        for name, count in benchmark.counts.items()
        if found[name] != count
    ]
    differences += [f"an unknown class {name}" for name in sorted(set(found) - set(benchmark.counts))]
    if differences:
        more = f" and {len(differences) - _NAMED} more" if len(differences) > _NAMED else ""
        raise ErktError(
            f"{shown}: not the images of {benchmark.title}: {', '.join(differences[:_NAMED])}{more}; "
            "expected its class folders and nothing else"
        )


def _from_hub(file: HubFile, benchmark: Benchmark, target: Path, on_bytes: OnBytes) -> None:
    """Copy the file out of the hub's cache; what the cache holds wrongly is fetched once more."""
    cached = hub.download(file)
    copy_file(cached, target, on_bytes)
    wrong = mismatch(target, benchmark.checksums)
    if wrong is None:
        return
    try:
        cached = hub.download(file, wrong=cached)
    except ErktError as error:
        raise ErktError(f"the copy in the Hugging Face cache is {wrong}; and anew: {error}") from error
    copy_file(cached, target, on_bytes)
    wrong = mismatch(target, benchmark.checksums)
    if wrong:
        raise ErktError(f"{file}: {wrong}")


def _repack(source: Path, target: Path, on_bytes: OnBytes) -> list[str]:
    """Pack all images of a folder or archive as ``class/filename``, its parts put together; return remarks.

    The same images give the same bytes, whether they lie in a folder, a zip or a tar.
    """
    parts: dict[str, dict[str, bytes]] = {}  # by key, then by the folder that the class folder lies in
    for name, data in _images_in(source):
        key = key_of(name, str(source)) or ""
        part = name.split("/")[-3] if name.count("/") > 1 else ""
        images = parts.setdefault(key, {})
        if images.setdefault(part, data) != data:
            raise ErktError(
                f"{source}: two images are {part}/{key}; set dataset.location to one of its splits"
            )
    chosen: dict[str, bytes] = {}
    renamed = []
    for key, images in parts.items():
        class_name, filename = order_of(key)
        alike = len(set(images.values())) == 1
        for part, data in images.items():
            chosen[key if alike else f"{class_name}/{part}-{filename}"] = data
        renamed += [] if alike else [f"{class_name}/{part}-{filename}" for part in images]
    reads = ((key, partial(bytes, data)) for key, data in chosen.items())
    pack(reads, target, sum(map(len, chosen.values())), on_bytes)
    if not renamed:
        return []
    all_kept = f"{len(renamed)} images have the name of another image in another part; all are kept"
    return [f"{all_kept}, under names such as {min(renamed)}"]


def _images_in(source: Path) -> list[tuple[str, bytes]]:
    """Return name (relative, with slashes) and bytes of all images in a folder, at any depth, or an archive."""
    if source.is_file():
        return [(name, read()) for name, read in members(source) if key_of(name, str(source))]
    if not source.is_dir():
        raise ErktError(f"{source}: no such file or folder")
    found = []
    for folder, _, filenames in os.walk(source, followlinks=True):
        for filename in filenames:
            path = Path(folder, filename)
            name = path.relative_to(source).as_posix()
            if key_of(name, str(source)):
                found.append((name, path.read_bytes()))
    return found
