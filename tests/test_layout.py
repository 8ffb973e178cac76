"""The house's order: who may import whom, and what the top floor shows."""

import ast
from pathlib import Path

import pytest
import yaml
from closure import ROOT

FLOORS = [
    "errors",
    "seeds",
    "files",
    "params",
    "machine",
    "inflight",
    "scenes",
    "data",
    "views",
    "networks",
    "losses",
    "ensemble",
    "teachers",
    "training",
    "evaluation",
    "figures",
    "tracking",
    "deploy",
    "report",
    "pipeline",
    "cli",
    "__main__",
]
"""Modules and packages of ``erkt``, from the ground up: each imports what stands before it, and itself."""

FILES = sorted((ROOT / "erkt").rglob("*.py"))


def floor_of(path: Path) -> str:
    return path.relative_to(ROOT / "erkt").parts[0].removesuffix(".py")


def wrong_imports(source: str, floor: str) -> list[str]:
    """Return what a module on ``floor`` imports, at any place of its code, and may not."""
    below = FLOORS[: FLOORS.index(floor) + 1]
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"erkt.{alias.name}" for alias in node.names] if module == "erkt" else [module]
        for name in names:
            first, *rest = name.split(".")
            upwards = first == "erkt" and rest and rest[0] not in (*below, "__version__")
            if first == "stages" or upwards:
                found.append(name)
    return found


@pytest.mark.parametrize("path", FILES, ids=[path.relative_to(ROOT).as_posix() for path in FILES])
def test_nothing_imports_upwards(path: Path) -> None:
    if path.parent != ROOT / "erkt" or path.name != "__init__.py":
        assert wrong_imports(path.read_text(encoding="utf-8"), floor_of(path)) == []


@pytest.mark.parametrize(
    ("line", "floor"),
    [
        ("from erkt.training.engine import fit", "views"),
        ("from erkt import pipeline", "figures"),
        ("def f():\n    import erkt.cli", "pipeline"),
        ("if TYPE_CHECKING:\n    from erkt.evaluation import metrics", "ensemble"),
        ("import stages.split", "pipeline"),
    ],
)
def test_an_import_upwards_is_found(line: str, floor: str) -> None:
    assert len(wrong_imports(line, floor)) == 1


def test_the_top_floor_has_a_few_doors() -> None:
    shown = {path.name for path in (ROOT / "erkt").iterdir() if path.name != "__pycache__"}
    assert len(shown) <= 24
    assert {name.removesuffix(".py") for name in shown} - set(FLOORS) == {"__init__", "py.typed"}


def test_every_stage_is_a_short_script_and_nothing_else_lies_there() -> None:
    named = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    scripts = {path.stem: path for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__"}
    assert scripts.keys() == named.keys()
    for path in scripts.values():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 64, path
