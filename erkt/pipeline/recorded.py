"""Whether what DVC recorded of a run belongs together, and to the params and code that lie here."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.pipeline import lock, paths
from erkt.pipeline.cells import Cell, look_up

CODE = ("erkt", "stages")
"""Folders whose files are code; other dependencies are data."""


def faults(
    record: Mapping[str, Any], cells: Sequence[Cell], params: Mapping[str, Any], *, code: bool = True
) -> list[str]:
    """Return in words which of ``cells`` did not run with ``params`` and this code, or what breaks.

    Without ``code`` it may be another. ``record`` is what DVC recorded of each cell.
    """
    found = [fault for cell in cells for fault in _of_cell(record, cell, params, code=code)]
    return found or list(breaks(record, cells))


def ran_with(params: Mapping[str, Any], *cells: Cell) -> bool:
    """Return whether ``cells`` are recorded as run with ``params``; True where no dvc.lock could tell."""
    try:
        record = lock.read_cells(paths.LOCK)
    except ErktError:
        return True
    return all(
        cell.name in record and not _other_params(record[cell.name], cell.entry()["params"], params)
        for cell in cells
    )


def require_one_run(
    cells: Sequence[Cell], reader: Cell, params: Mapping[str, Any], *, code: bool = True
) -> None:
    """Raise ErktError if what ``reader`` reads is not what ``cells`` made by ``params`` and this code.

    Without ``code`` it may have been another.
    """
    if found := faults(lock.read_cells(paths.LOCK), cells, params, code=code):
        more = f" and {len(found) - 1} more reasons" if len(found) > 1 else ""
        what = "params and code" if code else "params"
        raise ErktError(f"what lies here is not one run of these {what} ({found[0]}{more}); run dvc repro")
    lock.require_as_recorded(reader, params)


def breaks(record: Mapping[str, Any], cells: Sequence[Cell]) -> Iterator[str]:
    """Yield in words where one of ``cells`` read something else than another of them made, or read.

    It ran before that was made anew, as when only a part of the pipeline runs again. ``record`` is what DVC
    recorded of each cell. What a folder held that several cells fill is known if each makes single files
    there; else all that read the folder have to agree.
    """
    outs = {out["path"]: (out["md5"], cell) for cell in cells for out in record[cell.name]["outs"]}
    known = {path: (md5, f"{cell.name} made") for path, (md5, cell) in outs.items()}
    read = [(cell, dep["path"], dep["md5"]) for cell in cells for dep in record[cell.name]["deps"]]
    for path in {path for _, path, _ in read}:
        inside = {out.removeprefix(f"{path}/"): outs[out] for out in outs if out.startswith(f"{path}/")}
        if inside and not any(md5.endswith(".dir") for md5, _ in inside.values()):
            makers = {cell.stage for _, cell in inside.values()}
            content = lock.folder_md5({name: md5 for name, (md5, _) in inside.items()})
            known[path] = (content, f"{' and '.join(sorted(makers))} made")
    for cell, path, md5 in read:
        expected, whose = known.setdefault(path, (md5, f"{cell.name} read"))
        if md5 != expected:
            yield f"{cell.name} read another {path} than {whose}"


def _of_cell(
    record: Mapping[str, Any], cell: Cell, params: Mapping[str, Any], *, code: bool
) -> Iterator[str]:
    if cell.name not in record:
        yield f"{cell.name} did not run"
        return
    own, entry = record[cell.name], cell.entry()
    if _other_params(own, entry["params"], params):
        yield f"{cell.name} ran with other params"
    made_from = {dep["path"]: dep["md5"] for dep in own["deps"]}
    for dep in entry["deps"]:
        if code and dep.startswith(CODE) and made_from.get(dep) != _here(dep):
            yield f"{cell.name} ran with another {dep}"
    made = {out["path"] for out in own["outs"]}
    yield from (f"{cell.name} made no {path}" for path in cell.outputs() if path.as_posix() not in made)


@cache
def _here(dep: str) -> str:
    return lock.code_md5(Path(dep))


def _other_params(own: Mapping[str, Any], keys: Sequence[str], params: Mapping[str, Any]) -> bool:
    used = (own.get("params") or {}).get(paths.PARAMS.as_posix(), {})
    return any(used.get(key) != look_up(params, key) for key in keys)
