"""One run of the pipeline with params of its own, through ``dvc exp run``, beside the working tree."""

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from erkt.errors import ErktError
from erkt.inflight import stopping
from erkt.pipeline import paths
from erkt.pipeline.params_file import read_params

_GRACE_SECONDS = 30  # for a stage to keep what it has


def run_params(name: str, params: Mapping[str, Any], targets: Iterable[str] = ()) -> bool:
    """Run DVC's experiment ``name`` with ``params``; return whether DVC went to its end.

    ``targets`` are the cells to run, with what they need; none for all.

    Raises KeyboardInterrupt when asked to leave, and ErktError for params that DVC cannot be given.
    """
    words = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name]
    for override in overrides(read_params(paths.PARAMS), params):
        words += ["--set-param", override]
    words += targets
    # DVC ends with this process, however that ends, and its stage with DVC.
    own = None if sys.platform == "win32" else stopping.die_with_parent
    listening = stopping.listen(patient=True)
    with listening as stop, subprocess.Popen(words, preexec_fn=own) as dvc:  # noqa: PLW1509  # no threads here
        waited = 0
        while dvc.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                dvc.wait(1)
            waited += stop.requested  # Ctrl-C has reached DVC and its stage as well
            if waited > _GRACE_SECONDS:
                dvc.terminate()
    if stop.requested:
        raise KeyboardInterrupt
    return dvc.returncode == 0


def overrides(present: Iterable[str], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield what makes ``--set-param`` put the ``wanted`` sections in the place of those ``present``.

    DVC reads Hydra's grammar, in which ``~key`` removes and ``+key=value`` adds. Setting a value that is
    there would not do: it merges blocks, and puts no list in the place of a block. Raises ErktError for a
    text that the grammar cannot carry: with ``${``, or a backslash at its end.
    """
    yield from (f"~{key}" for key in present)
    yield from (f"+{key}={_literal(value)}" for key, value in wanted.items())


def _literal(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        if "${" in value or value.endswith("\\"):
            raise ErktError(f"DVC cannot set the param {value!r}; write $NAME instead of ${{NAME}}")
        return "'" + value.replace("\\'", "\\\\'").replace("'", "\\'") + "'"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)
