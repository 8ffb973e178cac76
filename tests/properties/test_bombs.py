"""Headers that claim far more than a file holds: refused before anything of that size is allocated."""

import json
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from closure import ROOT
from damage import array_saying, header_of, with_text
from deploy.made_model import card as made_card
from deploy.made_model import write_onnx
from readers import READERS

HUGE = 300_000
MEGABYTES = 400
"""What reading one of them may take beside what is loaded: a scene of 10,000 pixels a side takes 300."""

READ = f"""
import resource, sys
from pathlib import Path
from readers import READERS
from erkt.errors import ErktError
for line in sys.stdin.read().splitlines():
    name, path = line.split(" ", 1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + {MEGABYTES} * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    try:
        READERS[name.replace("_", " ")].read(Path(path))
        said = "took it"
    except ErktError as error:
        said = f"refused: {{error}}"
    except BaseException as error:
        said = f"{{type(error).__name__}}: {{error}}"
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(name, said.splitlines()[0])
"""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(valid: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", HUGE, HUGE, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


def patched(place: Callable[[bytes], int], value: bytes) -> Callable[[bytes], bytes]:
    """Return what puts ``value`` where ``place`` finds a size."""

    def change(valid: bytes) -> bytes:
        start = place(valid)
        return valid[:start] + value + valid[start + len(value) :]

    return change


def tiff(valid: bytes) -> bytes:
    """Return the file with other numbers of columns and rows, whose entries are tag, kind, count, value."""
    for tag in (256, 257):
        for kind, count in ((3, 1), (4, 1)):
            entry = struct.pack("<HHI", tag, kind, count)
            if entry in valid:
                place = valid.index(entry)
                new = struct.pack("<HHII", tag, 4, 1, HUGE)
                valid = valid[:place] + new + valid[place + len(new) :]
    return valid


def wide_network(valid: bytes) -> bytes:
    card = json.loads(header_of(valid)["__metadata__"]["card"])
    options = {"embed_dim": 3 * 2**14, "img_size": 16}
    return with_text(valid, "card", json.dumps(card | {"arch": "test_vit", "options": options}))


def with_side(side: int) -> bytes:
    """Return a model whose card says that its images have this side."""
    with tempfile.TemporaryDirectory() as folder:
        return write_onnx(Path(folder, "model.onnx"), made_card(side)).read_bytes()


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "PNG": png,
    "GIF": patched(lambda valid: 6, struct.pack("<HH", 65_535, 65_535)),
    "JPEG": patched(lambda valid: valid.index(b"\xff\xc0") + 5, struct.pack(">HH", 65_535, 65_535)),
    "TIFF": tiff,
    "rasterio": tiff,
    "prepared array": lambda valid: array_saying(
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 3, 64, 64)}"
    ),
    "cached logits": lambda valid: array_saying(
        "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 1000000000, 3)}"
    ),
    "network": wide_network,
    "logits": lambda valid: struct.pack("<Q", 2**34) + valid[8:],
    "ONNX": lambda valid: with_side(10**9),
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
def test_what_claims_to_be_huge_is_refused_before_it_is_allocated(tmp_path: Path) -> None:
    lines = []
    for name, bomb in BOMBS.items():
        folder = tmp_path / name.replace(" ", "_")
        folder.mkdir()
        path = READERS[name].make(folder)
        whole = path.read_bytes()
        path.write_bytes(bomb(whole))
        assert path.read_bytes() != whole, name
        READERS[name].seal(path)
        lines.append(f"{folder.name} {path}")
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT / "tests/properties",
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert "1000000000 is out of range" in told["ONNX"]
    assert list(told) == [line.split()[0] for line in lines], done.stderr
    assert {name: said for name, said in told.items() if not said.startswith("refused: ")} == {}
