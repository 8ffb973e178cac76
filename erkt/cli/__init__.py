"""``erkt COMMAND``, or ``python -m erkt COMMAND``: what is useful beside ``dvc repro``.

Each command is a module with a docstring (its help), ``arguments(parser)`` and ``run(options)``, which
returns the exit status. Only the module of the command that runs is imported. Commands of ``erkt.cli`` run
anywhere; those of ``erkt.pipeline.commands`` work on a repository, and say so where there is none.
"""

import argparse
import importlib
import io
import os
import sys
from pathlib import Path
from types import ModuleType

from erkt.errors import ErktError
from erkt.machine.shortage import short_of_memory
from erkt.machine.waiting import sleep_soon

ANYWHERE = {
    "app": "show a page in the browser that classifies images",
    "data": "check a labelled tree before anyone trains on it",
    "embed": "write the features that a model sees in images",
    "export": "write a network for use without the pipeline: ONNX, timm",
    "map": "classify a large georeferenced image, as a map for GIS",
    "predict": "classify images with an exported model",
    "scenes": "write a contact sheet of the embedded scenes as a picture",
}
"""Modules of ``erkt.cli``."""

IN_A_REPOSITORY = {
    "claims": "write the paper's claims beside what was measured",
    "compare": "compare the students of several runs over the same seeds, with intervals",
    "describe": "print the operations and networks of a preset beside the paper's",
    "doctor": "check up on machine and repository before a long run",
    "experiment": "run the rows of a table that have not run yet",
    "fleet": "make cells on many machines, or in several processes",
    "merge-lock": "join both sides of dvc.lock and metrics/ in the midst of a git merge",
    "params": "check parameter files in full, without running anything",
    "push": "send what a colleague needs to run nothing again",
    "register": "put a student into MLflow's registry; the better one is champion",
    "report": "write the page of a run or a table: one HTML file to hand on",
    "speed": "measure size and inference time of student, teachers and ensemble",
    "stage": "run one cell of a stage, as dvc repro does",
    "summary": "print the result table of the last run",
    "tables": "make the tables of all experiments that have run",
    "track": "give the commit that is checked out its runs in MLflow",
    "verify": "run the teachers again on a sample of cached logits and compare",
}
"""Modules of ``erkt.pipeline.commands``."""

_READER_LEFT = 141
_TOLD = 200  # characters of what a package says of itself
_SPARING = "runtime.recompute and a smaller runtime.inference_batch take less, docs/long-runs.md says more"


def main() -> None:
    """Run the command that the command line names; exit the process with its status.

    An ErktError ends in one line on stderr and status 1, and so does too little memory; an interrupt in one
    line and status 130. If whoever reads the output has left, there is nothing to say and the status is 141,
    a shell's for SIGPIPE.
    """
    parser = argparse.ArgumentParser(
        prog="erkt",
        description=f"Commands that run anywhere:\n{_listed(ANYWHERE)}\n"
        f"Commands for the root of a repository with dvc.yaml:\n{_listed(IN_A_REPOSITORY)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = [*ANYWHERE, *IN_A_REPOSITORY]
    parser.add_argument("command", choices=commands, metavar="COMMAND", help="COMMAND --help says more")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the console has no characters for
    chosen = parser.parse_args()
    sleep_soon()
    try:
        module = _load(chosen.command)
        own = argparse.ArgumentParser(prog=f"erkt {chosen.command}", description=module.__doc__)
        module.arguments(own)
        options = own.parse_args(chosen.arguments)
        if chosen.command in IN_A_REPOSITORY and not Path("dvc.yaml").is_file():
            raise ErktError(f"erkt {chosen.command}: no dvc.yaml here; run it in the root of a repository")
        status = module.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has left, as head does; what is still unwritten goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = _READER_LEFT
    except ErktError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    except ImportError as error:  # as where a dvc of another environment starts a stage
        sys.exit(_not_installed(error))
    except KeyboardInterrupt:
        print(f"error: {chosen.command}: interrupted", file=sys.stderr)
        status = 130
    except Exception as error:
        if not short_of_memory(error):
            raise
        words = " ".join([chosen.command, *chosen.arguments])
        print(f"error: {words}: not enough memory ({type(error).__name__}); {_SPARING}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)  # what libraries do at an exit needs memory too
    sys.exit(status)


def _listed(commands: dict[str, str]) -> str:
    return "".join(f"  {name:11}{what}\n" for name, what in commands.items())


def _load(command: str) -> ModuleType:
    """Return the module of ``command``; leave in one line if this Python lacks a package, or has another."""
    package = "erkt.cli" if command in ANYWHERE else "erkt.pipeline.commands"
    try:
        return importlib.import_module(f"{package}.{command.replace('-', '_')}")
    except ImportError as error:
        sys.exit(_not_installed(error))


def _not_installed(error: ImportError) -> str:
    """Return the line for a package that this Python has not, or in a version that does not do.

    A module of this project raises.
    """
    if (error.name or "").partition(".")[0] in ("erkt", "stages"):
        raise error
    trouble = f"{error.name} is not installed for {sys.executable}"
    if not isinstance(error, ModuleNotFoundError):
        reason = " ".join(str(error).split())
        trouble = f"{error.name or 'a package'} of {sys.executable} does not do ({reason[:_TOLD]})"
    return (
        f"error: {trouble}; make setup installs it, and source .venv/bin/activate takes that Python; without "
        "a repository: pip install 'erkt[train]'"
    )
