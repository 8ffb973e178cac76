"""Kills a process at a named moment: just before it renames or opens a file for the n-th time.

Python runs this at the start of every process whose path holds this folder. ``KILL`` is JSON: ``module`` (a
word of the command line that the acting process must have), ``event`` (rename or open), ``file`` (a part of
the path), ``count``, ``target`` (self, parent or group), ``signal``, ``log`` (renames of that file, by
process, one line each), and ``after`` (a pattern: counting begins once such a file exists). Without ``KILL``
nothing happens.
"""

import glob
import json
import os
import sys

_PLAN = json.loads(os.environ.get("KILL", "{}"))
_SEEN = [0]
_EVENTS = {"rename": "os.rename", "open": "open"}


def _acts() -> bool:
    return _PLAN["module"] in sys.orig_argv


def _path(event: str, arguments: tuple) -> str:
    """Return the file that a rename makes, or that an open may write."""
    if event == "os.rename":
        return os.fspath(arguments[1])
    path, mode, flags = arguments
    writes = (mode and "r" not in mode) or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
    return path if isinstance(path, str) and writes else ""


def _hear(event: str, arguments: tuple) -> None:
    if event != _EVENTS[_PLAN["event"]] or _PLAN["file"] not in _path(event, arguments) or not _acts():
        return
    if "after" in _PLAN and not glob.glob(_PLAN["after"]):
        return
    _SEEN[0] += 1
    log = os.open(_PLAN["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{os.getpid()}\n".encode())
    os.close(log)
    if _SEEN[0] != _PLAN["count"]:
        return
    if _PLAN["target"] == "group":
        os.killpg(os.getpgid(0), _PLAN["signal"])
    else:
        os.kill(os.getppid() if _PLAN["target"] == "parent" else os.getpid(), _PLAN["signal"])


if _PLAN:
    sys.addaudithook(_hear)
