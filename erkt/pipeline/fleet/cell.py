"""``python -m erkt.pipeline.fleet.cell CELL COMMIT PARENT``: DVC makes one cell in the clone that lies here.

What other clones have made comes from the shared cache: by dvc.lock where the commit and the cache have it,
else by what DVC remembers of runs. It ends with its parent, the worker, and its stage ends with it.
"""

import os
import signal
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from types import FrameType

from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.inflight import states, stopping
from erkt.pipeline import paths
from erkt.pipeline.cells import all_cells
from erkt.pipeline.dvc_repository import forget_lost, opened, push_all
from erkt.pipeline.tidy import remove_strays

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _end_all(number: int, frame: FrameType | None) -> None:
    """End with all that this process began: a stage hears of its parent only once it is loaded."""
    signal.signal(number, signal.SIG_DFL)
    os.killpg(os.getpgrp(), number)


def main() -> int:
    """Make the cell; return DVC's exit status."""
    parser = ArgumentParser()
    parser.add_argument("cell")
    parser.add_argument("commit")
    parser.add_argument("parent", type=int)
    parser.add_argument("--remote", action="store_true", help="no file system is shared")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end_all)
    stopping.die_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # Ray blocks SIGINT, and it is inherited
    if os.getppid() != options.parent:
        return 1
    from dvc.cli import main as dvc

    # Whom the engine thinks dead may be alive behind a broken network: then this waits for it.
    lock = states.store(Path.cwd(), os.environ) / f"locks/{options.cell}-{options.commit[:12]}.fleet.lock"
    waiting = partial(print, f"{options.cell}: another worker makes it; waiting for its end", flush=True)
    try:
        with states.alone(lock, waiting, lambda: False):
            forget_lost([options.cell], remote=options.remote)
            dvc(["checkout", "--quiet", "--force", "--allow-missing", "--with-deps", options.cell])
            params = read_yaml(paths.PARAMS)
            remove_strays(params, all_cells(params))
            pull = ["--pull"] if options.remote else []
            status: int = dvc(["repro", *pull, options.cell])
            if status == 0 and options.remote:
                with opened() as repo:
                    push_all(repo, [options.cell])
    except ErktError as error:
        print(f"error: {options.cell}: {error}")
        return 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
