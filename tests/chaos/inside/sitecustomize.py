"""Limits and a false clock within one process, which Python sets at its start where ``CHAOS`` says so.

``CHAOS`` is JSON: ``stage`` (whose process is meant, not DVC's that starts it), ``file_bytes`` (no file
may grow beyond it, as on a full disk), ``memory_bytes`` (of private memory), ``clock`` (seconds added to the
time).
"""

import json
import os
import resource
import sys
import time

_PLAN = json.loads(os.environ.get("CHAOS", "{}"))


def _false_clock(offset: float) -> None:
    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + offset
    time.time_ns = lambda: nanoseconds() + int(offset * 1e9)


if _PLAN and sys.orig_argv[2:5] == ["erkt", "stage", _PLAN["stage"]]:
    if "file_bytes" in _PLAN:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_PLAN["file_bytes"], _PLAN["file_bytes"]))
    if "memory_bytes" in _PLAN:
        resource.setrlimit(resource.RLIMIT_DATA, (_PLAN["memory_bytes"], _PLAN["memory_bytes"]))
    if "clock" in _PLAN:
        _false_clock(_PLAN["clock"])
