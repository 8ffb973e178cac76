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

        Those of a step get six significant digits, as ``erkt.files.csv_file.write_csv`` gives them: a curve is the
        same whether it comes from the training loop or from its file.
        """
        numbers = {_name(name): float(value) for name, value in values.items()}
        if step is not None:
            numbers = {name: float(f"{value:.6g}") for name, value in numbers.items()}
        self._metrics |= {f"{name} {step or 0}": value for name, value in numbers.items()}
        return list(numbers.items())

    def add_artifact(self, file: Path, folder: str = "") -> None:
        """Add a file that goes into ``folder`` of the run, under its own name."""
        self._artifacts[f"{folder}/{file.name}"] = sha256_file(file)

    def digest(self) -> str:
        """Return the sha256 of all that was added, in whatever order."""
        text = json.dumps([self._metrics, self._artifacts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class StoredRun:
    """A run in a store. Methods raise whatever MLflow raises; calling them twice with the same changes nothing.

    Args:
        client: the store.
        run_id: the run, as ``create`` or a search returned it.
        timestamp: milliseconds since 1970 for everything; None for the present.
    """

    def __init__(self, client: "MlflowClient", run_id: str, timestamp: int | None = None) -> None:
        self._client, self._run_id, self._timestamp = client, run_id, timestamp
        self._contents = Contents()
        self._waiting: list[Metric] = []

    def params(self, params: Mapping[str, Any]) -> None:
        """Keep params; nested ones get dotted names, long values are cut to MLflow's limit."""
        from mlflow.entities import Param
        from mlflow.utils.validation import (
            MAX_ENTITY_KEY_LENGTH,
            MAX_PARAM_VAL_LENGTH,
            MAX_PARAMS_TAGS_PER_BATCH,
        )

        flat = {name[:MAX_ENTITY_KEY_LENGTH]: text[:MAX_PARAM_VAL_LENGTH] for name, text in _flat(params)}
        batch = [Param(name, text) for name, text in flat.items()]
        for first in range(0, len(batch), MAX_PARAMS_TAGS_PER_BATCH):
            part = batch[first : first + MAX_PARAMS_TAGS_PER_BATCH]
            self._client.log_batch(self._run_id, params=part, synchronous=True)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Take numbers; ``send`` keeps them."""
        from mlflow.entities import Metric

        when = int(time.time() * 1000) if self._timestamp is None else self._timestamp
        points = self._contents.add_metrics(values, step)
        self._waiting += [Metric(name, value, when, step or 0) for name, value in points]

    def send(self) -> None:
        """Keep the metrics that wait."""
        from mlflow.utils.validation import MAX_METRICS_PER_BATCH

        for first in range(0, len(self._waiting), MAX_METRICS_PER_BATCH):
            part = self._waiting[first : first + MAX_METRICS_PER_BATCH]
            self._client.log_batch(self._run_id, metrics=part, synchronous=True)
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


def create(
    client: "MlflowClient", experiment: str, name: str, tags: Mapping[str, str], start: int | None = None
) -> "Found":
    """Make a run and return it; ``tags`` are cut to MLflow's limit, ``start`` is in ms since 1970 (None: now)."""
    from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

    cut = {key: text[:MAX_TAG_VAL_LENGTH] for key, text in tags.items()}
    return client.create_run(experiment, start, cut, name)


def with_tag(client: "MlflowClient", experiment: str, tag: str, value: str) -> "list[Found]":
    """Return the runs, deleted ones apart, whose ``tag`` is ``value``."""
    return list(client.search_runs([experiment], f"tags.`{tag}` = '{value}'"))


def delete_older(client: "MlflowClient", experiment: str, kept: "Found") -> None:
    """Delete the runs with the inputs of ``kept`` that started before it, as MLflow does it: they can be restored.

    Those that a commit refers to stay. So do those made from files that are being filled or hold the same as
    ``kept``: another process may be at work with them.
    """
    for other in with_tag(client, experiment, INPUTS, kept.data.tags[INPUTS]):
        tags = other.data.tags
        same = other.info.status == "RUNNING" or tags.get(CONTENT) == kept.data.tags.get(CONTENT)
        spared = PARENT in tags or (MADE_FROM in tags and same)
        older = other.info.run_id != kept.info.run_id and other.info.start_time <= kept.info.start_time
        if older and not spared:
            client.delete_run(other.info.run_id)


def _name(name: str) -> str:
    """Return ``name`` with an underscore for each character that MLflow does not take."""
    return re.sub(r"[^\w.\- /]", "_", name)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values as text; what is no string is spelt as JSON, which reads like YAML."""
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield (
                _name(f"{prefix}{name}"),
                value if isinstance(value, str) else json.dumps(value, default=str),
            )
