"""What is around a run: folders that may not be written, false clocks, a second run, failing servers."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from chaos import verdict
from chaos.faults import Fault
from chaos.site import Broken, Cell, Site

_YEAR = 365 * 86400
_REFUSED = "http://127.0.0.1:9"  # the port to discard: nobody listens there


def faults(site: Site, rng: Random) -> list[Fault]:
    """Return a few faults of each of these kinds, in cells drawn from all."""
    cells = list(site.cells.values())

    def some(count: int) -> list[Cell]:
        return rng.sample(cells, count)

    return [
        *[_read_only(cell) for cell in some(4)],
        *[_clock(cell, offset) for cell, offset in zip(some(4), (-_YEAR, -3600, -1, _YEAR), strict=True)],
        *[_times(cell, offset) for cell, offset in zip(some(2), (-_YEAR, _YEAR), strict=True)],
        *[_two_at_once(cell) for cell in some(3)],
        *[_two_by_hand(cell) for cell in some(3)],
        *[_server(cell, "refuses", lambda: _at(_REFUSED)) for cell in some(2)],
        *[_server(cell, "answers 500", lambda: _listening(_BROKEN)) for cell in some(2)],
        *[_server(cell, "hangs up", lambda: _listening(b"")) for cell in some(2)],
    ]


def _read_only(cell: Cell) -> Fault:
    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        """The folders of the outputs may not be written; then they may again."""
        broken.forget(cell.name)
        folders = {(broken.clone.folder / out).parent for out in cell.outs}
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o555)
        # Root may write everywhere, unless it gives that up.
        through = ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()
        done = broken.run("dvc", "repro", cell.name, through=through)
        for folder in folders:
            folder.chmod(0o755)
        refused = verdict.refusal(done)
        return verdict.after(broken, cell.name, "summarize") if refused.survived else refused

    return Fault("read-only", f"the folders of {cell.name}", happen)


def _clock(cell: Cell, offset: float) -> Fault:
    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        """The stage believes in another time than the files do."""
        broken.forget(cell.name)
        done = broken.run("dvc", "repro", cell.name, plan={"stage": cell.stage, "clock": offset})
        if done.status != 0:
            return verdict.Verdict(False, done.printed)
        return verdict.after(broken, cell.name, "summarize")

    return Fault("clock", f"{cell.name}, {offset:+g} seconds", happen)


def _times(cell: Cell, offset: float) -> Fault:
    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        """Every file has been touched at another time, as after a restore from a backup."""
        now = time.time() + offset
        for place in ("data", "metrics", "erkt", "stages"):
            for path in (broken.clone.folder / place).rglob("*"):
                os.utime(path, (now, now))
        broken.forget(cell.name)
        return verdict.after(broken, cell.name, "summarize")

    return Fault("clock", f"all files {offset:+g} seconds, then {cell.name}", happen)


def _two_at_once(cell: Cell) -> Fault:
    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        """Two ``dvc repro`` in one folder: DVC lets one in."""
        broken.forget(cell.name)
        first = broken.start("dvc", "repro", cell.name)
        time.sleep(own.uniform(0, 4))
        second = broken.run("dvc", "repro", cell.name)
        return _all_well(broken, cell, [first.end(), second])

    return Fault("two at once", f"dvc repro {cell.name}", happen)


def _two_by_hand(cell: Cell) -> Fault:
    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        """The same cell by hand and by DVC."""
        broken.forget(cell.name)
        first = broken.start("erkt", "stage", cell.stage, *_coordinates(cell))
        time.sleep(own.uniform(0, 4))
        second = broken.run("dvc", "repro", cell.name)
        return _all_well(broken, cell, [first.end(), second])

    return Fault("two at once", f"erkt stage and dvc repro, {cell.name}", happen)


def _all_well(broken: Broken, cell: Cell, ended: list[verdict.Ended]) -> verdict.Verdict:
    for done in ended:
        if done.status != 0:
            refused = verdict.refusal(done)
            if not refused.survived:
                return refused
    return verdict.after(broken, cell.name, "summarize")


def _coordinates(cell: Cell) -> list[str]:
    """Return the options that name the cell, as its command in dvc.yaml has them."""
    _, _, label = cell.name.partition("@")
    names = ("--seed", "--teacher", "--block")
    return [word for pair in zip(names, label.split("-"), strict=False) for word in pair if label]


def _server(cell: Cell, what: str, serve: Callable[[], "contextmanager[str]"]) -> Fault:
    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        """MLflow's server fails: the run goes on without it."""
        broken.forget(cell.name)
        with serve() as uri:
            done = broken.run(
                "dvc",
                "repro",
                cell.name,
                MLFLOW_TRACKING_URI=uri,
                MLFLOW_HTTP_REQUEST_TIMEOUT="2",
                MLFLOW_HTTP_REQUEST_MAX_RETRIES="1",
            )
        if done.status != 0:
            return verdict.Verdict(False, done.printed)
        return verdict.after(broken, cell.name, "summarize")

    return Fault("server", f"MLflow's {what}, {cell.name}", happen)


_BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def _at(uri: str) -> Iterator[str]:
    yield uri


@contextmanager
def _listening(answer: bytes) -> Iterator[str]:
    """Answer each request on the loopback with these bytes, and hang up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
