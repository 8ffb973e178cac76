import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import Fault, Server, faulty_server

from erkt.data.sources import fetch
from erkt.data.sources.web import Patience
from erkt.errors import ErktError
from erkt.params.dataset import Dataset

ROOT = Path(__file__).parents[2]


def archive_of(size: int, seed: int = 0) -> bytes:
    """Return a zip with ``size`` bytes that do not repeat, so that no two parts of it are alike."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/1.jpg", hashlib.shake_256(bytes([seed])).digest(size))
        archive.writestr("b/2.jpg", b"two")
    return out.getvalue()


DATA = archive_of(300_000)
OTHER = archive_of(300_000, seed=1)
assert len(DATA) == len(OTHER) != archive_of(300_001)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def ignore(done: int, total: int | None) -> None:
    pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with faulty_server() as running:
        yield running


class Run:
    """One download after another into the same folders; waits are noted, not waited for."""

    def __init__(self, folder: Path) -> None:
        self.out, self.scratch = folder / "out" / "raw", folder / "scratch"
        self.waits: list[float] = []
        self.now = 0.0
        self.timeout = 30.0
        self.progress: list[tuple[int, int | None]] = []

    def get(self, address: str, data: bytes = DATA, environment: dict[str, str] | None = None) -> bytes:
        """Fetch ``address`` as what has the digest of ``data``; return it."""
        patience = Patience(self.timeout, 4, 120.0, self.waits.append, lambda: self.now)
        settings = Dataset("demo", "archive", address, sha256(data), None)
        seen = self.progress.append
        facts = fetch(
            settings, self.out, environment or {}, lambda *x: seen(x), self.scratch, patience=patience
        )
        assert facts["sha256"] == sha256(data)
        assert facts["bytes"] == len(data)
        return self.out.read_bytes()

    def refusal(self, address: str, environment: dict[str, str] | None = None) -> str:
        """Return the message with which ``address`` is refused, having checked that nothing is there."""
        with pytest.raises(ErktError) as caught:
            self.get(address, environment=environment)
        assert "\n" not in str(caught.value)
        assert not self.out.parent.exists() or os.listdir(self.out.parent) == []
        return str(caught.value)

    def kept(self) -> list[int]:
        """Return the sizes of what is kept for the next try."""
        return [path.stat().st_size for path in self.scratch.glob("*.part")]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


# ---------------------------------------------------------------- whole at once


@pytest.mark.parametrize("fault", [Fault(), Fault(unsized=True), Fault(chunked=True)])
def test_an_archive_comes_whole_from_an_address(run: Run, server: Server, fault: Fault) -> None:
    assert run.get(server.serve("/a.zip", DATA, fault)) == DATA
    assert run.progress[-1] == (len(DATA), None if fault.unsized or fault.chunked else len(DATA))
    assert run.waits == []
    assert run.kept() == []
    assert list(run.scratch.glob("*.json")) == []


def test_a_redirect_is_followed(run: Run, server: Server) -> None:
    moved = server.serve("/moved.zip", b"", Fault(status=302, headers={"Location": "/a.zip"}))
    server.serve("/a.zip", DATA)
    assert run.get(moved) == DATA


def test_without_a_folder_for_halves_nothing_is_left_beside_the_archive(
    tmp_path: Path, server: Server
) -> None:
    address = server.serve("/a.zip", DATA, Fault(cut=1000))
    settings = Dataset("demo", "archive", address, sha256(DATA), None)
    fetch(settings, tmp_path / "out" / "raw", {}, ignore, patience=Patience(sleep=lambda seconds: None))
    assert os.listdir(tmp_path / "out") == ["raw"]


def test_a_body_that_the_server_calls_compressed_is_taken_as_it_is_sent(run: Run, server: Server) -> None:
    address = server.serve("/a.zip", DATA, headers={"Content-Encoding": "gzip"})
    assert run.get(address) == DATA


# ---------------------------------------------------------------- in pieces


@pytest.mark.parametrize("validator", ["etag", "date"])
def test_a_connection_that_is_cut_goes_on_where_it_was(run: Run, server: Server, validator: str) -> None:
    faults = [Fault(cut=70_000), Fault(cut=50_000)]
    assert run.get(server.serve("/a.zip", DATA, *faults, validator=validator)) == DATA
    assert server.ranges() == [None, "bytes=70000-", "bytes=120000-"]
    assert run.waits == [1.0, 2.0]


def test_a_cut_in_a_body_of_pieces_goes_on_as_well(run: Run, server: Server) -> None:
    assert run.get(server.serve("/a.zip", DATA, Fault(chunked=True, cut=70_000))) == DATA
    assert server.ranges() == [None, "bytes=70000-"]


def test_a_connection_that_stands_still_is_left_and_goes_on(run: Run, server: Server) -> None:
    run.timeout = 1.5
    assert run.get(server.serve("/a.zip", DATA, Fault(stall=70_000))) == DATA
    assert server.ranges()[:2] == [None, "bytes=70000-"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(run: Run, server: Server) -> None:
    assert run.get(server.serve("/a.zip", DATA, Fault(cut=70_000), Fault(blind=True))) == DATA
    assert server.ranges() == [None, "bytes=70000-"]


def test_a_server_that_gives_less_than_asked_for_is_asked_for_more(run: Run, server: Server) -> None:
    assert run.get(server.serve("/a.zip", DATA, Fault(cut=70_000), Fault(most=50_000))) == DATA
    assert server.ranges() == [None, "bytes=70000-", "bytes=120000-"]


def test_without_a_name_for_the_version_nothing_is_put_together(run: Run, server: Server) -> None:
    assert run.get(server.serve("/a.zip", DATA, Fault(cut=70_000), validator="none")) == DATA
    assert server.ranges() == [None, None]


def test_a_weak_name_of_the_version_is_none(run: Run, server: Server) -> None:
    address = server.serve("/a.zip", DATA, Fault(cut=70_000), validator="none", headers={"ETag": 'W/"1"'})
    assert run.get(address) == DATA
    assert server.ranges() == [None, None]


def test_the_next_call_goes_on_where_one_gave_up(run: Run, server: Server) -> None:
    address = server.serve("/a.zip", DATA, *[Fault(cut=10_000)] * 4)
    message = run.refusal(address)
    assert message == (
        f"{address}: the connection was cut after 40000 of {len(DATA)} bytes; gave up after 4 tries, "
        "try again later"
    )
    assert run.waits == [1.0, 2.0, 4.0]
    assert run.kept() == [40_000]
    assert run.get(address) == DATA
    assert server.ranges()[-1] == "bytes=40000-"
    assert run.kept() == []


def test_tries_that_bring_much_are_not_counted(run: Run, server: Server) -> None:
    data = archive_of(9 * 2**19)
    assert run.get(server.serve("/a.zip", data, *[Fault(cut=2**20)] * 4), data) == data
    assert run.waits == [1.0] * 4


def test_a_server_that_is_cut_from_the_start_again_and_again_is_given_up(run: Run, server: Server) -> None:
    data = archive_of(9 * 2**19)
    address = server.serve("/a.zip", data, *[Fault(cut=2**21, blind=True)] * 50)
    assert "gave up after 4 tries" in run.refusal(address)
    assert len(server.requests) == 4


def test_a_process_that_is_killed_leaves_half_a_file_for_the_next(run: Run, server: Server) -> None:
    """The kernel ends a real process in the midst of its download; another goes on, and the file is whole."""
    address = server.serve("/a.zip", DATA, Fault(stall=70_000))
    script = (
        "import sys; from pathlib import Path; from erkt.data.sources import fetch\n"
        "from erkt.params.dataset import Dataset\n"
        "settings = Dataset('demo', 'archive', sys.argv[1], sys.argv[2], None)\n"
        "fetch(settings, Path(sys.argv[3]), {}, lambda done, total: print(done, flush=True), Path(sys.argv[4]))"
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


def test_a_process_that_is_killed_after_the_last_byte_leaves_nothing_to_ask_for(
    run: Run, server: Server
) -> None:
    address = server.serve("/a.zip", DATA)
    run.scratch.mkdir()
    (run.scratch / f"{sha256(DATA)}.part").write_bytes(DATA)
    record = {"validator": server.files["/a.zip"].etag, "total": len(DATA)}
    (run.scratch / f"{sha256(DATA)}.json").write_text(json.dumps(record))
    assert run.get(address) == DATA
    assert server.requests == []


@pytest.mark.parametrize("record", [None, "", "{", "[]", '{"validator": null, "total": 5}'])
def test_half_a_file_without_a_good_record_is_not_used(run: Run, server: Server, record: str | None) -> None:
    address = server.serve("/a.zip", DATA)
    run.scratch.mkdir()
    (run.scratch / f"{sha256(DATA)}.part").write_bytes(OTHER[:1000])
    if record is not None:
        (run.scratch / f"{sha256(DATA)}.json").write_text(record)
    assert run.get(address) == DATA
    assert server.ranges() == [None]


def test_a_second_process_at_the_same_file_is_told_so(run: Run, server: Server) -> None:
    from filelock import FileLock

    address = server.serve("/a.zip", DATA)
    run.scratch.mkdir()
    with FileLock(run.scratch / f"{sha256(DATA)}.lock"):
        assert "another process is downloading it" in run.refusal(address)
    assert server.requests == []


# ---------------------------------------------------------------- another file than before


def half(run: Run, server: Server, data: bytes, *faults: Fault, **more: str) -> str:
    """Leave the first 70,000 bytes of ``data`` for the next call; return the address."""
    address = server.serve("/a.zip", data, *[Fault(cut=70_000)], *[Fault(status=503)] * 3, *faults, **more)
    assert "503" in run.refusal(address)
    assert run.kept() == [70_000]
    return address


def test_content_that_changed_between_two_halves_starts_over(run: Run, server: Server) -> None:
    address = half(run, server, OTHER, Fault(becomes=DATA))
    assert run.get(address) == DATA
    assert server.ranges()[-1] == "bytes=70000-"


@pytest.mark.parametrize("data", [OTHER, archive_of(400_000)])
def test_a_server_that_overlooks_the_change_starts_over_all_the_same(
    run: Run, server: Server, data: bytes
) -> None:
    address = half(run, server, data, Fault(becomes=DATA, deaf=True))
    assert run.get(address) == DATA
    assert server.ranges()[-2:] == ["bytes=70000-", None]


def test_a_change_that_nothing_tells_is_told_by_the_digest(run: Run, server: Server) -> None:
    """Same length, same date of change: what comes is glued, found wrong, and asked for once more."""
    address = half(run, server, OTHER, Fault(becomes=DATA, deaf=True), validator="date")
    assert run.get(address) == DATA
    assert server.ranges()[-2:] == ["bytes=70000-", None]


def test_a_change_to_a_shorter_file_starts_over(run: Run, server: Server) -> None:
    data = archive_of(10_000)
    address = server.serve(
        "/a.zip", DATA, Fault(cut=70_000), *[Fault(status=503)] * 3, Fault(becomes=data, deaf=True)
    )
    settings = Dataset("demo", "archive", address, sha256(data), None)
    patience = Patience(30.0, 4, 120.0, run.waits.append)
    with pytest.raises(ErktError, match="503"):
        fetch(settings, run.out, {}, ignore, run.scratch, patience=patience)
    assert run.get(address, data) == data
    assert server.ranges()[-2:] == ["bytes=70000-", None]


def test_a_file_that_changes_at_every_request_is_given_up(run: Run, server: Server) -> None:
    versions = [archive_of(300_000, seed) for seed in range(2, 40)]
    faults = [Fault(becomes=data, deaf=True, cut=70_000) for data in versions]
    address = server.serve("/a.zip", OTHER, *faults, validator="date")
    message = run.refusal(address)
    assert "not the pinned archive" in message or "gave up after 4 tries" in message
    assert len(server.requests) < 20


def test_another_archive_at_the_address_is_refused_and_not_kept(run: Run, server: Server) -> None:
    message = run.refusal(server.serve("/a.zip", OTHER))
    assert message.endswith(f"not the pinned archive: sha256 {sha256(OTHER)}, expected {sha256(DATA)}")
    assert run.kept() == []
    assert len(server.requests) == 1


# ---------------------------------------------------------------- lies about the length


def test_a_length_that_is_too_long_ends_in_one_line(run: Run, server: Server) -> None:
    address = server.serve("/a.zip", DATA, *[Fault(lie=1000)] * 50)
    message = run.refusal(address)
    assert message.startswith(f"{address}: ")
    assert len(server.requests) <= 8


def test_a_length_that_is_once_too_long_does_no_harm(run: Run, server: Server) -> None:
    assert run.get(server.serve("/a.zip", DATA, Fault(lie=1000))) == DATA


def test_a_length_that_is_too_short_gives_no_archive(run: Run, server: Server) -> None:
    assert "not the pinned archive" in run.refusal(server.serve("/a.zip", DATA, Fault(lie=-1000)))
    assert run.kept() == []


# ---------------------------------------------------------------- answers that are no file


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_refusal_is_final(run: Run, server: Server, status: int) -> None:
    address = server.serve("/a.zip", DATA, Fault(status=status))
    assert run.refusal(address).startswith(f"{address}: the server answered {status} ")
    assert len(server.requests) == 1
    assert run.waits == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again_a_few_times(run: Run, server: Server, status: int) -> None:
    assert run.get(server.serve("/a.zip", DATA, *[Fault(status=status)] * 3)) == DATA
    assert run.waits == [1.0, 2.0, 4.0]


def test_a_server_that_stays_in_trouble_is_given_up(run: Run, server: Server) -> None:
    message = run.refusal(server.serve("/a.zip", DATA, *[Fault(status=500)] * 9))
    assert "the server answered 500 Internal Server Error; gave up after 4 tries" in message
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("17", [17.0]),
        ("Wed, 21 Oct 2015 07:28:30 GMT", [30.0]),
        ("Tue, 20 Oct 2015 07:28:30 GMT", [0.0]),
        ("soon", [1.0]),
    ],
)
def test_what_the_server_asks_to_wait_is_waited(
    run: Run, server: Server, header: str, waits: list[float]
) -> None:
    run.now = 1445412480.0  # Wed, 21 Oct 2015 07:28:00 GMT
    assert run.get(server.serve("/a.zip", DATA, Fault(status=429, headers={"Retry-After": header}))) == DATA
    assert run.waits == waits


def test_a_server_that_asks_for_too_long_a_wait_is_left(run: Run, server: Server) -> None:
    fault = Fault(status=503, headers={"Retry-After": "3600"})
    message = run.refusal(server.serve("/a.zip", DATA, fault))
    assert message.endswith("503 Service Unavailable and asks to wait 3600 s; try again then")
    assert (len(server.requests), run.waits) == (1, [])


def test_a_server_that_is_not_there_is_one_line(run: Run) -> None:
    with faulty_server() as gone:
        address = gone.address
    message = run.refusal(f"{address}/a.zip")
    assert message == f"{address}/a.zip: no connection; gave up after 4 tries, try again later"


def test_a_server_that_says_nothing_is_one_line(run: Run, server: Server) -> None:
    run.timeout = 0.4
    address = server.serve("/a.zip", DATA, *[Fault(stall=70_000)] * 4, validator="none")
    assert "no byte for 0.4 s, after 70000 bytes; gave up after 4 tries" in run.refusal(address)


@pytest.mark.parametrize(
    "location",
    [
        "ftp://example.org/a.zip",
        "file:///etc/passwd",
        "http://[broken/a.zip",
        "http://",
        "http://exa mple/a.zip",
    ],
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
        server.serve("/cut.zip", DATA, *[Fault(cut=100)] * 9, validator="none"),
        server.serve("/other.zip", OTHER),
        server.serve("/loop.zip", DATA, *[loop] * 99),
        server.serve("/stuck.zip", DATA, *[Fault(stall=100)] * 9, validator="none"),
        f"{away}/away.zip",
    ]


def test_no_message_holds_what_the_environment_or_a_query_holds(tmp_path: Path, server: Server) -> None:
    for number, address in enumerate(trouble(server)):
        secret = address.replace("http://", "http://name:hidden@") + "?token=hidden"
        for location, shown in (("$ADDRESS", "$ADDRESS"), (secret, address)):
            run = Run(tmp_path / f"{number} {location[0]}")
            run.timeout = 0.2
            message = run.refusal(location, {"ADDRESS": secret})
            assert message.startswith(f"{shown}: ")
            assert "hidden" not in message
            assert ("127.0.0.1" in message) == ("127.0.0.1" in shown)


def test_an_address_from_the_environment_needs_a_digest(tmp_path: Path) -> None:
    settings = Dataset("demo", "archive", "$ADDRESS", None, None)
    with pytest.raises(ErktError, match=r"^\$ADDRESS: .* set dataset.sha256$"):
        fetch(settings, tmp_path / "raw", {"ADDRESS": "http://127.0.0.1/a.zip"}, ignore)
