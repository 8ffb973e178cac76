"""Show a page in the browser that classifies the images dropped onto it.

    erkt app student.onnx --examples scenes/

It is for this machine: it listens on 127.0.0.1, loads nothing from elsewhere, and keeps nothing. Programs
send images to POST /predict and get JSON. --heat shows where the network looks, which needs its weights and
torch; --teacher what the ensemble says. Ctrl-C ends it.
"""

import ipaddress
import socket
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from erkt.deploy.app.limits import MOST_MEGAPIXELS, Limits
from erkt.deploy.decoding import cores
from erkt.errors import ErktError

if TYPE_CHECKING:
    from fastapi import FastAPI

_FILES_A_REQUEST = 8
"""Times the largest file, as the largest request."""


def arguments(parser: ArgumentParser) -> None:
    """Add the model, who else is asked, and who may ask."""
    parser.add_argument("model", type=Path, help="an exported file or folder, or a student's folder of a run")
    parser.add_argument("--examples", type=Path, metavar="FOLDER", help="images that the page offers to try")
    parser.add_argument(
        "--heat", type=Path, metavar="FOLDER", help="the same network as weights: show where it looks"
    )
    parser.add_argument(
        "--teacher",
        action="append",
        nargs=2,
        default=[],
        metavar=("MODEL", "WEIGHT"),
        help="a network of the ensemble and its weight; may be repeated",
    )
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 for any that is free")
    parser.add_argument("--host", default="127.0.0.1", help="another address than 127.0.0.1 lets others in")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name or address by which others call this machine; may be repeated",
    )
    parser.add_argument("--megabytes", type=int, default=32, help="of the largest file; default: 32")
    parser.add_argument("--megapixels", type=int, default=40, help="of the largest image; default: 40")
    parser.add_argument("--threads", type=int, default=cores(), help="images at once; default: one a core")


def run(options: Namespace) -> int:
    """Serve until Ctrl-C."""
    for package in ("fastapi", "uvicorn", "python_multipart"):
        if find_spec(package) is None:
            raise ErktError(f"erkt app needs {package}; run: pip install 'erkt[app]'")
    _check(options)
    import uvicorn

    with _listening(options.host, options.port) as at:
        app = made(options)
        address = f"[{options.host}]" if ":" in options.host else options.host
        print(f"http://{address}:{at.getsockname()[1]}/ (Ctrl-C ends it)", flush=True)
        settings = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        with suppress(KeyboardInterrupt):  # it is how one ends it
            uvicorn.Server(settings).run(sockets=[at])
    return 0


def made(options: Namespace) -> "FastAPI":
    """Return the application that ``options`` ask for; ErktError if a model or an example cannot be used."""
    from erkt.deploy.app.examples import examples_in
    from erkt.deploy.app.panel import Panel, Teacher
    from erkt.deploy.app.service import service
    from erkt.deploy.predictor import load

    model = load(options.model, threads=1)
    teachers = [Teacher(Path(path), load(path, 1), _weight(path, text)) for path, text in options.teacher]
    looking = None
    if options.heat is not None:
        if find_spec("torch") is None or find_spec("pytorch_grad_cam") is None:
            raise ErktError("--heat needs torch and grad-cam; run: pip install 'erkt[train]'")
        from erkt.deploy.app.looking import Looking

        looking = Looking(options.heat, model)
    size = options.megabytes * 10**6
    limits = Limits(file=size, request=_FILES_A_REQUEST * size, pixels=options.megapixels * 10**6)
    panel = Panel(model, limits, teachers, looking)
    examples = examples_in(options.examples, panel) if options.examples else ()
    hosts = [*options.allow_host, *([options.host] if _is_loopback(options.host) else [])]
    return service(panel, examples, hosts=hosts, threads=options.threads)


def _check(options: Namespace) -> None:
    """Raise ErktError for a number that makes no sense, or for others let in without a word."""
    ranges = {
        "threads": (1, 1024),
        "megabytes": (1, 1024),
        "megapixels": (1, MOST_MEGAPIXELS),
        "port": (0, 65535),
    }
    for name, (low, high) in ranges.items():
        value = getattr(options, name)
        if not low <= value <= high:
            raise ErktError(f"--{name} {value}: expected {low} to {high}")
    if not _is_loopback(options.host) and not options.allow_host:
        raise ErktError(
            f"--host {options.host} lets other machines in; say by which name or address they call this one, "
            "with --allow-host"
        )
    for name in options.allow_host:
        if "*" in name or ":" in name or "/" in name:
            raise ErktError(f"--allow-host {name}: expected a name or an IPv4 address, without port")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _weight(path: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ErktError(f"--teacher {path} {text}: the weight is no number") from None


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; ErktError if the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).split(" (")[0].lower()
        raise ErktError(f"{host}:{port}: {reason}; choose another --port or --host") from None
