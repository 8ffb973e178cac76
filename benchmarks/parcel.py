"""A file in parts that are small enough to travel, and whole again, with a digest for each part and for all.

    python -m benchmarks.parcel split FILE FOLDER [--megabytes 48]
    python -m benchmarks.parcel join FOLDER [FOLDER ...] --into FOLDER

``split`` writes ``FILE.000`` and so on beside ``FILE.parcel.json``. ``join`` makes every file whole again of
which it finds a ``.parcel.json``; parts may lie in several folders, since they may have come one by one.
"""

import argparse
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.files.json_file import read_sealed, write_sealed
from erkt.files.replace import replace_whole

LARGEST = 64
"""Megabytes (10^6 bytes) of a part at most."""
_SUFFIX, _BLOCK = ".parcel.json", 2**20


def split(path: Path, folder: Path, megabytes: int) -> list[Path]:
    """Write the parts of ``path``, of at most ``megabytes`` each, and their list to ``folder``; return all.

    Raises ErktError for a size out of range, and a file that is missing or empty.
    """
    if not 1 <= megabytes <= LARGEST:
        raise ErktError(f"--megabytes {megabytes}: from 1 to {LARGEST}")
    if not path.is_file() or not path.stat().st_size:
        raise ErktError(f"{path}: no such file, or an empty one")
    size, total, parts = megabytes * 10**6, path.stat().st_size, []
    with path.open("rb") as file:
        for number in range(math.ceil(total / size)):
            part = folder / f"{path.name}.{number:03}"
            with replace_whole(part) as temporary, temporary.open("wb") as target:
                for start in range(0, size, _BLOCK):
                    target.write(file.read(min(_BLOCK, size - start)))
            parts.append(part)
    listed = [{"name": part.name, "sha256": sha256_file(part)} for part in parts]
    about = folder / f"{path.name}{_SUFFIX}"
    write_sealed(about, {"name": path.name, "bytes": total, "sha256": sha256_file(path), "parts": listed})
    return [*parts, about]


def join(folders: Sequence[Path], into: Path) -> list[Path]:
    """Make every file whole that ``folders`` list, in ``into``; return their paths.

    Raises ErktError naming the parts that are missing, one that is damaged, or a list that is.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ErktError(f"{folder}: no such folder")
    lists = {path.name: path for folder in folders for path in sorted(folder.glob(f"*{_SUFFIX}"))}
    if not lists:
        raise ErktError(f"{', '.join(map(str, folders))}: no *{_SUFFIX} there")
    return [_join(read_sealed(about), folders, into) for about in lists.values()]


def _join(about: dict[str, Any], folders: Sequence[Path], into: Path) -> Path:
    name = about["name"]
    if Path(name).name != name:
        raise ErktError(f"{name}: a name with a folder in it")
    listed = {part["name"]: part["sha256"] for part in about["parts"]}
    found = {path.name: path for folder in folders for path in folder.iterdir() if path.name in listed}
    missing = [part for part in listed if part not in found]
    if missing:
        raise ErktError(f"{name}: these parts are missing: {', '.join(missing)}")
    whole = into / name
    with replace_whole(whole) as temporary:
        with temporary.open("wb") as target:
            for part, digest in listed.items():
                if sha256_file(found[part]) != digest:
                    raise ErktError(f"{found[part]}: damaged: its sha256 is not that of the list")
                with found[part].open("rb") as source:
                    shutil.copyfileobj(source, target)
        if sha256_file(temporary) != about["sha256"]:
            raise ErktError(f"{name}: the parts do not make the file that was split")
    return whole


def main() -> None:
    """Split or join."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("split")
    one.add_argument("file", type=Path)
    one.add_argument("folder", type=Path)
    one.add_argument("--megabytes", type=int, default=48)
    other = commands.add_parser("join")
    other.add_argument("folders", type=Path, nargs="+")
    other.add_argument("--into", type=Path, required=True)
    options = parser.parse_args()
    try:
        if options.command == "split":
            made = split(options.file, options.folder, options.megabytes)
        else:
            made = join(options.folders, options.into)
    except ErktError as error:
        sys.exit(f"error: {error}")
    print("\n".join(map(str, made)))


if __name__ == "__main__":
    main()
