"""What a stage's code consists of: the modules of this repository that it imports, directly or not."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]

NEUTRAL = (
    "erkt/__init__.py",
    "erkt/errors.py",
    "erkt/files/artifacts.py",
    "erkt/files/digests.py",
    "erkt/files/json_file.py",
    "erkt/files/replace.py",
    "erkt/files/table_file.py",
    "erkt/files/yaml_file.py",
    "erkt/inflight/states.py",
    "erkt/inflight/stopping.py",
    "erkt/params/protocol.py",
    "erkt/params/runtime.py",
    "erkt/params/schema.py",
    "erkt/params/tracking.py",
    "erkt/pipeline/",
    "erkt/tracking/",
    "erkt/machine/",
    "stages/__init__.py",
)
"""What cannot change a result, only refuse, show, record or name: no stage declares it."""


def module_file(name: str) -> Path | None:
    """Return the file of a module of this repository, relative to its root."""
    for candidate in (Path(*name.split(".")).with_suffix(".py"), Path(*name.split("."), "__init__.py")):
        if (ROOT / candidate).is_file():
            return candidate
    return None


def is_empty(path: Path) -> bool:
    """Return whether a module holds nothing but a docstring and its version."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    return all(
        (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__")
        for node in body
    )


def imports(path: Path) -> set[Path]:
    """Return the repository's files that ``path`` imports anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    names |= {name.rpartition(".")[0] for name in names}
    return {
        file for name in names if name.split(".")[0] in ("erkt", "stages") and (file := module_file(name))
    }


def closure(path: Path) -> set[str]:
    """Return the files that decide what running ``path`` makes: what it imports, less what is neutral."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in found or file.as_posix().startswith(NEUTRAL):
            continue
        found.add(file)
        waiting.extend(imports(file))
    return {file.as_posix() for file in found if not is_empty(file)}


def neutral_files(path: Path) -> set[str]:
    """Return the neutral modules that running ``path`` imports, directly or not."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(imports(file))
    return {file.as_posix() for file in found if file.as_posix().startswith(NEUTRAL)}
