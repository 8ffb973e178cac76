"""The device that will be used, and whether threads and cores fit."""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from erkt.errors import ErktError
from erkt.params.runtime import Runtime
from erkt.pipeline.doctor.findings import Finding, note, ok, problem
from erkt.pipeline.doctor.units import size
from erkt.tracking.mlflow_store import told

_CROWDED = 1.5  # load for each core from which on processes wait for each other
_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Gpu:
    """One GPU: its name, and its memory and how much of it is free, in bytes."""

    name: str
    memory: int
    free: int


@dataclass(frozen=True)
class Device:
    """What ``runtime.device`` comes to: the chosen device, or why there is none; torch's first GPU."""

    setting: str
    chosen: str
    refusal: str
    gpu: Gpu | None
    torch: str
    driver: bool


@dataclass(frozen=True)
class Cores:
    """Threads of torch and the cores for them.

    ``machine`` are all cores, ``allowed`` those that this process may use, ``quota`` how many of them a cgroup
    lets it use at a time. ``load`` is how many processes ran or waited to run in the last minute, on average;
    None where the system does not say. ``passive``: idle OpenMP threads sleep.
    """

    threads: int
    machine: int
    allowed: int
    quota: float | None
    load: float | None
    passive: bool

    @property
    def usable(self) -> int:
        """How many threads can run at the same time."""
        return max(1, min(self.allowed, math.ceil(self.quota or self.allowed)))


def look_device(settings: Runtime) -> Device:
    """Return the facts about the device; as a side effect set torch up as every stage does."""
    import torch

    from erkt.training.device import choose

    chosen, refusal, gpu = "", "", None
    try:
        chosen = choose(settings).type
        if torch.cuda.is_available():
            free, memory = torch.cuda.mem_get_info(0)
            gpu = Gpu(torch.cuda.get_device_name(0), memory, free)
    except (ErktError, RuntimeError) as error:  # a GPU that is broken, or another's alone
        refusal = told(error)
    return Device(settings.device, chosen, refusal, gpu, torch.__version__, _DRIVER.exists())


def device_findings(device: Device) -> Iterator[Finding]:
    """Yield what will run where: a problem if the setting cannot be met, a note if a GPU lies idle or is taken."""
    gpu = device.gpu
    if device.refusal:
        yield problem(f"device: {device.refusal}", "runtime.device: auto, or cpu where the GPU does not work")
    elif device.chosen == "cuda" and gpu is not None:
        memory = f"{size(gpu.free)} of {size(gpu.memory)} free"
        yield ok(f"device: runtime.device: {device.setting} takes the GPU {gpu.name}, {memory}")
        if gpu.free < gpu.memory / 2:
            yield note("device: others hold more than half of the GPU's memory", "see nvidia-smi, end them")
    else:
        seen = f"torch sees {'the GPU ' + gpu.name if gpu else 'no GPU'}"
        yield ok(f"device: runtime.device: {device.setting} takes the CPU; {seen}")
        if gpu is not None:
            yield note(f"device: the GPU {gpu.name} is not used", "runtime.device: auto")
    if device.driver and gpu is None:
        yield note(
            f"device: there is an NVIDIA driver, but torch {device.torch} sees no GPU",
            "install a build of torch for CUDA, no newer than the driver (nvidia-smi), or check "
            "CUDA_VISIBLE_DEVICES",
        )


def look_cores(environment: Mapping[str, str]) -> Cores:
    """Return the facts about threads and cores, after torch was set up."""
    import torch

    machine = os.cpu_count() or 1
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone
    load = getattr(os, "getloadavg", None)  # not on Windows
    return Cores(
        threads=torch.get_num_threads(),
        machine=machine,
        allowed=len(affinity(0)) if affinity else machine,
        quota=_quota(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")),
        load=load()[0] if load else None,
        passive=environment.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE",
    )


def core_findings(cores: Cores) -> Iterator[Finding]:
    """Yield a note for more threads than cores and for a crowded machine, or one line that all is well."""
    crowded = cores.load is not None and cores.load > _CROWDED * cores.machine
    if cores.threads > cores.usable:
        yield note(
            f"threads: torch uses {cores.threads} on {_count(cores.usable)}",
            f"runtime.threads: {cores.usable}",
        )
    if crowded:
        # Threads that wait actively take the time slices that those they wait for need: 10 to 20 times slower.
        sleep = "" if cores.passive else "export OMP_WAIT_POLICY=PASSIVE, and "
        yield note(
            f"threads: {cores.load:.1f} processes want to run on {_count(cores.machine)}, which slows training "
            f"{'down' if cores.passive else 'down 10 to 20 times when idle threads spin'}",
            f"{sleep}end what need not run, or lower runtime.threads",
        )
    if cores.threads <= cores.usable and not crowded:
        load = "" if cores.load is None else f", load {cores.load:.1f}"
        yield ok(f"threads: torch uses {cores.threads} on {_count(cores.usable)}{load}")


def _count(cores: int) -> str:
    return "1 core" if cores == 1 else f"{cores} cores"


def _quota(mount: Path, membership: Path) -> float | None:
    """Return how many cores the cgroups of this process grant, the smallest of all levels; None for no limit."""
    granted = []
    try:
        own = next(line[3:] for line in membership.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        own = ""
    folder = mount / own.lstrip("/")
    for level in (folder, *folder.parents):
        if level == mount.parent:
            break
        granted.append(_ratio(_read(level / "cpu.max").split()))
    old = mount / "cpu"  # cgroups of version 1
    granted.append(_ratio(f"{_read(old / 'cpu.cfs_quota_us')} {_read(old / 'cpu.cfs_period_us')}".split()))
    return min((value for value in granted if value is not None), default=None)


def _ratio(words: list[str]) -> float | None:
    """Return the cores of a quota and its period in microseconds; None for ``max``, -1 and what is not there."""
    if len(words) != 2 or not all(word.isdigit() for word in words) or "0" in words:
        return None
    return int(words[0]) / int(words[1])


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
