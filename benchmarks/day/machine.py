"""What a machine has: looked at before anything is measured, and written down beside everything that is."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.files.json_file import write_json
from erkt.params.network import Network
from erkt.params.schema import build

NEEDED = (
    *("numpy", "PIL", "pyarrow", "safetensors", "scipy", "sklearn", "threadpoolctl"),
    *("timm", "torch", "torchvision", "tqdm", "yaml"),
)
"""Packages without which nothing runs."""
WISHED = {"pytest": "rows of the benchmarks", "kornia": "row beside kornia"}
"""Packages, and what is left out without them. Neither DVC nor MLflow is used."""


def look(path: Path, device: str, seen: Sequence[tuple[Mapping[str, Any], int]]) -> None:
    """Write to ``path`` what the machine has; for a process of its own, which may use the GPU.

    ``seen`` are networks of params and the sides of their images. Raises ErktError for a package or a GPU
    that is missing, and for a network that this machine's timm does not make.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ErktError(f"packages are missing: {', '.join(missing)}")
    import torch

    from erkt.networks.creation import check

    if device == "cuda" and not torch.cuda.is_available():
        raise ErktError("torch sees no GPU here; --device cpu rehearses without one")
    for network, side in seen:
        check(build(Network, network, "network"), side)
    found: dict[str, Any] = {"device": platform.machine(), "driver": None, "gpu_memory_gb": None}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        torch.ones(8, device="cuda").sum().item()  # a driver that does not fit is found here, not later
        found |= {"device": torch.cuda.get_device_name(0), "driver": _driver()}
        found |= {"gpu_memory_gb": round(properties.total_memory / 1e9, 1)}
        found |= {"gpus": torch.cuda.device_count(), "multiprocessors": properties.multi_processor_count}
    found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    found |= {"cpu": _cpu(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    found |= {"packages": {name: _version(name) for name in (*NEEDED, *WISHED)}, "commit": _commit()}
    found |= {"code_sha256": _code()}
    write_json(path, found)


def _version(name: str) -> str | None:
    if find_spec(name) is None:
        return None
    return str(getattr(import_module(name), "__version__", "unknown"))


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(query, check=True, capture_output=True, text=True, timeout=20)
        return done.stdout.strip().splitlines()[0]
    return None


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True, timeout=20
        )
        return done.stdout.strip()
    return None


def _code() -> str:
    """Return one digest of all code, for where it lies without its repository."""
    files = sorted([*Path("erkt").rglob("*.py"), *Path("benchmarks").rglob("*.py")])
    digests = [f"{path.as_posix()} {sha256_file(path)}" for path in files]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
