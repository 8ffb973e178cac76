"""Several processes for one piece of work, started by torch's own launcher, and what becomes of them.

They end with the process that started them, however it ends. If one of them ends early, the others are ended
too and nothing is restarted: whoever runs the work again goes on from its last checkpoint.
"""

import logging
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from erkt.errors import ErktError
from erkt.inflight.stopping import Stop, Stopped, die_with_parent, listen

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

MEETING_PLACE = "ERKT_MEETING_PLACE"
"""Names, in the environment of such a process, the file by which it finds the others.

A file, since torch's servers for this listen on every address of the machine, and ask for no password.
"""

_NO_SERVER = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"

_LEFT = 130
"""Exit status of a process that was asked to leave, and did so in good order."""

_STEP_SECONDS = 600
"""How long processes that are asked to leave may work on, to the end of a step and its checkpoint."""

_ENDING_SECONDS = 60
"""How long a process that has lost another waits for the launcher, which then says whom."""


class Lost(Exception):  # noqa: N818  # like Stopped: what has happened
    """Another process has ended, or can no longer be reached."""


def launch(count: int, device: torch.device, work: Callable[..., str], *arguments: object) -> str:
    """Run ``work(stop, *arguments)`` in ``count`` new processes; return what the first one returns.

    ``device`` is the kind that they work on; each sees a GPU of its own, and no other.
    ``work`` and ``arguments`` are pickled. Each process looks at its ``stop`` and raises Stopped once that is
    requested. SIGINT, SIGTERM and SIGHUP to this process ask all of them to leave, and raise Stopped here
    when they have; a second SIGINT kills them and raises KeyboardInterrupt. Only for the main thread.

    Raises ErktError if there are fewer GPUs than processes, if one of them does, or if one is killed.
    """
    # Here, since a process alone has no use for them.
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if device.type == "cuda" and torch.cuda.device_count() < count:
        raise ErktError(
            f"recipe.processes is {count}, and each takes a GPU of its own, but torch sees "
            f"{torch.cuda.device_count()}; take fewer processes, or runtime.device: cpu"
        )
    _silence()
    try:
        with tempfile.TemporaryDirectory() as folder, listen(patient=False):
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=count,
                logs_specs=DefaultLogsSpecs(folder),
                run_id="erkt",
                rdzv_backend="c10d",
                rdzv_endpoint=f"{folder}/rendezvous",
                rdzv_configs={"store_type": "file"},
                local_addr="127.0.0.1",
                max_restarts=0,
                signals_to_handle="",  # `listen` hears them; the launcher would hand them on as they are
                shutdown_timeout=_STEP_SECONDS,
                virtual_local_rank=device.type == "cuda",
            )
            os.environ[_NO_SERVER] = "1"
            returned: dict[int, str] = elastic_launch(config, _work)(os.getpid(), folder, work, arguments)
            return returned[0]
    except RendezvousError as error:
        raise ErktError(
            f"{count} processes cannot be started together: {' '.join(str(error).split())}"
        ) from None
    except ChildFailedError as error:
        number, failure = next(iter(error.failures.items()))
        _explain(failure, number, count)
    except KeyboardInterrupt:
        if multiprocessing.active_children():
            raise
        raise Stopped from None
    finally:
        for child in multiprocessing.active_children():
            child.kill()
            child.join()


def _work(parent: int, folder: str, work: Callable[..., str], arguments: tuple[object, ...]) -> str:
    """Do a process's part of ``launch``, whose process is ``parent``, and which has made ``folder``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all at once; the parent asks, once
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(_LEFT)
    _silence()
    os.environ[MEETING_PLACE] = f"{folder}/group"
    with listen(patient=True) as stop:
        try:
            result = work(stop, *arguments)
        except KeyboardInterrupt:
            raise SystemExit(_LEFT) from None
        except Lost as lost:
            _wait_to_be_ended(stop)
            raise ErktError(f"a process has lost the others ({lost}); dvc repro goes on") from None
    # From here on SIGTERM ends it at once: a process that has returned waits for the others to return.
    if stop.requested:
        raise SystemExit(_LEFT)
    return result


def _wait_to_be_ended(stop: Stop) -> None:
    """Leave it to the launcher to say which process ended first: it names the first one that it finds."""
    for _ in range(10 * _ENDING_SECONDS):
        if stop.requested:
            raise SystemExit(_LEFT)
        time.sleep(0.1)


def _explain(failure: "ProcessFailure", number: int, count: int) -> NoReturn:
    """Raise what the end of process ``number``, from 0, of ``count`` means."""
    if failure.exitcode == _LEFT:
        raise Stopped
    which = f"process {number + 1} of {count}"
    if failure.exitcode < 0:
        raise ErktError(
            f"{which} was ended by {failure.signal_name()}, and the others with it; dvc repro goes on from "
            "the last checkpoint (if nobody did that, the machine may have run out of memory)"
        )
    said: Any = failure.error_file_data["message"]
    if not isinstance(said, dict):  # it left without an exception
        raise ErktError(f"{which} ended with status {failure.exitcode}, and the others with it")
    kind, _, text = said["message"].partition(": ")
    if kind == ErktError.__name__:
        raise ErktError(text)
    raise RuntimeError(f"{which}:\n{said['extraInfo']['py_callstack']}")


def _silence() -> None:
    """Have torch's launcher say nothing of its own: what matters is raised."""
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
