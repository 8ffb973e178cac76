"""A Ray cluster of several nodes on this machine, each with an address of its own, and how a node dies."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_PATIENCE_SECONDS = 300  # on a busy machine

HOSTS = {"left": "127.0.0.2", "right": "127.0.0.3"}
"""The nodes that make cells, and the address of the loopback that each has."""


class Nodes:
    """The processes of ``ray start --block`` by name; ``variables`` are what a driver needs."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
        self.variables = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self._folder, self._port, self._nodes = folder, port, dict[str, subprocess.Popen[bytes]]()
        self.address = ""

    def start_head(self) -> None:
        """Start the first node, which has no cores for tasks."""
        self._start("head", "--head", f"--port={self._port}", "--num-cpus=0", "--include-dashboard=false")
        self.address = self._said("head", "--address='")
        self._said("head", "--block")

    def start(self, name: str) -> None:
        """Start one of HOSTS, with one core. It joins on its own; ``wait_for`` waits until it has."""
        self._start(
            name,
            f"--address={self.address}",
            f"--node-ip-address={HOSTS[name]}",
            f"--node-name={name}",
            "--num-cpus=1",
        )

    def wait_for(self, name: str) -> None:
        """Wait until a node has joined."""
        self._said(name, "--block")

    def kill(self, name: str) -> None:
        """Kill all processes of a node at once, as a power cut does."""
        process = self._nodes.pop(name)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()

    def stop(self) -> None:
        """Kill what is left."""
        for name in list(self._nodes):
            self.kill(name)

    def _start(self, name: str, *arguments: str) -> None:
        ray = Path(sys.executable).parent / "ray"
        command = [str(ray), "start", "--block", "--disable-usage-stats", "--object-store-memory=80000000"]
        with (self._folder / f"{name}.txt").open("wb") as printed:
            self._nodes[name] = subprocess.Popen(
                [*command, *arguments],
                env=os.environ | self.variables,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _said(self, name: str, begins: str) -> str:
        """Wait until a node has printed ``begins``; return what follows it, up to a quote."""
        printed = self._folder / f"{name}.txt"
        end = time.monotonic() + _PATIENCE_SECONDS
        while begins not in (told := printed.read_text(errors="replace")):
            assert self._nodes[name].poll() is None, told
            assert time.monotonic() < end, told
            time.sleep(0.2)
        return told.partition(begins)[2].partition("'")[0]


@contextmanager
def two_nodes(folder: Path) -> Iterator[Nodes]:
    """Yield a cluster of a head and HOSTS."""
    nodes = Nodes(folder)
    try:
        nodes.start_head()
        for name in HOSTS:
            nodes.start(name)
            nodes.wait_for(name)
        yield nodes
    finally:
        nodes.stop()
