"""The device that will be used, whether threads and cores fit, and what trains the student faster on it.

torch is imported within the functions: a torch that does not load is told by ``packages``.
"""

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

from erkt.errors import ErktError
from erkt.evaluation.timing import in_turns
from erkt.params.protocol import Protocol
from erkt.params.runtime import Runtime
from erkt.pipeline.doctor.findings import Finding, note, ok, problem, size
from erkt.tracking.mlflow_store import told

_DRIVER = Path("/proc/driver/nvidia/version")
_CROWDED = 1.5  # load for each core from which on processes wait for each other
_IMAGES, _ROUNDS = 30, 3
_MEASURED_SIDE = 128  # in pixels; larger images take longer and say the same
_WORTH = 1.2  # a gain below this is no reason to change the precision
_FASTER = 1.05


def device(settings: Runtime) -> Iterator[Finding]:
    """Yield what will run where: a problem if the setting cannot be met, a note if a GPU is idle or taken.

    Sets torch up as every stage does.
    """
    import torch

    from erkt.machine.device import choose

    try:
        chosen = choose(settings).type
        gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
        free, memory = torch.cuda.mem_get_info(0) if gpu else (0, 0)
    except (ErktError, RuntimeError) as error:  # a GPU that is broken, or another's alone
        yield problem(f"device: {told(error)}", "runtime.device: auto, or cpu where the GPU does not work")
        return
    if chosen == "cuda":
        kernels = "kernels that repeat their bits" if settings.deterministic else "the fastest kernels"
        yield ok(
            f"device: {settings.device} takes the GPU {gpu}, {size(free)} of {size(memory)} free; {kernels}, "
            "no TF32"
        )
        if free < memory / 2:
            yield note("device: others hold more than half of the GPU's memory", "see nvidia-smi, end them")
    elif gpu:
        yield note(
            f"device: {settings.device} takes the CPU, the GPU {gpu} is not used", "runtime.device: auto"
        )
    else:
        yield ok(f"device: {settings.device} takes the CPU; torch sees no GPU")
        if _DRIVER.exists():
            yield note(
                f"device: there is an NVIDIA driver, but torch {torch.__version__} sees no GPU",
                "install a build of torch for CUDA, no newer than the driver (nvidia-smi), or check "
                "CUDA_VISIBLE_DEVICES",
            )


def threads() -> Iterator[Finding]:
    """Yield a note for more threads than cores, or for a crowded machine, or one line that all is well.

    To be asked after ``device``, which sets the number of threads.
    """
    import psutil  # type: ignore[import-untyped]
    import torch
    from joblib import cpu_count  # type: ignore[import-untyped]

    used, usable = torch.get_num_threads(), cpu_count()
    load, cores = psutil.getloadavg()[0], os.cpu_count() or 1
    crowded = load > _CROWDED * cores
    if used > usable:
        yield note(f"threads: torch uses {used} on {usable} cores", f"runtime.threads: {usable}")
    if crowded:
        yield note(
            f"threads: {load:.1f} processes want to run on {cores} cores; training gets its share at best",
            "end what need not run; runs that share the cores are fastest with runtime.threads: 1 each",
        )
    if used <= usable and not crowded:
        yield ok(f"threads: torch uses {used} on {usable} cores, load {load:.1f}")


def processes(protocol: Protocol) -> Iterator[Finding]:
    """Yield a problem for a network that asks for more GPUs than there are, a note if it has only CPUs."""
    import torch

    from erkt.machine.device import choose

    recipes = {f"teachers.{name}.recipe": teacher.recipe for name, teacher in protocol.teachers.items()}
    gpus = torch.cuda.device_count()
    for key, recipe in (recipes | {"distill.recipe": protocol.distill.recipe}).items():
        count, setting = recipe.processes, f"{key}.processes"
        if count > 1 and choose(protocol.runtime).type == "cpu":
            yield note(
                f"processes: {count} for {key} share the cores, and each normalises its own share of a batch",
                f"{setting}: 1, unless it has to be so",
            )
        elif count > max(1, gpus):
            yield problem(f"processes: {count} for {key}, but torch sees {gpus} GPUs", f"{setting}: {gpus}")


def student_step(protocol: Protocol) -> Iterator[Finding]:
    """Yield a note if the other precision than the student's, or one thread, is faster on a few small steps.

    The student has random weights. Raises what timm and torch raise for a network or a device that is none.
    """
    import timm
    import torch

    from erkt.machine.device import choose
    from erkt.networks.models import put_on
    from erkt.views.threads import one_thread

    where, own = choose(protocol.runtime).type, protocol.student
    side = own.side or min(protocol.prepare.side, _MEASURED_SIDE)
    network = timm.create_model(own.arch.partition(".")[0], num_classes=10, **own.options).train()
    put_on(network, where)
    images = torch.rand(_IMAGES, 3, side, side, device=where).contiguous(memory_format=torch.channels_last)

    def step(*, half: bool = False, alone: bool = False) -> Callable[[], None]:
        def run() -> None:
            with one_thread() if alone else nullcontext():
                with torch.autocast(where, torch.bfloat16, enabled=half):
                    loss = network(images).float().square().mean()
                network.zero_grad()
                loss.backward()
            if where == "cuda":
                torch.cuda.synchronize()

        return run

    number = torch.get_num_threads()
    calls = {"fp32": step(), "bf16": step(half=True)}
    if where == "cpu" and number > 1:
        calls["one thread"] = step(alone=True)
    seconds = {name: statistics.median(each) for name, each in in_turns(calls, _ROUNDS).items()}
    yield _precision(seconds["fp32"] / seconds["bf16"], protocol.distill.recipe.precision, where)
    slower = seconds["fp32"] / seconds.get("one thread", seconds["fp32"])
    if slower > _FASTER:
        yield note(
            f"speed: {number} threads take {slower:.2f} times as long as one",
            "runtime.threads: 1; the other cores can work on another seed in a second clone",
        )


def _precision(gain: float, precision: str, where: str) -> Finding:
    said = f"speed: a step of the student in bf16 takes {1 / gain:.2f} times as long as in fp32 on {where}"
    if precision == "fp32" and gain > _WORTH:
        return note(said, "distill.recipe.precision: bf16, if its OA on the validation part is no worse")
    if precision == "bf16" and gain < 1 / _WORTH:
        return note(said, "distill.recipe.precision: fp32")
    return ok(said)
