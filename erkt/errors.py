"""The one exception a user is meant to read."""


class ErktError(Exception):
    """Bad input or a refused artifact: one line that says what, where and what to do.

    Command-line entry points print it without a traceback and exit with a non-zero status; any other
    exception is a bug and keeps its traceback.
    """
