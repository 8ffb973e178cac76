"""``python -m erkt``: the commands of ``erkt.cli``."""

import sys

# A dvc of another environment starts stages with that one's Python, which need not be able to read the rest.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        f"error: {sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}, and erkt needs "
        "3.11; source .venv/bin/activate takes the Python that make setup installed"
    )

from erkt.cli import main

main()
