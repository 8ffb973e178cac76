"""A file from a web server, whole and with the right digest, through whatever happens on the way.

What has come is kept in a folder under the digest's name, and the next try, or the next process, asks for
the rest. It asks with ``If-Range``: a server whose file has changed answers with all of it, and so two
versions are not put together (RFC 9110, 13.1.5). Where a server does that wrong, the digest tells, and the
file is asked for once more from its start.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
import urllib3
from filelock import FileLock, Timeout

from erkt.data.sources.packing import CHUNK_BYTES, OnBytes, mismatch
from erkt.errors import ErktError
from erkt.files.json_file import read_json, write_json

_PASSING = {408, 429, 500, 502, 503, 504}  # a server that is busy or restarts


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    ``timeout`` is seconds without a byte; a whole download may take as long as it takes. ``tries`` count
    from the last one that brought 1 MiB; between them are 1, 2, 4, ... seconds, or what the server asks for,
    up to ``longest_wait``. ``sleep`` and ``now`` (seconds since 1970) are replaced in tests.
    """

    timeout: float = 60.0
    tries: int = 6
    longest_wait: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time


PATIENCE = Patience()


class _PassingError(Exception):
    """What another try may mend; ``wait`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def download(
    address: str,
    shown: str,
    digests: Mapping[str, str],
    target: Path,
    scratch: Path,
    on_bytes: OnBytes,
    patience: Patience,
) -> None:
    """Make ``target`` what ``address`` sends, with ``digests`` (at least one, by algorithm).

    ``scratch`` is the folder for what has come so far. Messages say ``shown``: an address may hold a secret.

    Raises ErktError if the server refuses, is away or cuts the connection for longer than ``patience``, sends
    other bytes (these are deleted, half a file is kept), or if another process is at it.
    """
    partial = _Partial(scratch / f"{next(iter(digests.values()))}.part")
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with FileLock(partial.path.with_suffix(".lock"), timeout=0):
            _complete(address, shown, digests, partial, on_bytes, patience)
            shutil.move(partial.path, target)
            partial.discard()
    except Timeout:
        waiting = "another process is downloading it; wait for its end, then try again"
        raise ErktError(f"{shown}: {waiting}") from None
    except OSError as error:
        raise ErktError(f"{partial.path}: not written: {error}") from error


def _complete(
    address: str,
    shown: str,
    digests: Mapping[str, str],
    partial: "_Partial",
    on_bytes: OnBytes,
    patience: Patience,
) -> None:
    tries, most = 0, partial.size
    while True:
        try:
            resumed = _receive(address, shown, partial, on_bytes, patience)
        except _PassingError as failure:
            if partial.size >= most + CHUNK_BYTES:
                tries, most = 0, partial.size
            tries += 1
            if tries >= patience.tries:
                raise ErktError(
                    f"{shown}: {failure}; gave up after {tries} tries, try again later"
                ) from failure
            patience.sleep(2.0 ** (tries - 1) if failure.wait is None else failure.wait)
            continue
        wrong = mismatch(partial.path, digests)
        if wrong is None:
            return
        partial.discard()
        tries += 1
        if not resumed or tries >= patience.tries:
            raise ErktError(f"{shown}: {wrong}")


class _Partial:
    """What has come of a file, and beside it what the server said of the file when it began to come."""

    def __init__(self, path: Path) -> None:
        self.path, self.record = path, path.with_suffix(".json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def said(self) -> dict[str, Any]:
        """Return ``validator`` and ``total``, both None if nothing can be resumed."""
        try:
            return read_json(self.record) if self.size else {"validator": None, "total": None}
        except ErktError:
            return {"validator": None, "total": None}

    def begin(self, validator: str | None, total: int | None) -> None:
        """Forget what is there and note what the server says of the file that now begins to come."""
        self.discard()
        write_json(self.record, {"validator": validator, "total": total})

    def discard(self) -> None:
        """Delete the bytes first: a record alone claims nothing."""
        self.path.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)


def _receive(address: str, shown: str, partial: _Partial, on_bytes: OnBytes, patience: Patience) -> bool:
    """Bring ``partial`` to the file's end; return whether it was begun by an earlier answer.

    Raises _PassingError where another try may help, ErktError where it will not.
    """
    said = partial.said()
    headers = {"User-Agent": "erkt", "Accept-Encoding": "identity"}
    if said["validator"]:
        if partial.size == said["total"]:
            return True
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": said["validator"]}
    try:
        with requests.get(address, headers=headers, stream=True, timeout=patience.timeout) as response:
            _check_status(response, shown, partial, patience)
            resumed = _goes_on(response, partial, said)
            total = said["total"] if resumed else _length(response)
            if not resumed:
                partial.begin(_validator(response), total)
            _append(response.raw, partial, total, on_bytes)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _translated(error, shown, partial, patience) from error
    if total is not None and partial.size < total:
        raise _PassingError(f"the connection was cut after {partial.size} of {total} bytes")
    return resumed


def _append(
    stream: urllib3.BaseHTTPResponse, partial: _Partial, total: int | None, on_bytes: OnBytes
) -> None:
    done = partial.size
    with partial.path.open("ab") as file:
        # As it is sent, not decoded: a .tar.gz that a server calls gzip-encoded text is still that file.
        while chunk := stream.read1(CHUNK_BYTES, decode_content=False):
            file.write(chunk)
            done += len(chunk)
            on_bytes(done, total)


def _check_status(response: requests.Response, shown: str, partial: _Partial, patience: Patience) -> None:
    code = response.status_code
    if code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and partial.size:
        partial.discard()
        raise _PassingError("the server has no more of this file than came before", wait=0.0)
    text = f"the server answered {code} {response.reason or ''}".rstrip()
    if code not in _PASSING:
        advice = "; the address asks for a login" if code in (401, 403) else ""
        raise ErktError(f"{shown}: {text}{advice}")
    wait = _retry_after(response.headers.get("Retry-After", ""), patience.now())
    if wait is not None and wait > patience.longest_wait:
        raise ErktError(f"{shown}: {text} and asks to wait {wait:.0f} s; try again then")
    raise _PassingError(text, wait)


def _goes_on(response: requests.Response, partial: _Partial, said: Mapping[str, Any]) -> bool:
    """Return whether the answer is the rest of what ``partial`` begins with; False if it is all of a file."""
    if response.status_code == HTTPStatus.OK:
        return False
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    begins = found is not None and int(found[1]) == partial.size
    as_long = found is not None and (said["total"] is None or found[2] in ("*", str(said["total"])))
    # A server that overlooks If-Range still says which version it sends.
    version = response.headers.get("ETag" if said["validator"].startswith('"') else "Last-Modified")
    if not (begins and as_long and version in (None, said["validator"])):
        partial.discard()
        raise _PassingError("the server answered with another part than asked for", wait=0.0)
    return True


def _validator(response: requests.Response) -> str | None:
    """Return what names this version of the file in ``If-Range``: a strong ETag, else the date of change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _retry_after(value: str, now: float) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, given as such or as a date; None if it asks nothing."""
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def _translated(
    error: Exception, shown: str, partial: _Partial, patience: Patience
) -> ErktError | _PassingError:
    """Return what to raise instead; the libraries' own texts hold the address, secrets included."""
    unusable = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
    if isinstance(error, (*unusable, requests.TooManyRedirects, urllib3.exceptions.LocationValueError)):
        return ErktError(f"{shown}: not an address that leads to a file ({type(error).__name__})")
    if isinstance(error, requests.exceptions.SSLError):
        return ErktError(
            f"{shown}: the server's certificate is not trusted; if your network has its own, name it in "
            "REQUESTS_CA_BUNDLE"
        )
    if isinstance(error, (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError)):
        return _PassingError(f"no byte for {patience.timeout:g} s, after {partial.size} bytes")
    if isinstance(error, requests.ConnectionError):
        proxy = " through the proxy" if isinstance(error, requests.exceptions.ProxyError) else ""
        return _PassingError(f"no connection{proxy}")
    total = partial.said()["total"]
    return _PassingError(
        f"the connection was cut after {partial.size}{'' if total is None else f' of {total}'} bytes"
    )
