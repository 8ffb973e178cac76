"""``python -m erkt``: the commands of ``erkt.cli``."""

from erkt.cli import main

main()
