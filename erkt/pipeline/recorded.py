"""Whether dvc.lock describes what lies here, by DVC's own judgement."""

import json
import subprocess
import sys

from erkt.errors import ErktError

_SHOWN = 3


def check_recorded() -> None:
    """Raise ErktError naming the stages whose inputs or outputs are not those that dvc.lock holds."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        changed = list(json.loads(done.stdout))
    except ValueError:
        reason = " ".join(done.stderr.removeprefix("ERROR: ").split())
        raise ErktError(f"dvc status does not answer: {reason}") from None
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise ErktError(
            f"{', '.join(changed[:_SHOWN])}{more}: what lies here does not belong to the present code and "
            "params; run dvc repro and commit first"
        )
