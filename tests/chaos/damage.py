"""A flipped bit or a cut in every kind of file that is kept, in the folder, in DVC's cache, and half-way."""

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from chaos import verdict
from chaos.faults import Fault
from chaos.site import Broken, Cell, Site

Way = Callable[[Path, Random], None]

_LONG = ("train_teacher", "cache_logits", "distill")
_TRIES = 6


def faults(site: Site, rng: Random) -> list[Fault]:
    """Return a fault for each kind of output, twice, and for what is kept beside outputs."""
    found = []
    for paths in _kinds(site.outputs).values():
        path = rng.choice(paths)
        found.append(_in_the_folder(site, path, rng.choice(_WAYS)))
        readers = [cell for cell in site.cells.values() if any(_inside(path, dep) for dep in cell.deps)]
        if path.startswith("data/") and readers:  # DVC's cache holds no other files
            found.append(_in_the_cache(site, path, rng.choice(_WAYS), rng.choice(readers)))
    long = [cell for cell in site.cells.values() if cell.stage in _LONG]
    for way in _WAYS:
        found.append(_checkpoint(rng.choice(long), way))
        found.append(_kept_result(rng.choice(long), way))
        found.append(_beside("mlflow.db", way, rng.choice(long)))
        found.append(_beside("dvc.lock", way, rng.choice(long)))
    return found


def flip(path: Path, rng: Random) -> None:
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data))
    data[place] ^= 1 << rng.randrange(8)
    _write(path, bytes(data))


def cut(path: Path, rng: Random) -> None:
    """Cut the file short."""
    data = path.read_bytes()
    _write(path, data[: rng.randrange(len(data))])


_WAYS = (flip, cut)


def _write(path: Path, data: bytes) -> None:
    """Write in place, as a failing disk does: whoever links to the file sees it too, and its mode stays."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)


def _kinds(paths: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return paths that are not empty by kind: stage and suffix decide, numbers and names of cells do not."""
    found: dict[str, list[str]] = {}
    for path, data in sorted(paths.items()):
        kind = re.sub(r"/\d+-\w+\.", "/N-NAME.", re.sub(r"/\d+(?=[/.]|$)", "/N", path))
        kind = re.sub(r"/N/(one|two)\b", "/N/NAME", kind)
        if data:
            found.setdefault(kind, []).append(path)
    return found


def _inside(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def _in_the_folder(site: Site, path: str, way: Way) -> Fault:
    makers = [cell.name for cell in site.cells.values() if any(_inside(path, out) for out in cell.outs)]

    def happen(broken: Broken, rng: Random) -> verdict.Verdict:
        """DVC sees that an output is another one, and brings it back or makes it again."""
        way(broken.clone.folder / path, rng)
        broken.damaged.add(path)
        return verdict.after(broken, *makers, "summarize")

    return Fault("damage", f"{path}, {way.__name__}", happen)


def _in_the_cache(site: Site, path: str, way: Way, reader: Cell) -> Fault:
    def happen(broken: Broken, rng: Random) -> verdict.Verdict:
        """DVC takes its cache's word; whoever reads the file has to see what is wrong with it."""
        out, name = next(
            (out, md5) for cell in site.cells.values() for out, md5 in cell.outs.items() if _inside(path, out)
        )
        way(_object(broken.clone.folder / ".dvc/cache/files/md5", name, path[len(out) + 1 :]), rng)
        broken.damaged.add(path)
        broken.remove(out)
        broken.forget(reader.name)
        return verdict.after(broken, reader.name)

    return Fault("damage", f"{path} in DVC's cache, {way.__name__}, read by {reader.name}", happen)


def _object(cache: Path, md5: str, inside: str) -> Path:
    """Return the object of a file, or of the file at ``inside`` in a folder."""
    path = cache / md5[:2] / md5[2:]
    if inside:
        entries = json.loads(path.read_text(encoding="utf-8"))
        (md5,) = (entry["md5"] for entry in entries if entry["relpath"] == inside)
        path = cache / md5[:2] / md5[2:]
    return path


def _checkpoint(cell: Cell, way: Way) -> Fault:
    def happen(broken: Broken, rng: Random) -> verdict.Verdict:
        """A checkpoint that is damaged is dropped, and the cell begins again."""
        for _ in range(_TRIES):
            broken.forget(cell.name)
            running = broken.start("dvc", "repro", cell.name)
            while running.process.poll() is None and not _state(broken, cell, "checkpoint.safetensors"):
                time.sleep(0.001)
            running.kill()
            for checkpoint in _state(broken, cell, "checkpoint.safetensors"):
                way(checkpoint, rng)
                return verdict.after(broken, cell.name, "summarize")
        return verdict.Verdict(False, "never hit: it ended before it could be killed")

    return Fault("damage", f"the checkpoint of {cell.name}, {way.__name__}", happen)


def _kept_result(cell: Cell, way: Way) -> Fault:
    def happen(broken: Broken, rng: Random) -> verdict.Verdict:
        """A result that DVC has not recorded yet is damaged: it is dropped, and made again."""
        broken.forget(cell.name)
        done = broken.run("dvc", "repro", cell.name)
        assert done.status == 0, done.printed
        broken.forget(cell.name, states=False)
        way(rng.choice([path for path in _state(broken, cell, "**/*") if path.is_file()]), rng)
        return verdict.after(broken, cell.name, "summarize")

    return Fault("damage", f"the kept result of {cell.name}, {way.__name__}", happen)


def _state(broken: Broken, cell: Cell, pattern: str) -> list[Path]:
    return sorted((broken.clone.folder / ".inflight").glob(f"{cell.name}-*/{pattern}"))


def _beside(name: str, way: Way, cell: Cell) -> Fault:
    def happen(broken: Broken, rng: Random) -> verdict.Verdict:
        """A file that is no output: the mirror of runs, or DVC's record."""
        broken.forget(cell.name)
        way(broken.clone.folder / name, rng)
        return verdict.after(broken, cell.name, "summarize")

    return Fault("damage", f"{name}, {way.__name__}, before {cell.name}", happen)
