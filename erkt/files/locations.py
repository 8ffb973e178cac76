"""Places given by the user: paths and addresses that may start with a variable of the environment.

Params name ``$AID100``, the environment says where that is: a colleague's path changes no param.
"""

import re
from collections.abc import Mapping

from erkt.errors import ErktError

_VARIABLE = re.compile(r"^\$(?:\{(\w+)\}|(\w+))")


def resolve(location: str, environment: Mapping[str, str]) -> str:
    """Return ``location`` with a leading ``$NAME`` or ``${NAME}`` replaced from ``environment``.

    A leading ``~/`` is ``$HOME/``. Raises ErktError if the variable is not set, or is empty.
    """
    if location.startswith("~/"):
        location = f"$HOME{location[1:]}"
    match = _VARIABLE.match(location)
    if match is None:
        return location
    name = match[1] or match[2]
    value = environment.get(name)
    if not value:
        raise ErktError(
            f"{location}: the environment variable {name} is not set; set {name} to where it lies"
        )
    return value + location[match.end() :]
