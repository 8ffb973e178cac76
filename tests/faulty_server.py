"""A web server on the loopback that is honest until it is told otherwise, one request after the other.

It speaks what a plain web server speaks (ETag, Range, If-Range) and what the Hugging Face hub adds to it.
Each file has a list of faults: a request takes the first and leaves the rest; without one all is well.
"""

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer; ``method`` says to which kind of request, "" to any.

    ``cut`` and ``stall`` end the body, and hold it, after so many of its bytes; ``lie`` is added to the
    declared length; ``chunked`` declares none and sends pieces, ``unsized`` declares none and ends. Of a
    Range, ``most`` is the bytes it gives at once, ``blind`` overlooks it, and ``deaf`` overlooks If-Range;
    ``becomes`` are the file's bytes from this answer on.
    """

    status: int = 200
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: int | None = None
    lie: int = 0
    chunked: bool = False
    unsized: bool = False
    most: int | None = None
    blind: bool = False
    deaf: bool = False
    becomes: bytes | None = None


@dataclass
class Served:
    """One file: its bytes, what is sent with it, and what goes wrong, in order."""

    data: bytes
    headers: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    validator: str = "etag"  # etag | date | none

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()}"'


class Server(http.server.ThreadingHTTPServer):
    """The server; ``files`` by path, ``requests`` as (method, path, headers) in order of arrival."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def serve(self, path: str, data: bytes, *faults: Fault, **more: Any) -> str:
        """Put a file at ``path``; return its address."""
        self.files[path] = Served(data, faults=list(faults), **more)
        return self.address + path

    def serve_hub(self, repository: str, revision: str, name: str, data: bytes, *faults: Fault) -> Served:
        """Put a file where the hub has that file of a dataset."""
        headers = {"X-Repo-Commit": revision}
        self.serve(f"/datasets/{repository}/resolve/{revision}/{name}", data, *faults, headers=headers)
        return self.files[f"/datasets/{repository}/resolve/{revision}/{name}"]

    def ranges(self) -> list[str | None]:
        """Return the Range of each GET so far."""
        return [headers.get("Range") for method, _, headers in self.requests if method == "GET"]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone."""


@contextmanager
def faulty_server() -> Iterator[Server]:
    """Run a server for the length of the block."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        self.close_connection = True
        served = self.server.files.get(path)
        if served is None:
            self.send_error(404)
            return
        fault = Fault()
        if served.faults and served.faults[0].method in ("", self.command):
            fault = served.faults.pop(0)
        if fault.becomes is not None:
            served.data = fault.becomes
        if fault.status != 200:
            self.send_response(fault.status)
            for name, value in {**fault.headers, "Content-Length": "0", "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            return
        self.send_file(served, fault)

    def send_file(self, served: Served, fault: Fault) -> None:
        start = self.first_byte(served, fault)
        if start >= len(served.data) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(served.data)}")
            self.send_header("Connection", "close")
            self.end_headers()
            return
        body = served.data[start:] if fault.most is None else served.data[start : start + fault.most]
        self.send_response(206 if start else 200)
        if start:
            end = start + len(body) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(served.data)}")
        if served.validator == "etag":
            self.send_header("ETag", served.etag)
        elif served.validator == "date":
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        for name, value in (served.headers | dict(fault.headers)).items():
            self.send_header(name, value)
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not fault.unsized:
            self.send_header("Content-Length", str(len(body) + fault.lie))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(body, fault)

    def send_body(self, body: bytes, fault: Fault) -> None:
        ends = [number for number in (fault.cut, fault.stall) if number is not None]
        piece = body[: min(ends, default=len(body))]
        self.wfile.write(b"%x\r\n" % len(body) + piece if fault.chunked else piece)
        self.wfile.flush()
        if fault.stall is not None:
            self.server.released.wait(60)
        if fault.chunked and not ends:
            self.wfile.write(b"\r\n0\r\n\r\n")

    def first_byte(self, served: Served, fault: Fault) -> int:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted is None or fault.blind:
            return 0
        condition = self.headers.get("If-Range")
        known = {"etag": served.etag, "date": "Wed, 21 Oct 2015 07:28:00 GMT"}.get(served.validator)
        return int(wanted[1]) if condition in (None, known) or fault.deaf else 0

    def log_message(self, *_: object) -> None:
        pass
