"""No more room on the disk in every stage that writes, and too little memory."""

from random import Random

from chaos import verdict
from chaos.faults import Fault
from chaos.site import Broken, Cell, Site

_MEMORY = (0.02, 0.1, 0.3, 0.5, 0.9)
"""Gigabytes of private memory: from less than Python's modules take, to nearly enough."""


def faults(site: Site, rng: Random) -> list[Fault]:
    """Return a full disk for a cell of each stage, and a few limits of memory."""
    cells = list(site.cells.values())
    stages = sorted({cell.stage for cell in cells})
    full = [_full(rng.choice([cell for cell in cells if cell.stage == stage]), site, rng) for stage in stages]
    return full + [_memory(rng.choice(cells), gigabytes) for gigabytes in _MEMORY]


def _full(cell: Cell, site: Site, rng: Random) -> Fault:
    sizes = [
        len(data)
        for path, data in site.outputs.items()
        if any(path == out or path.startswith(f"{out}/") for out in cell.outs)
    ]
    allowed = rng.randrange(max(sizes))

    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        """A write that goes beyond the limit fails, wherever it comes from."""
        return _within(broken, cell, file_bytes=allowed)

    return Fault("disk", f"{cell.name}, {allowed} bytes a file", happen)


def _memory(cell: Cell, gigabytes: float) -> Fault:
    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        return _within(broken, cell, memory_bytes=int(gigabytes * 1e9))

    return Fault("memory", f"{cell.name}, {gigabytes:g} GB", happen)


def _within(broken: Broken, cell: Cell, **limits: int) -> verdict.Verdict:
    """Run the cell within limits; it succeeds, or says why not, and afterwards all is well."""
    broken.forget(cell.name)
    done = broken.run("dvc", "repro", cell.name, plan={"stage": cell.stage, **limits})
    if done.status != 0:
        refused = verdict.refusal(done)
        if not refused.survived:
            return refused
    return verdict.after(broken, cell.name, "summarize")
