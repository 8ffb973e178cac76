"""Digests of files, as types of their own: a sha256 cannot silently stand where an md5 belongs."""

import hashlib
from pathlib import Path
from typing import NewType

from erkt.errors import ErktError

Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits: how this project names what it reads."""

Md5 = NewType("Md5", str)
"""32 lower-case hexadecimal digits, with ``.dir`` behind them for a folder: how DVC names what it keeps."""


def sha256_file(path: Path) -> Sha256:
    """Return the sha256 of a file as 64 lower-case hexadecimal digits; ErktError if it is not readable."""
    try:
        with path.open("rb") as file:
            return Sha256(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise ErktError(f"{path}: not readable: {error.strerror}") from error


def md5_file(path: Path) -> Md5:
    """Return the md5 of a file, DVC's name for its content."""
    with path.open("rb") as file:
        return Md5(hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest())
