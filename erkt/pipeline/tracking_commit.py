"""Gives a commit its runs in MLflow: one for each stage, by the digest of its inputs, and a parent that refers to them all.

Everything that is made here can be made again without a trace: a run is known by the digest of its inputs and the digest of what
it holds, its times are the commit's, and MLflow keeps one copy of a param, point, tag or artifact that comes
twice. So a run that was left half filled is filled up, by the next call or by another one at the same time.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erkt.errors import ErktError
from erkt.files.json_file import write_json
from erkt.pipeline.git import Revision
from erkt.tracking import mlflow_store
from erkt.tracking.mlflow_run import (
    CONTENT,
    INPUTS,
    MADE_FROM,
    PARENT,
    Contents,
    StoredRun,
    create,
    delete_older,
    with_tag,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Found

_TRACKED = "erkt.tracked_commit"  # only a parent has it; a stage's erkt.commit is the one it started from


@dataclass(frozen=True)
class Record:
    """What a run is to hold, in the order in which a stage would tell it.

    ``metrics`` are numbers with their epoch, or None for those of no epoch; ``artifacts`` are files with the
    folder of the run that they go into.
    """

    name: str
    inputs: str
    params: Mapping[str, Any]
    metrics: Sequence[tuple[Mapping[str, float], int | None]]
    artifacts: Sequence[tuple[Path, str]]

    def content(self) -> str:
        """Return the digest of metrics and artifacts."""
        contents = Contents()
        for values, step in self.metrics:
            contents.add_metrics(values, step)
        for file, folder in self.artifacts:
            contents.add_artifact(file, folder)
        return contents.digest()


@dataclass(frozen=True)
class Tracked:
    """The run of the commit, and the names of the stages whose runs were made now."""

    run_id: str
    made: list[str]


def track_commit(
    uri: str, experiment: str, revision: Revision, stages: Sequence[Record], whole: Record
) -> Tracked:
    """Make what is missing in the store at ``uri``; twice in a row changes nothing.

    A stage keeps the finished run that has its inputs and holds the same. Else one is made, and older ones with
    its inputs that no commit refers to are deleted, as MLflow does it. The parent, named like ``whole``, holds what
    ``whole`` holds and ``runs.json``: the inputs and the run of each stage. A stage's run belongs to as many
    commits as refer to it, and MLflow's page shows it below the first.

    Two calls at the same moment on a server may make two runs where one would do. Which of them stays does not
    depend on who was first; of the stages' runs the next call deletes the others.

    Raises ErktError if the store cannot be used.
    """
    try:
        client, experiment_id = mlflow_store.patiently(lambda: mlflow_store.connect(uri, experiment))
        store = _Store(client, experiment_id, revision)
        return mlflow_store.patiently(lambda: store.track(stages, whole))
    except ErktError as error:
        raise ErktError(mlflow_store.told(error)) from None
    # As in erkt.tracking.mirror: dozens of types of MLflow, SQLAlchemy, requests and the disk, whose traceback helps
    # nobody. What was written stays, and the next call completes it.
    except Exception as error:
        raise ErktError(f"{mlflow_store.masked(uri)}: {mlflow_store.told(error)}") from error


class _Store:
    """One experiment of a store, for the runs of one commit."""

    def __init__(self, client: "MlflowClient", experiment: str, revision: Revision) -> None:
        self._client, self._experiment, self._revision = client, experiment, revision
        self._made: list[str] = []

    def track(self, stages: Sequence[Record], whole: Record) -> Tracked:
        parents = self._parents()
        runs = [self._stage_run(record, parents) for record in stages]
        references = {
            record.name: {"inputs": record.inputs, "run_id": run.info.run_id}
            for record, run in zip(stages, runs, strict=True)
        }
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "runs.json"
            write_json(listed, references)
            artifacts = [*whole.artifacts, (listed, "")]
            record = Record(whole.name, whole.inputs, whole.params, whole.metrics, artifacts)
            parent, others = self._commit_run(record)
        for run in runs:
            former = run.data.tags.get(PARENT)
            if former is None or former in others:
                self._client.set_tag(run.info.run_id, PARENT, parent)
        return Tracked(parent, self._made)

    def _stage_run(self, record: Record, parents: "list[Found]") -> "Found":
        content = record.content()
        same = [
            run
            for run in with_tag(self._client, self._experiment, INPUTS, record.inputs)
            if run.data.tags.get(CONTENT) == content
        ]
        finished = [run for run in same if run.info.status == "FINISHED"]
        begun = [run for run in same if run.info.status != "FINISHED" and MADE_FROM in run.data.tags]
        if finished:
            kept, *twins = sorted(finished, key=lambda run: (PARENT not in run.data.tags, run.info.run_id))
            here = {None, *(parent.info.run_id for parent in parents)}
            self._delete(run for run in twins + begun if run.data.tags.get(PARENT) in here)
            return kept
        tags = {INPUTS: record.inputs, "erkt.stage": record.name, "erkt.dirty": "false", MADE_FROM: "files"}
        run = begun[0] if begun else self._create(record, content, tags)
        self._fill(run, record)
        delete_older(self._client, self._experiment, run)
        self._made.append(record.name)
        return run

    def _commit_run(self, record: Record) -> tuple[str, set[str]]:
        """Return the run of the commit, and the ids of others that it had or still has."""
        content = record.content()
        run, *left = self._active_parents() or [
            self._create(record, content, {_TRACKED: self._revision.commit})
        ]
        self._delete(left)
        if run.info.status != "FINISHED" or run.data.tags.get(CONTENT) != content:
            self._fill(run, record)
        # A call at the same moment may have made another one; all that have finished agree on the first.
        kept, *twins = [run for run in self._active_parents() if run.info.status == "FINISHED"]
        self._delete(twins)
        return kept.info.run_id, {run.info.run_id for run in self._parents()} - {kept.info.run_id}

    def _active_parents(self) -> "list[Found]":
        """Return the runs of this commit that are not deleted: finished ones first, then by their id."""
        active = [run for run in self._parents() if run.info.lifecycle_stage == "active"]
        return sorted(active, key=lambda run: (run.info.status != "FINISHED", run.info.run_id))

    def _delete(self, runs: "Iterable[Found]") -> None:
        for run in runs:
            self._client.delete_run(run.info.run_id)

    def _parents(self) -> "list[Found]":
        """Return all runs that this commit ever had, deleted ones included."""
        from mlflow.entities import ViewType

        of_commit = f"tags.`{_TRACKED}` = '{self._revision.commit}'"
        return list(self._client.search_runs([self._experiment], of_commit, ViewType.ALL))

    def _create(self, record: Record, content: str, tags: Mapping[str, str]) -> "Found":
        own = {"erkt.commit": self._revision.commit, CONTENT: content}
        if self._revision.experiment:
            own["erkt.dvc_experiment"] = self._revision.experiment
        start = self._revision.authored
        return create(self._client, self._experiment, record.name, {**own, **tags}, start)

    def _fill(self, run: "Found", record: Record) -> None:
        stored = StoredRun(self._client, run.info.run_id, run.info.start_time)
        stored.params(record.params)
        for values, step in record.metrics:
            stored.metrics(values, step)
        for file, folder in record.artifacts:
            stored.artifact(file, folder)
        stored.end("FINISHED")
