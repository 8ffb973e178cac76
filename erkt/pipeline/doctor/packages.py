"""Whether the packages that are installed are those that the project asks for, and fit each other."""

import importlib
import platform
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from erkt.params.protocol import Protocol
from erkt.pipeline.doctor.findings import Finding, ok, problem
from erkt.pipeline.networks_at_start import unfit
from erkt.tracking.mlflow_store import told

_INSTALL = "python -m pip install --constraint constraints.txt --editable '.[train]'"
_NAMED = ("torch", "torchvision", "timm", "dvc", "mlflow")
_APART = 15  # torch 2.x and torchvision 0.(x + 15) are released together


def bounds(pyproject: Path) -> Iterator[Finding]:
    """Yield a problem for each package that is missing or out of bounds, or one line that all is well."""
    try:
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        listed = [*project["dependencies"], *project["optional-dependencies"]["train"]]
        # An extra may name another one of this package, which is installed by being here.
        requirements = [one for one in map(Requirement, listed) if one.name != project["name"]]
    except (OSError, ValueError, KeyError) as error:
        yield problem(
            f"versions: {pyproject} does not tell the bounds ({told(error)})", f"git checkout -- {pyproject}"
        )
        return
    wrong = []
    for requirement in requirements:
        found = _installed(requirement.name)
        if found is None:
            wrong.append(problem(f"versions: {requirement.name} is not installed", _INSTALL))
        elif not requirement.specifier.contains(found, prereleases=True):
            wrong.append(problem(f"versions: {requirement.name} {found}, expected {requirement}", _INSTALL))
    named = ", ".join(f"{name} {_installed(name)}" for name in _NAMED)
    bound = f"all {len(requirements)} packages are within bounds"
    fine = f"versions: Python {platform.python_version()}, {named}; {bound}"
    yield from wrong or [ok(fine)]


def networks(protocol: Protocol) -> Iterator[Finding]:
    """Yield why networks of ``protocol`` cannot be made: packages do not fit, or timm lacks one of them."""
    torch, torchvision = _installed("torch"), _installed("torchvision")
    if torch and torchvision and Version(torch).major == 2:
        fitting = f"0.{Version(torch).minor + _APART}."
        if not torchvision.startswith(fitting):
            yield problem(
                f"versions: torch {torch} and torchvision {torchvision} do not belong together",
                f"python -m pip install 'torchvision=={fitting}*', from where torch came",
            )
            return
    try:
        importlib.import_module("timm")
    except Exception as error:  # noqa: BLE001  # compiled for another torch, torchvision raises anything
        yield problem(
            f"versions: torch, torchvision and timm do not load ({told(error)})",
            "python -m pip install --force-reinstall --constraint constraints.txt torch torchvision timm, "
            "all from the same index",
        )
        return
    for place, reason in unfit(protocol):
        what, _, fix = reason.partition("; ")
        yield problem(f"networks: {place}: {what}", fix)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
