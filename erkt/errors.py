"""The one exception a user is meant to read."""

import re

_BREAKS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")


class ErktError(Exception):
    """Bad input or a refused artifact: one line that says what, where and what to do.

    Command-line entry points print it without a traceback and exit with a non-zero status; any other
    exception is a bug and keeps its traceback. It may quote what a file holds: line breaks and what else
    would move a terminal's cursor are shown as escapes.
    """

    def __str__(self) -> str:
        return _BREAKS.sub(lambda found: repr(found[0])[1:-1], super().__str__())
