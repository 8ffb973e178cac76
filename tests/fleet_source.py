"""A repository that a worker of a fleet can fetch, without the pipeline, and a plan for it."""

import subprocess
from pathlib import Path
from typing import Any

from erkt.pipeline.fleet import worker


def plan_of(repository: Path, folder: Path, **others: Any) -> dict[str, Any]:
    """Return a plan of the commit of ``repository``, whose workers keep all below ``folder``."""
    commit = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return {
        "commit": commit,
        "source": str(repository),
        "clones": str(folder / "clones"),
        "versions": worker.versions(["numpy"]),
        "environment": {},
        "sidecars": "metrics/environment",
        "logs": "logs",
        "cache": str(folder / "cache"),
        "proofs": [],
        "settings": "[core]\n    analytics = false\n",
        "links": "    type = hardlink\n",
    } | others


def write_source(folder: Path) -> Path:
    """Make a repository whose code makes a "cell" by a few lines of its own; return it."""
    (folder / "erkt/pipeline/fleet").mkdir(parents=True)
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("")
    (folder / ".dvc/.gitignore").write_text("/tmp\n/config.local\n")
    for package in ("erkt", "erkt/pipeline", "erkt/pipeline/fleet"):
        (folder / package / "__init__.py").write_text("")
    (folder / "erkt/pipeline/fleet/cell.py").write_text(
        "import os, pathlib, sys, time\n"
        "pathlib.Path('leftover').write_text('')\n"
        "if sys.argv[1] == 'long':\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(600)\n"
        "if sys.argv[1] == 'bad':\n"
        "    sys.exit('error: bad: no such image\\nERROR: failed to reproduce')\n"
        "if sys.argv[1] == 'killed':\n"
        "    sys.exit('ERROR: failed to reproduce \\'killed\\': failed to run: python, exited with -9')\n"
        "pathlib.Path('metrics/environment').mkdir(parents=True)\n"
        "pathlib.Path('metrics/environment/split-0.json').write_text('{}')\n"
        "print(\"Running stage 'prepare':\\nRunning stage 'split@0':\")\n"
        "print(sorted(name for name in os.environ if name.startswith(('OMP_', 'RAY_', 'ERKT_'))))\n"
    )
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    """Commit everything."""
    for words in (["add", "-A"], ["commit", "-q", "-m", "code"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True)
