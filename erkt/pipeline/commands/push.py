"""Send everything that a colleague needs to run nothing again to DVC's default remote.

Beside what dvc push --run-cache sends, these are the files below metrics/, which DVC leaves to git: without
them a colleague on another branch, whose params are the same, would run the stages that made them. Archive
and images stay here (push: false), since they may be licensed.
"""

from argparse import ArgumentParser, Namespace

from erkt.pipeline.dvc_repository import opened, push_all


def arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(options: Namespace) -> int:
    """Push, and say how many files were new to the remote."""
    with opened() as repo:
        print(f"{push_all(repo)} files pushed")
    return 0
