import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from closure import ROOT
from faulty_server import Fault, Server, faulty_server
from filelock import FileLock
from packed import ignore, refused, zip_of

from erkt.data.sources import fetch, web
from erkt.params.dataset import Dataset


def archive_of(size: int, seed: int = 0) -> bytes:
    """Return a zip with ``size`` bytes that do not repeat, so that no two parts of it are alike."""
    return zip_of({"a/1.jpg": hashlib.shake_256(bytes([seed])).digest(size), "b/2.jpg": b"two"})


DATA, OTHER, LONGER = archive_of(300_000), archive_of(300_000, seed=1), archive_of(400_000)
LARGE = archive_of(9 * 2**19)
assert len(DATA) == len(OTHER)
CUT = Fault(cut=70_000)
BUSY = Fault(status=503)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with faulty_server() as running:
        yield running


class Run:
    """One download after another into the same folders."""

    def __init__(self, folder: Path) -> None:
        self.out, self.scratch = folder / "out" / "raw", folder / "scratch"
        self.waits: list[float] = []
        self.progress: list[tuple[int, int | None]] = []

    def get(self, address: str, data: bytes = DATA, environment: dict[str, str] | None = None) -> bytes:
        """Fetch ``address`` as what has the digest of ``data``; return it."""
        settings = Dataset("demo", "archive", address, sha256(data), None, None)
        facts = fetch(
            settings, self.out, environment or {}, lambda *step: self.progress.append(step), self.scratch
        )
        assert (facts["sha256"], facts["bytes"]) == (sha256(data), len(data))
        assert self.kept() == []
        return self.out.read_bytes()

    def refusal(self, address: str, **more: Any) -> str:
        """Return the message with which ``address`` is refused, having checked that nothing comes of it."""
        self.out.unlink(missing_ok=True)
        message = refused(self.get, address, **more)
        assert not self.out.parent.exists() or os.listdir(self.out.parent) == []
        return message

    def kept(self) -> list[int]:
        """Return the sizes of what is kept for the next try."""
        return [path.stat().st_size for path in self.scratch.glob("*.part")]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run whose waits are noted, not waited for; the clock stands at 7:28 of 21 October 2015."""
    made = Run(tmp_path)
    clock = SimpleNamespace(sleep=made.waits.append, time=lambda: 1445412480.0)
    monkeypatch.setattr("urllib3.util.retry.time", clock)
    return made


# ---------------------------------------------------------------- whole at once


@pytest.mark.parametrize("fault", [Fault(), Fault(unsized=True), Fault(chunked=True)])
def test_an_archive_comes_whole_from_an_address(run: Run, server: Server, fault: Fault) -> None:
    address = server.serve("/a.zip", DATA, fault, headers={"Content-Encoding": "gzip"})  # which it is not
    moved = server.serve("/moved.zip", b"", Fault(status=302, headers={"Location": address}))
    assert run.get(moved) == DATA
    assert run.progress[-1] == (len(DATA), None if fault.unsized or fault.chunked else len(DATA))
    assert run.waits == []
    assert list(run.scratch.glob("*.json")) == []


def test_without_a_folder_for_halves_nothing_is_left_beside_the_archive(
    tmp_path: Path, server: Server
) -> None:
    settings = Dataset("demo", "archive", server.serve("/a.zip", DATA, CUT), sha256(DATA), None, None)
    fetch(settings, tmp_path / "out" / "raw", {}, ignore)
    assert os.listdir(tmp_path / "out") == ["raw"]


# ---------------------------------------------------------------- in pieces


@pytest.mark.parametrize(
    ("faults", "served", "ranges"),
    [
        ([CUT, Fault(cut=50_000)], {}, [None, 70_000, 120_000]),
        ([CUT, Fault(cut=50_000)], {"validator": "date"}, [None, 70_000, 120_000]),
        ([Fault(chunked=True, cut=70_000)], {}, [None, 70_000]),
        ([Fault(stall=70_000)], {}, [None, 70_000]),
        ([Fault(lie=1000)], {}, [None, len(DATA)]),
        ([CUT, Fault(blind=True)], {}, [None, 70_000]),
        ([CUT, Fault(most=50_000)], {}, [None, 70_000, 120_000]),
        ([CUT], {"validator": "none"}, [None, None]),
        ([CUT], {"validator": "none", "headers": {"ETag": 'W/"1"'}}, [None, None]),
    ],
)
def test_what_is_broken_off_goes_on_where_the_server_names_the_version(
    run: Run,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    faults: list[Fault],
    served: dict[str, Any],
    ranges: list[int | None],
) -> None:
    if any(fault.stall for fault in faults):
        monkeypatch.setattr(web, "TIMEOUT", 0.5)
    assert run.get(server.serve("/a.zip", DATA, *faults, **served)) == DATA
    assert server.ranges() == [None if first is None else f"bytes={first}-" for first in ranges]


def test_the_next_call_goes_on_where_one_gave_up(run: Run, server: Server) -> None:
    address = server.serve("/a.zip", DATA, *[Fault(cut=10_000)] * 6)
    cut = f"the connection was cut after 60000 of {len(DATA)} bytes"
    assert run.refusal(address) == f"{address}: {cut}; given up, try again later"
    assert run.waits == [2.0, 4.0, 8.0, 16.0]
    assert run.kept() == [60_000]
    assert run.get(address) == DATA
    assert server.ranges()[-1] == "bytes=60000-"


def test_tries_that_bring_much_are_not_counted(run: Run, server: Server) -> None:
    faults = [Fault(cut=2**20), Fault(cut=10), Fault(cut=10)]
    assert run.get(server.serve("/a.zip", LARGE, *faults * 3), LARGE) == LARGE
    assert max(run.waits) == 4.0  # of three tries in a row that bring little or nothing


def test_a_server_that_is_cut_from_the_start_again_and_again_is_given_up(run: Run, server: Server) -> None:
    address = server.serve("/a.zip", LARGE, *[Fault(cut=2**21, blind=True)] * 50)
    assert "given up" in run.refusal(address, data=LARGE)
    assert len(server.requests) == 6


def test_a_process_that_is_killed_leaves_half_a_file_for_the_next(run: Run, server: Server) -> None:
    """The kernel ends a real process in the midst of its download; another goes on, and the file is whole."""
    address = server.serve("/a.zip", DATA, Fault(stall=70_000))
    script = (
        "import sys; from pathlib import Path; from erkt.data.sources import fetch\n"
        "from erkt.params.dataset import Dataset\n"
        "settings = Dataset('demo', 'archive', sys.argv[1], sys.argv[2], None, None)\n"
        "show = lambda done, total: print(done, flush=True)\n"
        "fetch(settings, Path(sys.argv[3]), {}, show, Path(sys.argv[4]))"
    )
    command = [sys.executable, "-c", script, address, sha256(DATA), str(run.out), str(run.scratch)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 70_000:
                break
        process.kill()
    assert process.wait() == -9
    assert not run.out.exists()
    assert run.kept() == [70_000]
    assert run.get(address) == DATA
    assert server.ranges() == [None, "bytes=70000-"]


@pytest.mark.parametrize(
    ("half", "record", "asked"),
    [
        (DATA, {"version": f'"{sha256(DATA)}"'}, f"bytes={len(DATA)}-"),  # killed behind the last byte
        (OTHER[:1000], {"version": None}, None),
        (OTHER[:1000], [], None),
        (OTHER[:1000], None, None),
    ],
)
def test_half_a_file_is_used_only_with_a_good_record(
    run: Run, server: Server, half: bytes, record: object, asked: str | None
) -> None:
    run.scratch.mkdir()
    (run.scratch / f"{sha256(DATA)}.part").write_bytes(half)
    if record is not None:
        (run.scratch / f"{sha256(DATA)}.json").write_text(json.dumps(record))
    assert run.get(server.serve("/a.zip", DATA)) == DATA
    assert server.ranges() == [asked]


def test_a_second_process_at_the_same_file_is_told_so(run: Run, server: Server) -> None:
    run.scratch.mkdir()
    with FileLock(run.scratch / f"{sha256(DATA)}.lock"):
        assert "another process is downloading it" in run.refusal(server.serve("/a.zip", DATA))
    assert server.requests == []


# ---------------------------------------------------------------- another file than before


@pytest.mark.parametrize(
    ("before", "after", "deaf", "validator", "again"),
    [
        (OTHER, DATA, False, "etag", []),  # the server sees that its file has changed
        (OTHER, DATA, True, "etag", [None]),  # it overlooks the question, but names another version
        (LONGER, DATA, True, "etag", [None]),
        (DATA, archive_of(10_000), True, "etag", [None]),
        (OTHER, DATA, True, "date", [None]),  # nothing tells but the digest
    ],
)
def test_halves_of_two_versions_are_never_put_together(
    run: Run,
    server: Server,
    before: bytes,
    after: bytes,
    deaf: bool,
    validator: str,
    again: list[str | None],
) -> None:
    faults = [CUT, *[BUSY] * 6, Fault(becomes=after, deaf=deaf)]
    address = server.serve("/a.zip", before, *faults, validator=validator)
    assert "503" in run.refusal(address, data=after)
    assert run.kept() == [70_000]
    assert run.get(address, after) == after
    assert server.ranges()[7:] == ["bytes=70000-", *again]


def test_a_file_that_changes_at_every_request_is_given_up(run: Run, server: Server) -> None:
    versions = [archive_of(300_000, seed) for seed in range(2, 40)]
    faults = [Fault(becomes=data, deaf=True, cut=70_000) for data in versions]
    message = run.refusal(server.serve("/a.zip", OTHER, *faults, validator="date"))
    assert "not the pinned archive" in message or "given up" in message
    assert len(server.requests) < 20


@pytest.mark.parametrize("data", [OTHER, DATA[:-1000]])
def test_another_archive_at_the_address_is_refused_and_not_kept(
    run: Run, server: Server, data: bytes
) -> None:
    message = run.refusal(server.serve("/a.zip", data))
    assert message.endswith(f"not the pinned archive: sha256 {sha256(data)}, expected {sha256(DATA)}")
    assert run.kept() == []
    assert len(server.requests) == 1


# ---------------------------------------------------------------- answers that are no file


@pytest.mark.parametrize(("status", "more"), [(401, "; the address asks for a login"), (404, "")])
def test_a_refusal_is_final(run: Run, server: Server, status: int, more: str) -> None:
    address = server.serve("/a.zip", DATA, Fault(status=status))
    message = run.refusal(address)
    assert message.startswith(f"{address}: the server answered {status} ")
    assert message.endswith(more)
    assert (len(server.requests), run.waits) == (1, [])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again_a_few_times(run: Run, server: Server, status: int) -> None:
    assert run.get(server.serve("/a.zip", DATA, *[Fault(status=status)] * 3)) == DATA
    assert run.waits == [2.0, 4.0]
    message = run.refusal(server.serve("/b.zip", DATA, *[Fault(status=status)] * 9))
    assert f"the server answered {status}" in message
    assert message.endswith("; try again later")


@pytest.mark.parametrize(
    ("header", "wait"), [("17", 17.0), ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0), ("3600", 120.0)]
)
def test_what_the_server_asks_to_wait_is_waited_within_bounds(
    run: Run, server: Server, header: str, wait: float
) -> None:
    busy = Fault(status=429, headers={"Retry-After": header})
    assert run.get(server.serve("/a.zip", DATA, busy)) == DATA
    assert run.waits == [wait]
    message = run.refusal(server.serve("/b.zip", DATA, *[busy] * 9))
    assert message.endswith(f" and asks to wait ({header}); try again then")


def test_a_server_that_is_not_there_is_one_line(run: Run) -> None:
    with faulty_server() as gone:
        address = f"{gone.address}/a.zip"
    assert run.refusal(address) == f"{address}: no connection or no answer; given up, try again later"


@pytest.mark.parametrize(
    "location",
    ["ftp://a.org/a.zip", "file:///etc/passwd", "http://[broken/a.zip", "http://", "http://exa mple/a.zip"],
)
def test_other_addresses_are_refused(run: Run, location: str) -> None:
    assert run.refusal(location).startswith(location)


# ---------------------------------------------------------------- secrets


def trouble(server: Server) -> list[str]:
    """Return addresses that fail in every way there is."""
    loop = Fault(status=302, headers={"Location": "/loop.zip?word=hidden"})
    with faulty_server() as gone:
        away = gone.address
    return [
        server.serve("/gone.zip", DATA, *[Fault(status=404)] * 2),
        server.serve("/cut.zip", DATA, *[Fault(cut=100)] * 14, validator="none"),
        server.serve("/other.zip", OTHER),
        server.serve("/loop.zip", DATA, *[loop] * 99),
        server.serve("/stuck.zip", DATA, *[Fault(stall=100)] * 14, validator="none"),
        f"{away}/away.zip",
    ]


def test_no_message_holds_what_the_environment_or_a_query_holds(
    run: Run,
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(web, "TIMEOUT", 0.1)
    for number, address in enumerate(trouble(server)):
        secret = address.replace("http://", "http://name:hidden@") + "?token=hidden"
        for location, shown in (("$ADDRESS", "$ADDRESS"), (secret, address)):
            own = Run(tmp_path / f"{number} {location[0]}")
            message = own.refusal(location, environment={"ADDRESS": secret})
            assert message.startswith(f"{shown}: ")
            assert "hidden" not in message + caplog.text
            assert ("127.0.0.1" in message) == ("127.0.0.1" in shown)
            assert "stuck" not in address or "given up" in message


def test_an_address_from_the_environment_needs_a_digest(tmp_path: Path) -> None:
    settings = Dataset("demo", "archive", "$ADDRESS", None, None, None)
    message = refused(fetch, settings, tmp_path / "raw", {"ADDRESS": "http://127.0.0.1/a.zip"}, ignore)
    assert message.startswith("$ADDRESS: an archive from the network needs its sha256; set dataset.sha256")
