"""One run in MLflow, filled piece by piece: by a stage as it goes, or later from the files that it left.

Both ways lead to the same run, and its tag ``erkt.content`` says so: a digest of its metrics and artifacts.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erkt.files.digests import sha256_file
from erkt.tracking.mlflow_store import masked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.entities import Run as Found

INPUTS, CONTENT, MADE_FROM = "erkt.inputs", "erkt.content", "erkt.made_from"
PARENT = "mlflow.parentRunId"  # MLflow's own: its page shows a run below its parent


class Contents:
    """What a run holds: metrics by name and step, and the sha256 of artifacts by their path in the run."""

    def __init__(self) -> None:
        self._metrics: dict[str, float] = {}
        self._artifacts: dict[str, str] = {}

    def add_metrics(self, values: Mapping[str, float], step: int | None) -> list[tuple[str, float]]:
        """Add numbers; return them as MLflow takes them.

        Those of a step get six significant digits, as ``erkt.files.csv_file.write_csv`` gives them: a curve
        is the same whether it comes from the training loop or from its file.
        """
        numbers = {_name(name): float(value) for name, value in values.items()}
        if step is not None:
            numbers = {name: float(f"{value:.6g}") for name, value in numbers.items()}
        self._metrics |= {f"{name} {step or 0}": value for name, value in numbers.items()}
        return list(numbers.items())

    def add_artifact(self, file: Path, folder: str) -> None:
        """Add a file that goes into ``folder`` of the run ("" for the run itself), under its own name."""
        self._artifacts[f"{folder}/{file.name}"] = sha256_file(file)

    def digest(self) -> str:
        """Return the sha256 of all that was added, in whatever order."""
        text = json.dumps([self._metrics, self._artifacts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class StoredRun:
    """A run in a store. Methods raise whatever MLflow raises; the same call twice changes nothing.

    Args:
        client: the store.
        found: the run, as the client returned it.
        timestamp: milliseconds since 1970 for everything; None for the present.
    """

    def __init__(self, client: "MlflowClient", found: "Found", timestamp: int | None = None) -> None:
        self._client, self._found, self._timestamp = client, found, timestamp
        self._run_id = found.info.run_id
        self._contents = Contents()
        self._waiting: list[Metric] = []

    def params(self, params: Mapping[str, Any]) -> None:
        """Keep params; nested ones get dotted names, and MLflow cuts long values to its limit."""
        from mlflow.entities import Param

        flat = [Param(name, text) for name, text in _flat(params)]
        self._client.log_batch(self._run_id, params=flat, synchronous=True)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Take numbers; ``send`` keeps them."""
        from mlflow.entities import Metric

        when = int(time.time() * 1000) if self._timestamp is None else self._timestamp
        points = self._contents.add_metrics(values, step)
        self._waiting += [Metric(name, value, when, step or 0) for name, value in points]

    def send(self) -> None:
        """Keep the metrics that wait."""
        self._client.log_batch(self._run_id, metrics=self._waiting, synchronous=True)
        self._waiting = []

    def artifact(self, file: Path, folder: str = "") -> None:
        """Keep a copy of a file, in ``folder`` of the run, under its name."""
        self._client.log_artifact(self._run_id, str(file), folder or None)
        self._contents.add_artifact(file, folder)

    def end(self, status: str) -> None:
        """Send what waits and end the run; one that FINISHED says what it holds."""
        self.send()
        if status == "FINISHED":
            self._client.set_tag(self._run_id, CONTENT, self._contents.digest())
        self._client.set_terminated(self._run_id, status, self._timestamp)

    def fail(self) -> None:
        """End the run as one that lacks something."""
        self._client.set_terminated(self._run_id, "FAILED")

    def delete_others(self) -> None:
        """Delete the other runs with the same inputs that no commit refers to, restorably.

        Those that stages began after this one stay; who fills a run from files makes it again if it is gone.
        """
        own = self._found
        for other in with_tag(self._client, own.info.experiment_id, INPUTS, own.data.tags[INPUTS]):
            tags = other.data.tags
            spared = other.info.run_id == self._run_id or PARENT in tags
            if not spared and (MADE_FROM in tags or other.info.start_time <= own.info.start_time):
                self._client.delete_run(other.info.run_id)


def with_tag(client: "MlflowClient", experiment: str, tag: str, value: str) -> "list[Found]":
    """Return the runs, deleted ones apart, whose ``tag`` is ``value``."""
    return list(client.search_runs([experiment], f"tags.`{tag}` = '{value}'"))


def _name(name: str) -> str:
    """Return ``name`` with an underscore for each character that MLflow does not take."""
    return re.sub(r"[^\w.\- /]", "_", name)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values as text; what is no string is spelt as JSON, which reads like YAML.

    What is secret in an address is left out: more people may read a server than the repository.
    """
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield _name(f"{prefix}{name}"), masked(text)
