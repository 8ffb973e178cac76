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
    """Return the sha256 of a file; ErktError if it is not readable."""
    return Sha256(_digest(path, "sha256"))


def md5_file(path: Path) -> Md5:
    """Return the md5 of a file, DVC's name for its content; ErktError if it is not readable."""
    return Md5(_digest(path, "md5"))


def _digest(path: Path, algorithm: str) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    except OSError as error:
        raise ErktError(f"{path}: not readable: {error.strerror}") from error
    return digest.hexdigest()
