"""Notes what a process loads or writes as a pickle.

Python runs this at the start of every process whose path holds this folder. ``PICKLED`` is the file that
gets a line for each; without it nothing happens. Only what finds a class is noted of what is loaded: a pickle
that finds none cannot do harm.
"""

import os
import sys

_LOG = os.environ.get("PICKLED")


def _note(what: str) -> None:
    log = os.open(str(_LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{' '.join(sys.orig_argv[1:])}: {what}\n".encode())
    os.close(log)


def _hear(event: str, arguments: tuple) -> None:
    if event == "pickle.find_class":
        _note(f"loads {'.'.join(map(str, arguments))}")


if _LOG:
    import pickle

    sys.addaudithook(_hear)

    def _noting(write):  # noqa: ANN001, ANN202
        def noted(thing, *arguments, **options):  # noqa: ANN001, ANN002, ANN003, ANN202
            _note(f"writes {type(thing).__module__}.{type(thing).__name__}")
            return write(thing, *arguments, **options)

        return noted

    class _Pickler(pickle.Pickler):
        def dump(self, thing):  # noqa: ANN001, ANN202
            _note(f"writes {type(thing).__module__}.{type(thing).__name__}")
            return super().dump(thing)

    pickle.dump, pickle.dumps, pickle.Pickler = _noting(pickle.dump), _noting(pickle.dumps), _Pickler
