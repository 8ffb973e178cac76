"""Numbers and counts as readers see them."""

from markupsafe import Markup, escape

from erkt.evaluation.paired import FEWEST, NOTHING, Difference
from erkt.report.estimates import Estimate

_SPACE = "\u00a0"  # no line ends between a number and its unit
_THOUSAND = 1000


def percent(value: float, digits: int = 1) -> str:
    """Return ``92.7 %``."""
    return f"{value:.{digits}f}{_SPACE}%"


def between(found: Estimate, digits: int = 1) -> str:
    """Return an estimate's interval, ``90.8 to 94.3 %``."""
    return f"{found.low:.{digits}f} to {percent(found.high, digits)}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 image`` or ``2,100 images``."""
    return f"{number:,}{_SPACE}{one if number == 1 else many or one + 's'}"


def millions(parameters: int) -> str:
    """Return a number of parameters in millions, ``0.37``."""
    return f"{parameters / _THOUSAND**2:.2f}"


def size(found: int) -> str:
    """Return a file's size, ``1.5 MB``."""
    return f"{found / _THOUSAND**2:.1f}{_SPACE}MB"


def seconds(value: float) -> str:
    """Return a time for people: ``42 s``, ``12 min``, ``6 h 20 min``."""
    minutes = round(value / 60)
    if minutes < 2:
        return f"{value:.0f}{_SPACE}s"
    hours, rest = divmod(minutes, 60)
    return f"{hours}{_SPACE}h{_SPACE}{rest}{_SPACE}min" if hours else f"{minutes}{_SPACE}min"


def signed(value: float, digits: int = 2) -> str:
    """Return a difference with its sign, a true minus."""
    return f"{value:+.{digits}f}".replace("-", "\u2212")


def interval(found: Difference) -> str:
    """Return a difference's bounds, ``[−2.6, −0.2]``; empty without any."""
    return "" if found.bounds is None else "[{}, {}]".format(*map(signed, found.bounds))


def side(found: Difference) -> str:
    """Return whether a figure is above or below another, ``1.43 points below``."""
    if round(found.mean, 2) == 0:
        return "as good as"
    return f"{abs(found.mean):.2f} points {'below' if found.mean < 0 else 'above'}"


def judged(found: Difference) -> str:
    """Return in a clause how sure the sign of a difference is."""
    if len(found.by_seed) < FEWEST:
        runs = count(len(found.by_seed), "run")
        return f"with {runs} it is not known whether others would show the same"
    if found.verdict == NOTHING:
        return "a difference that the runs do not show for sure"
    return "a difference that chance does not explain"


def breakable(name: str) -> Markup:
    """Return a name, escaped, that a line may break after each of its underscores."""
    return Markup(str(escape(name)).replace("_", "_<wbr>"))  # escaped just before


def listed(names: list[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
