"""All checks in order, each given what it needs."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from erkt.errors import ErktError
from erkt.inflight import states
from erkt.pipeline import paths
from erkt.pipeline.cells import all_cells
from erkt.pipeline.doctor import (
    cache_and_lock,
    default_remote,
    disk_space,
    git_and_dvc,
    hardware,
    needed_files,
    packages,
    time_and_memory,
    tracking_store,
    unfinished_work,
)
from erkt.pipeline.doctor.bounded import bounded
from erkt.pipeline.doctor.findings import Finding, ok, problem
from erkt.pipeline.params_file import check_params, read_params
from erkt.tracking import mlflow_store

_PYPROJECT = Path("pyproject.toml")
_DVC = "see dvc config --list and dvc doctor; a cache on a dead mount is silent"
_REMOTE = "check the network, your credentials and its settings (dvc remote list, dvc remote modify)"
_MLFLOW = "start it, correct MLFLOW_TRACKING_URI, or set tracking.enabled: false; runs go on without it"
_STORE = "mount it, or set ERKT_INFLIGHT to a folder on disk"


def check_up(root: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is found about this machine and the repository at ``root``, the working folder.

    What may get no answer is asked first and heard later. Where params are wrong, or the networks cannot be
    made, what depends on that is left out.
    """
    store, address = states.store(root, environment), mlflow_store.address(root, environment)
    with ExitStack() as stack:
        ask = stack.enter_context
        asked = [
            ask(bounded("DVC", _DVC, cache_and_lock.check, root)),
            ask(bounded("DVC: the default remote cannot be used", _REMOTE, default_remote.check, root)),
        ]
        try:
            params = read_params(paths.PARAMS)
            protocol = check_params(params, str(paths.PARAMS))
        except ErktError as error:
            yield problem(f"params: {error}", f"correct {paths.PARAMS}; what depends on it was not checked")
            yield from packages.bounds(_PYPROJECT)
            for question in asked:
                yield from question
            return
        yield from git_and_dvc.check(root)
        said = [f"params: {paths.PARAMS} is valid: {protocol.dataset.name}"]
        if share := protocol.split.unlabelled_percent:
            said.append(f"{share:g} % of the images without their labels")
        if protocol.dataset.unlabelled is not None:
            said.append("more images without a class")
        yield ok(", ".join(said))
        if protocol.tracking.enabled:
            what = f"MLflow: {mlflow_store.masked(address)} cannot be used"
            experiment = protocol.tracking.experiment
            asked.append(ask(bounded(what, _MLFLOW, tracking_store.check, address, experiment)))
        else:
            yield ok("MLflow: not used (tracking.enabled: false)")
        asked.append(ask(bounded(f"in-flight: {store}", _STORE, unfinished_work.check, root, store, params)))
        yield from packages.bounds(_PYPROJECT)
        unfit = list(packages.networks(protocol))
        yield from unfit
        if not unfit:
            need, mount = disk_space.needed(protocol), "see df; a mount may be dead"
            asked.append(ask(bounded("space: not known", mount, disk_space.check, root, need, store)))
            yield from hardware.device(protocol.runtime)
            yield from hardware.threads()
            # What the device refuses is told already; a network of another side cannot be measured.
            with suppress(ErktError, RuntimeError, AssertionError, ValueError):
                yield from hardware.processes(protocol)
                yield from hardware.student_step(protocol)
                yield from time_and_memory.estimate(protocol)
        try:
            yield from needed_files.prerequisites(all_cells(params))
        except ErktError as error:
            yield problem(f"pipeline: {error}", f"git checkout -- {paths.PIPELINE}")
        yield from needed_files.locations(protocol, environment)
        for question in asked:
            yield from question
