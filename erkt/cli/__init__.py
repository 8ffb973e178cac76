"""``python -m erkt COMMAND``: what is useful beside the pipeline. Run it in the root of the repository.

Each command is a module with a docstring (its help), ``arguments(parser)`` and ``run(options)``, which returns
the exit status.
"""

import argparse
import importlib
import sys

from erkt.errors import ErktError

COMMANDS = ("params", "scenes", "summary", "verify")


def main() -> None:
    """Run the command that the command line names; exit the process with its status.

    An ErktError ends in one line on stderr and status 1.
    """
    parser = argparse.ArgumentParser(
        prog="python -m erkt", description="Beside the pipeline: checks and tables."
    )
    chosen = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"erkt.cli.{name}")
        summary = (module.__doc__ or "").splitlines()[0]
        module.arguments(chosen.add_parser(name, help=summary, description=module.__doc__))
    options = parser.parse_args()
    try:
        status = importlib.import_module(f"erkt.cli.{options.command}").run(options)
    except ErktError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    sys.exit(status)
