"""Whether the packages that are installed are those that the project asks for, and fit each other."""

import importlib
import platform
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from erkt.errors import ErktError
from erkt.pipeline.doctor.findings import Finding, ok, problem
from erkt.tracking.mlflow_store import told

_INSTALL = "python -m pip install --constraint constraints.txt --editable ."
_NAMED = ("torch", "torchvision", "timm", "dvc", "mlflow")
_APART = 15  # torch 2.x and torchvision 0.(x + 15) are released together


@dataclass(frozen=True)
class Software:
    """This Python, what the project asks for (as pyproject.toml writes it), and what is installed."""

    python: str
    python_bound: str
    requirements: tuple[str, ...]
    installed: Mapping[str, str | None]


def look(pyproject: Path) -> Software:
    """Return the facts; raise ErktError if ``pyproject`` cannot be read."""
    try:
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        requirements, python_bound = tuple(project["dependencies"]), project["requires-python"]
    except (OSError, ValueError, KeyError) as error:
        raise ErktError(f"{pyproject}: not readable as the project's description ({told(error)})") from None
    names = (Requirement(requirement).name for requirement in requirements)
    return Software(
        platform.python_version(), python_bound, requirements, {name: _version(name) for name in names}
    )


def findings(software: Software) -> Iterator[Finding]:
    """Yield one problem for each package that is missing or out of bounds, or one line that all is well."""
    wrong = []
    if not _within(software.python_bound, software.python):
        wanted = f"Python {software.python_bound}"
        wrong.append(problem(f"versions: Python {software.python}, expected {wanted}", f"install {wanted}"))
    for requirement in map(Requirement, software.requirements):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        found = software.installed.get(requirement.name)
        if found is None:
            wrong.append(problem(f"versions: {requirement.name} is not installed", _INSTALL))
        elif not _within(str(requirement.specifier), found):
            expected = f"expected {requirement.name}{requirement.specifier}"
            wrong.append(problem(f"versions: {requirement.name} {found}, {expected}", _INSTALL))
    named = ", ".join(f"{name} {software.installed.get(name)}" for name in _NAMED)
    count = len(software.requirements)
    yield from wrong or [
        ok(f"versions: Python {software.python}, {named}; all {count} packages are within bounds")
    ]


def pair(torch: str | None, torchvision: str | None, failure: str | None) -> Iterator[Finding]:
    """Yield a problem if these versions were not released together, or else if ``failure`` says why not to load.

    ``failure`` is what ``load_operations`` returned.
    """
    if torch is None or torchvision is None:
        return
    own, other = Version(torch), Version(torchvision)
    if own.major == 2 and other.release[:2] != (0, own.minor + _APART):
        fitting = f"torchvision 0.{own.minor + _APART}"
        yield problem(
            f"versions: torch {torch} and torchvision {torchvision} do not belong together, expected {fitting}",
            f"python -m pip install 'torchvision==0.{own.minor + _APART}.*', from where torch came",
        )
    elif failure:
        yield problem(
            f"versions: torchvision's compiled operations do not load ({failure})",
            f"python -m pip install --force-reinstall torch=={own.public} torchvision=={other.public}, "
            "both from the same index",
        )


def load_operations() -> str | None:
    """Return why torchvision or its compiled operations do not load, in one line; None if they do."""
    try:
        importlib.import_module("torchvision")
        getattr(importlib.import_module("torch").ops.torchvision, "nms")  # noqa: B009  # looked up when asked for
    except Exception as error:  # noqa: BLE001  # a mismatched pair raises RuntimeError, OSError, ImportError...
        return told(error)
    return None


def _within(bound: str, found: str) -> bool:
    return SpecifierSet(bound).contains(Version(found), prereleases=True)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
