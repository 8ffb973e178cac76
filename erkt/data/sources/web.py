"""A file from a web server, whole and with the right digest, through whatever happens on the way.

urllib3 asks again while a server is away or busy, and waits as the server says. What it cannot do is here:
what has come is kept in a folder under the digest's name, and the next try, or the next process, asks for
the rest. It asks with ``If-Range``: a server whose file has changed answers with all of it, and so two
versions are not put together (RFC 9110, 13.1.5). Where a server does that wrong, the digest tells, and the
file is asked for once more from its start.
"""

import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import requests
import urllib3
from filelock import FileLock, Timeout
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError, ReadTimeoutError

from erkt.data.sources.packing import CHUNK_BYTES, OnBytes
from erkt.errors import ErktError
from erkt.files.digests import Sha256, sha256_file
from erkt.files.json_file import read_json, write_json

TIMEOUT = 60.0  # seconds without a byte; a whole download may take as long as it takes
RETRIES = urllib3.Retry(
    5,
    other=0,  # what is neither connection nor answer, such as a certificate, does not mend itself
    status_forcelist={408, 429, 500, 502, 503, 504},  # a server that is busy or restarts
    backoff_factor=1,
    raise_on_status=False,
    retry_after_max=120,
)
"""A server is asked again at once, then after 2, 4, 8 and 16 s, or when it says; anew after each 1 MiB."""


class _Half:
    """What has come of a file, and beside it what the server named that version of the file."""

    def __init__(self, path: Path) -> None:
        self.path, self._record = path, path.with_suffix(".json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def version(self) -> str | None:
        """Return what stands for the version in ``If-Range``; None if nothing can be resumed."""
        try:
            return read_json(self._record).get("version") if self.size else None
        except ErktError:
            return None

    def begin(self, version: str | None) -> None:
        """Forget what is there and note the version that now begins to come."""
        self.discard()
        write_json(self._record, {"version": version})

    def discard(self) -> None:
        """Delete the bytes first: a record alone claims nothing."""
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)


def download(
    address: str, shown: str, sha256: Sha256, target: Path, scratch: Path, on_bytes: OnBytes
) -> None:
    """Make ``target`` what ``address`` sends, which has the digest ``sha256``.

    ``scratch`` is the folder for what has come so far. Messages say ``shown``: an address may hold a secret.

    Raises ErktError if the server refuses, is away or cuts the connection for longer than ``RETRIES``, sends
    other bytes (these are deleted, half a file is kept), or if another process is at it.
    """
    half = _Half(scratch / f"{sha256}.part")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings of retries name the address
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with FileLock(half.path.with_suffix(".lock"), timeout=0), requests.Session() as session:
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=RETRIES))
            session.mount("https://", requests.adapters.HTTPAdapter(max_retries=RETRIES))
            # Bytes as they are sent: a .tar.gz that a server calls gzip-encoded text is still that file.
            session.headers.update({"User-Agent": "erkt", "Accept-Encoding": "identity"})
            trouble = _complete(session, address, sha256, half, on_bytes)
            if trouble is None:
                shutil.move(half.path, target)
                half.discard()
    except Timeout:
        trouble = "another process is downloading it; wait for its end, then try again"
    except (requests.RequestException, LocationValueError) as error:
        trouble = _reason(error)
    except OSError as error:
        raise ErktError(f"{half.path}: not written: {error}") from error
    if trouble is not None:
        raise ErktError(f"{shown}: {trouble}")


def _complete(
    session: requests.Session, address: str, sha256: Sha256, half: _Half, on_bytes: OnBytes
) -> str | None:
    """Ask until ``half`` is the file; return why it is not to be had, or None."""
    retries, most = RETRIES, half.size
    while True:
        version = half.version()
        asked = {"Range": f"bytes={half.size}-", "If-Range": version} if version else {}
        with session.get(address, headers=asked, stream=True, timeout=TIMEOUT) as response:
            if response.status_code not in (200, *((206, 416) if asked else ())):
                return _refusal(response)
            trouble = _receive(response, half, version, on_bytes)
        if trouble is None:
            found = sha256_file(half.path)
            if found == sha256:
                return None
            half.discard()
            trouble = f"not the pinned archive: sha256 {found}, expected {sha256}"
            if not asked:
                return trouble
        elif half.size >= most + CHUNK_BYTES:
            retries, most = RETRIES, half.size
        try:
            retries = retries.increment()
        except MaxRetryError:
            return f"{trouble}; given up, try again later"
        retries.sleep()


def _receive(response: requests.Response, half: _Half, version: str | None, on_bytes: OnBytes) -> str | None:
    """Bring ``half`` to the file's end; return what stopped it on the way, or None."""
    said = response.headers
    length = said.get("Content-Length", "")
    if response.status_code == 416:
        return None  # there is no more of it, or the digest tells
    if response.status_code == 206:
        rest = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", said.get("Content-Range", ""))
        # A server that overlooks If-Range still says which version it sends.
        if rest is None or int(rest[1]) != half.size or _version(said) not in (None, version):
            half.discard()
            return "the server answered with another part than asked for"
        length = rest[2]
    else:
        half.begin(_version(said))
    total = int(length) if length.isdecimal() else None
    done, whole = half.size, False
    try:
        with half.path.open("ab") as file:
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                file.write(chunk)
                done += len(chunk)
                on_bytes(done, total)
        whole = total is None or done >= total
    except ReadTimeoutError:
        return f"no byte for {TIMEOUT:g} s, after {done} bytes"
    except HTTPError:
        pass  # cut, as where the last byte came too early
    return None if whole else f"the connection was cut after {done}{f' of {total}' if total else ''} bytes"


def _version(headers: Mapping[str, str]) -> str | None:
    """Return what names this version of the file in ``If-Range``: a strong ETag, else the date of change."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")


def _refusal(response: requests.Response) -> str:
    text = f"the server answered {response.status_code} {response.reason or ''}".rstrip()
    if response.status_code in (401, 403):
        return f"{text}; the address asks for a login"
    if wait := response.headers.get("Retry-After"):
        return f"{text} and asks to wait ({wait}); try again then"
    return f"{text}; try again later" if response.status_code in RETRIES.status_forcelist else text


def _reason(error: Exception) -> str:
    """Return what to say instead of the libraries' own text, which holds the address, secrets included."""
    if isinstance(error, requests.exceptions.SSLError):
        name_it = "if your network has its own, name it in REQUESTS_CA_BUNDLE"
        return f"the server's certificate is not trusted; {name_it}"
    if isinstance(error, requests.ConnectionError):
        proxy = " through the proxy" if isinstance(error, requests.exceptions.ProxyError) else ""
        return f"no connection{proxy} or no answer; given up, try again later"
    return f"not an address that leads to a file ({type(error).__name__})"
