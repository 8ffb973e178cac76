"""A published collection: put together from the user's copy, and compared with its record."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from erkt.data.benchmarks import Benchmark
from erkt.data.contents import files_in, first_ten
from erkt.data.index import key_of, order_of
from erkt.data.sources.packing import OnBytes, pack
from erkt.errors import ErktError
from erkt.files.digests import sha256_file


def check_images(names: Iterable[str], benchmark: Benchmark, shown: str) -> None:
    """Raise ErktError naming the differences if classes or images a class are not the benchmark's.

    ``names`` are an archive's members, and ``shown`` is the archive's name.
    """
    keys = {key_of(name, shown) for name in names} - {None}
    found = Counter(order_of(key)[0] for key in keys if key)
    differences = [
        f"no class {name}" if not found[name] else f"{found[name]} images of {name} instead of {count}"
        for name, count in benchmark.counts.items()
        if found[name] != count
    ]
    differences += [f"an unknown class {name}" for name in sorted(set(found) - set(benchmark.counts))]
    if differences:
        unlike = f"not the images of {benchmark.title}: {first_ten(differences)}"
        raise ErktError(f"{shown}: {unlike}; expected its class folders and nothing else")


def what_is_unproved(benchmark: Benchmark, copy: Path, packed: str) -> list[str]:
    """Return what to tell the user of their ``copy`` beside its classes and counts: nothing if it is proved.

    It is if it is the published archive, or if its images are byte for byte those of the record: ``packed``
    is the sha256 of what ``repack`` made of it.
    """
    pin = "set dataset.sha256 to this one to pin these images"
    if benchmark.sha256 is None:
        return [f"nobody publishes a checksum; {pin}"]
    if packed == benchmark.repacked_sha256 or (copy.is_file() and sha256_file(copy) == benchmark.sha256):
        return []
    return [f"neither the published archive nor the images on record, only their classes and counts; {pin}"]


def repack(source: Path, target: Path, on_bytes: OnBytes) -> list[str]:
    """Pack all images of a folder or archive as ``class/filename``, its parts put together; return remarks.

    The same images give the same bytes, whether they lie in a folder, a zip or a tar. A part is the folder
    that the class folder lies in. Images of several parts that share a name are all kept, under names that
    begin with their part, unless their bytes are the same.
    """
    if not source.exists():
        raise ErktError(f"{source}: no such file or folder")
    parts: dict[str, dict[str, bytes]] = {}  # by key, then by part
    for name, read in files_in(source):
        key = None if name.endswith("/") else key_of(name, str(source))
        if key is None:
            continue
        part = name.split("/")[-3] if name.count("/") > 1 else ""
        data = read()
        if parts.setdefault(key, {}).setdefault(part, data) != data:
            raise ErktError(
                f"{source}: two images are {part}/{key}; set dataset.location to one of its splits"
            )
    chosen: dict[str, bytes] = {}
    renamed = []
    for key, images in parts.items():
        class_name, filename = order_of(key)
        if len(set(images.values())) == 1:
            chosen[key] = next(iter(images.values()))
            continue
        for part, data in images.items():
            renamed.append(f"{class_name}/{part}-{filename}")
            chosen[renamed[-1]] = data
    reads = ((key, partial(bytes, data)) for key, data in chosen.items())
    pack(reads, target, sum(map(len, chosen.values())), on_bytes)
    if not renamed:
        return []
    all_kept = f"{len(renamed)} images have the name of another image in another part; all are kept"
    return [f"{all_kept}, under names such as {min(renamed)}"]
