"""One archive, whatever the images come from: scenes, a benchmark, a file, an address, a folder, a table.

Everything after this stage reads that one archive, so that a dataset is one file with one digest.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erkt.data.archive import members
from erkt.data.benchmarks import BENCHMARKS, Benchmark
from erkt.data.sources.benchmark import bring_benchmark
from erkt.data.sources.folder import pack_folder
from erkt.data.sources.location import Place, bring
from erkt.data.sources.packing import OnBytes
from erkt.data.sources.table import pack_table
from erkt.data.sources.web import PATIENCE, Patience
from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.files.replace import replace_whole
from erkt.params.dataset import Dataset


def fetch(
    settings: Dataset,
    out: Path,
    environment: Mapping[str, str],
    on_bytes: OnBytes,
    scratch: Path | None = None,
    *,
    benchmarks: Mapping[str, Benchmark] = BENCHMARKS,
    patience: Patience = PATIENCE,
) -> dict[str, Any]:
    """Make ``out`` the archive that ``settings`` describes; return its name, source, sha256 and bytes.

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
    readable zip or tar.
    """
    place = Place(settings.location or "", environment, scratch, on_bytes, patience)
    facts: dict[str, Any] = {"name": settings.name, "source": settings.source}
    with replace_whole(out) as temporary:
        shown: str = settings.source
        if settings.source == "scenes":
            _draw(settings, temporary)
        elif settings.source == "folder":
            shown = place.resolve()
            pack_folder(Path(shown), temporary, on_bytes)
        elif settings.source == "csv":
            shown = place.resolve()
            pack_table(Path(shown), temporary, on_bytes)
        elif settings.source == "benchmark":
            benchmark = benchmarks[settings.name]
            shown, remarks = bring_benchmark(benchmark, settings, place, temporary)
            facts |= {"benchmark": benchmark.facts(), "remarks": remarks}
        else:
            shown = bring(place, {"sha256": settings.sha256} if settings.sha256 else {}, temporary)
        for _ in members(temporary, called=shown):
            pass
        facts |= {"sha256": sha256_file(temporary), "bytes": temporary.stat().st_size}
    return facts


def _draw(settings: Dataset, target: Path) -> None:
    from erkt.scenes.archive import write_archive  # only who draws scenes needs the drawing

    if settings.scenes is None:
        raise ErktError("source: scenes needs the block 'scenes'")
    write_archive(target, settings.scenes.per_class, settings.scenes.side, settings.scenes.seed)
