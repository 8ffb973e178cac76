"""Archives and folders for tests, and what refuses them."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from erkt.errors import ErktError

Files = Mapping[str, bytes]


def zip_of(files: Files, method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tar_of(files: Files, mode: str = "w:") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def unpack(root: Path, files: Files) -> Path:
    """Write ``files`` below the folder ``root``; return it."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write(root / name, data)
    return root


def ignore(done: int, total: int | None) -> None:
    """Do nothing with progress."""


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    """Return the one line with which ``call`` raises ErktError."""
    with pytest.raises(ErktError) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)
