"""Gives a commit its runs in MLflow: one for each stage, and a parent that refers to them all.

What is made here can be made again without a trace: a run is known by the digest of its inputs and the digest
of what it holds, its times are the commit's, and MLflow keeps one copy of a param, point, tag or artifact
that comes twice.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erkt.errors import ErktError
from erkt.files.json_file import write_json
from erkt.pipeline.git import Revision
from erkt.tracking import mlflow_store
from erkt.tracking.mlflow_run import CONTENT, INPUTS, MADE_FROM, PARENT, Contents, StoredRun, with_tag

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

    A stage keeps the finished run that has its inputs and holds the same. Else one is made, and others with
    its inputs that no commit refers to are deleted, as MLflow does it. The parent, named like ``whole``,
    holds what ``whole`` holds and ``runs.json``: the inputs and the run of each stage. A stage's run belongs
    to as many commits as refer to it, and MLflow's page shows it below the first.

    Several calls at once agree on one run for each. What a call that was killed left is deleted by the next.
    Raises ErktError if the store cannot be used.
    """
    try:
        client, experiment_id = mlflow_store.patiently(lambda: mlflow_store.connect(uri, experiment))
        store = _Store(client, experiment_id, revision)
        return mlflow_store.patiently(lambda: store.track(stages, whole))
    except ErktError as error:
        raise ErktError(mlflow_store.told(error)) from None
    # As in erkt.tracking.mirror: dozens of types of MLflow, SQLAlchemy, requests and the disk, whose
    # traceback helps nobody. What was written stays, and the next call completes it.
    except Exception as error:
        raise ErktError(f"{mlflow_store.masked(uri)}: {mlflow_store.told(error)}") from error


class _Store:
    """One experiment of a store, for the runs of one commit."""

    def __init__(self, client: "MlflowClient", experiment: str, revision: Revision) -> None:
        self._client, self._experiment, self._revision = client, experiment, revision

    def track(self, stages: Sequence[Record], whole: Record) -> Tracked:
        made: list[str] = []
        runs = [self._stage_run(record, made) for record in stages]
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "runs.json"
            pairs = zip(stages, runs, strict=True)
            references = {
                record.name: {"inputs": record.inputs, "run_id": run.info.run_id} for record, run in pairs
            }
            write_json(listed, references)
            parent = self._commit_run(replace(whole, artifacts=[*whole.artifacts, (listed, "")]))
        gone = {run.info.run_id for run in self._parents(deleted=True)}
        for run in runs:
            if run.data.tags.get(PARENT) in {None, *gone}:
                self._client.set_tag(run.info.run_id, PARENT, parent)
        return Tracked(parent, made)

    def _stage_run(self, record: Record, made: list[str]) -> "Found":
        content = record.content()

        def finished() -> "list[Found]":
            found = with_tag(self._client, self._experiment, INPUTS, record.inputs)
            same = [run for run in found if _holds(run, content)]
            return sorted(same, key=lambda run: (PARENT not in run.data.tags, run.info.run_id))

        while not finished():  # a live run that ends at this moment with another result deletes what was made
            tags = {
                INPUTS: record.inputs,
                "erkt.stage": record.name,
                "erkt.dirty": "false",
                MADE_FROM: "files",
            }
            self._fill(self._create(record, tags), record)
            made.append(record.name)
        kept = finished()[0]  # the same one in all calls at this moment
        StoredRun(self._client, kept).delete_others()
        return kept

    def _commit_run(self, record: Record) -> str:
        content = record.content()
        run = next(iter(self._parents()), None) or self._create(record, {_TRACKED: self._revision.commit})
        if not _holds(run, content):
            self._fill(run, record)
        kept, *others = self._parents()
        for other in others:
            self._client.delete_run(other.info.run_id)
        return str(kept.info.run_id)

    def _parents(self, deleted: bool = False) -> "list[Found]":
        """Return the runs of this commit itself: finished ones first, then by their id."""
        from mlflow.entities import ViewType

        view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        of_commit = f"tags.`{_TRACKED}` = '{self._revision.commit}'"
        found = self._client.search_runs([self._experiment], of_commit, view)
        return sorted(found, key=lambda run: (run.info.status != "FINISHED", run.info.run_id))

    def _create(self, record: Record, tags: Mapping[str, str]) -> "Found":
        own = {"erkt.commit": self._revision.commit, **tags}
        if self._revision.experiment:
            own["erkt.dvc_experiment"] = self._revision.experiment
        return self._client.create_run(self._experiment, self._revision.authored, own, record.name)

    def _fill(self, run: "Found", record: Record) -> None:
        stored = StoredRun(self._client, run, run.info.start_time)
        stored.params(record.params)
        for values, step in record.metrics:
            stored.metrics(values, step)
        for file, folder in record.artifacts:
            stored.artifact(file, folder)
        stored.end("FINISHED")


def _holds(run: "Found", content: str) -> bool:
    return run.info.status == "FINISHED" and run.data.tags.get(CONTENT) == content
