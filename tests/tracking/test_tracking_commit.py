"""The runs of a commit in a store, from records that are made up."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tracked import dump, empty_database, no_settings, picture

from erkt.errors import ErktError
from erkt.params.tracking import Tracking
from erkt.pipeline.git import Revision
from erkt.pipeline.tracking_commit import Record, Tracked, track_commit
from erkt.tracking.mirror import track

COMMIT = Revision("a" * 40, "first", 1_700_000_000_000, "")
NEXT = Revision("b" * 40, "second", 1_800_000_000_000, "odd-cat")
CURVE = [({"loss": 1 / 3, "val_oa": 50.0}, 1), ({"loss": 0.25, "val_oa": 62.5}, 2)]
WRITES = ("create_run", "log_batch", "log_artifact", "set_tag", "set_terminated", "delete_run")


@pytest.fixture(scope="module", autouse=True)
def clean_environment() -> Iterator[None]:
    with no_settings():
        yield


class Store:
    """A fresh store, two stages and what the commit holds."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        self.uri = f"sqlite:///{root / 'mlflow.db'}"
        (root / "mlflow.db").write_bytes(empty_database())
        for name in ("curve.csv", "summary.json"):
            (root / name).write_text(f"content of {name}")
        self.train = Record("train@0", "k1", {"recipe": {"epochs": 2}}, CURVE, [(root / "curve.csv", "")])
        self.split = Record("split@0", "k2", {"split.percent": 60}, [], [])
        params, shown = {"seeds": [0], "split": {"percent": 60}}, [(root / "summary.json", "metrics")]
        self.whole = Record("whole", "", params, [({"oa": 1 / 3}, None)], shown)

    def track(
        self, revision: Revision = COMMIT, stages: Sequence[Record] = (), experiment: str = "scenes"
    ) -> Tracked:
        return track_commit(self.uri, experiment, revision, stages or [self.train, self.split], self.whole)

    def live(self, record: Record) -> contextlib.AbstractContextManager[Any]:
        """Start the run that the stage itself would make."""
        return track(
            Tracking(True, "scenes"),
            inputs=record.inputs,
            stage=record.name,
            params=record.params,
            tags={"commit": "0" * 40, "dirty": "true"},
            root=self.root,
            environment={},
            warn=pytest.fail,
        )

    def run_live(self, record: Record) -> None:
        with self.live(record) as run:
            for values, step in record.metrics:
                run.metrics(values, step)
            for file, _ in record.artifacts:
                run.artifact(file)

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def runs(self) -> dict[str, Any]:
        """Return the runs that are not deleted, by name; a name that two have is an error."""
        found = self.client.search_runs([self.client.get_experiment_by_name("scenes").experiment_id])
        assert len({run.info.run_name for run in found}) == len(found)
        return {run.info.run_name: run for run in found}

    def picture(self, experiment: str = "scenes") -> dict[str, dict[str, Any]]:
        return picture(self.uri, experiment)

    def referred(self, tracked: Tracked) -> dict[str, str]:
        """Return the runs that the commit's run refers to, by stage."""
        listed = self.root / "mlartifacts" / tracked.run_id / "artifacts/runs.json"
        return {stage: entry["run_id"] for stage, entry in json.loads(listed.read_text()).items()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_commit_gets_its_runs_and_the_second_time_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    tracked = store.track(NEXT)
    assert tracked.made == ["train@0", "split@0"]
    before, shown, runs = dump(store.root), store.picture(), store.runs()
    with monkeypatch.context() as patch:
        for name in WRITES:
            patch.delattr(MlflowClient, name)
        assert store.track(NEXT) == Tracked(tracked.run_id, [])
    assert dump(store.root) == before

    stage_tags = {"erkt.commit": "b" * 40, "erkt.dirty": "false", "erkt.made_from": "files"}
    stage_tags |= {"erkt.dvc_experiment": "odd-cat", "mlflow.parentRunId": tracked.run_id}
    own = {"erkt.inputs": "k1", "erkt.stage": "train@0", "mlflow.runName": "train@0"}
    assert len(shown["train@0"]["tags"].pop("erkt.content")) == 64
    assert shown["train@0"] == {
        "status": "FINISHED",
        "tags": {**stage_tags, **own},
        "params": {"recipe.epochs": "2"},
        "metrics": {"loss": [(1, 0.333333), (2, 0.25)], "val_oa": [(1, 50.0), (2, 62.5)]},
        "artifacts": {"curve.csv": b"content of curve.csv"},
    }
    assert shown["split@0"]["params"] == {"split.percent": "60"}
    whole = shown["whole"]
    assert whole["params"] == {"seeds": "[0]", "split.percent": "60"}
    assert whole["metrics"] == {"oa": [(0, 1 / 3)]}
    assert whole["tags"]["erkt.commit"] == "b" * 40
    assert set(whole["artifacts"]) == {"metrics/summary.json", "runs.json"}
    assert runs["whole"].info.run_id == tracked.run_id
    assert json.loads(whole["artifacts"]["runs.json"]) == {
        name: {"inputs": key, "run_id": runs[name].info.run_id}
        for name, key in (("train@0", "k1"), ("split@0", "k2"))
    }
    assert {(run.info.start_time, run.info.end_time) for run in runs.values()} == {(NEXT.authored,) * 2}


def test_a_live_run_is_used_and_one_from_files_is_the_same(store: Store, tmp_path: Path) -> None:
    store.run_live(store.train)
    (live,) = store.runs().values()
    assert store.track().made == ["split@0"]
    train = store.runs()["train@0"]
    assert train.info == live.info
    assert (train.data.tags["erkt.commit"], train.data.tags["erkt.dirty"]) == ("0" * 40, "true")

    other = Store(tmp_path / "other")
    other.track()
    ran, made = store.picture()["train@0"], other.picture()["train@0"]
    assert ran["tags"]["erkt.content"] == made["tags"]["erkt.content"]
    for shown in (ran, made):
        del shown["tags"]
    assert ran == made


def fails(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.live(store.train):
        raise ZeroDivisionError


def never_ends(store: Store) -> None:
    store.live(store.train).__enter__()


def had_another_result(store: Store) -> None:
    store.run_live(replace(store.train, metrics=[({"loss": 0.5}, 1), *CURVE[1:]]))


def kept_another_file(store: Store) -> None:
    content = (store.root / "curve.csv").read_text()
    (store.root / "curve.csv").write_text("another")
    store.run_live(store.train)
    (store.root / "curve.csv").write_text(content)


@pytest.mark.parametrize("happens", [fails, never_ends, had_another_result, kept_another_file])
def test_a_live_run_that_does_not_hold_the_result_is_replaced(
    store: Store, happens: Callable[[Store], None]
) -> None:
    happens(store)
    (live,) = store.runs().values()
    assert store.track(NEXT).made == ["train@0", "split@0"]
    run = store.runs()["train@0"]
    assert run.info.run_id != live.info.run_id
    assert run.data.metrics == {"loss": 0.25, "val_oa": 62.5}


def test_a_live_run_after_the_commit_does_not_take_its_run_away(store: Store) -> None:
    """Another machine gets another result from the same inputs; then the same once more."""
    tracked = store.track()
    run_id = store.runs()["train@0"].info.run_id
    had_another_result(store)
    store.run_live(store.train)
    assert store.track() == Tracked(tracked.run_id, [])
    assert store.referred(tracked)["train@0"] == run_id
    assert store.client.get_run(run_id).info.lifecycle_stage == "active"


def test_one_run_belongs_to_many_commits_and_lies_below_the_first(store: Store) -> None:
    first = store.track()
    before = store.runs()
    store.whole = replace(store.whole, name="second")
    second = store.track(NEXT, [replace(store.train, inputs="k3", name="train@0 again"), store.split])
    assert second.made == ["train@0 again"]
    runs = store.runs()
    assert {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()} == {
        "whole": None,
        "train@0": first.run_id,
        "split@0": first.run_id,
        "second": None,
        "train@0 again": second.run_id,
    }
    assert store.referred(second)["split@0"] == before["split@0"].info.run_id
    assert store.track().run_id == first.run_id
    assert store.runs().keys() == runs.keys()


@pytest.fixture
def before_write(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Lets something happen once, before the n-th write to the store from now on."""
    from mlflow import MlflowClient

    left, happens = 0, lambda: None

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                happens()
            return call(*arguments, **named)

        return write

    for name in WRITES:
        monkeypatch.setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))

    def arm(number: int, what: Callable[[], None]) -> None:
        nonlocal left, happens
        left, happens = number, what

    return arm


class StoppedError(Exception):
    pass


def test_a_call_that_stopped_at_any_point_is_completed_by_the_next(
    store: Store, before_write: Callable[[int, Callable[[], None]], None]
) -> None:
    """Stop before each write in turn, always in an experiment of its own."""

    def stop() -> None:
        raise StoppedError

    def shape(experiment: str) -> dict[str, dict[str, Any]]:
        """Return its picture without the ids of runs."""
        shown = store.picture(experiment)
        del shown["whole"]["artifacts"]["runs.json"], shown["whole"]["tags"]["erkt.content"]
        for name in ("train@0", "split@0"):
            del shown[name]["tags"]["mlflow.parentRunId"]
        return shown

    store.track(experiment="whole")
    number, stopped = 0, True
    while stopped:
        number += 1
        before_write(number, stop)
        try:
            store.track(experiment=f"stopped {number}")
            stopped = False
        except ErktError:
            store.track(experiment=f"stopped {number}")
        assert shape(f"stopped {number}") == shape("whole")
    assert number > 15


def test_two_calls_end_with_one_run_for_each_whenever_the_second_comes(
    store: Store, before_write: Callable[[int, Callable[[], None]], None]
) -> None:
    """The second call does all its work before one write of the first, each in turn."""
    number, second = 0, list[Tracked]()
    while number == len(second):
        number += 1
        commit = replace(COMMIT, commit=f"{number:040}")
        stages = [
            replace(store.train, inputs=f"k1-{number}"),
            replace(store.split, inputs=f"k2-{number}"),
        ]

        def come(commit: Revision = commit, stages: Sequence[Record] = stages) -> None:
            second.append(store.track(commit, stages))

        before_write(number, come)
        first = store.track(commit, stages)
        before_write(0, come)  # no more
        assert store.track(commit, stages) == Tracked(first.run_id, [])
        runs = store.runs()
        assert store.referred(first) == {name: runs[name].info.run_id for name in ("train@0", "split@0")}
        assert runs["whole"].info.run_id == first.run_id
        for name in ("train@0", "split@0"):
            assert runs[name].data.tags["mlflow.parentRunId"] == first.run_id
        for run in runs.values():
            store.client.delete_run(run.info.run_id)
    assert number > 15


def test_a_row_that_another_call_writes_in_the_same_moment_is_found_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    refusals = {
        "log_batch": "(sqlite3.IntegrityError) UNIQUE constraint failed: params.key, params.run_uuid",
        "set_tag": '(psycopg2.errors.UniqueViolation) duplicate key value violates constraint "tag_pk"',
    }

    def refused(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any, **named: Any) -> Any:
            call(*arguments, **named)  # by the other one
            if name in refusals:
                raise MlflowException(refusals.pop(name))

        return written

    for name in list(refusals):
        monkeypatch.setattr(MlflowClient, name, refused(name, getattr(MlflowClient, name)))
    store.track()
    assert refusals == {}
    shown = store.picture()
    assert set(shown) == {"train@0", "split@0", "whole"}
    assert shown["train@0"]["metrics"] == {
        "loss": [(1, 0.333333), (2, 0.25)],
        "val_oa": [(1, 50.0), (2, 62.5)],
    }


def test_a_run_that_somebody_deleted_is_made_again(store: Store) -> None:
    first = store.track()
    store.client.delete_run(store.runs()["train@0"].info.run_id)
    assert store.track() == Tracked(first.run_id, ["train@0"])
    assert store.referred(first)["train@0"] == store.runs()["train@0"].info.run_id
    store.client.delete_run(first.run_id)
    other = store.track()
    assert other.run_id != first.run_id
    for name in ("train@0", "split@0"):
        assert store.runs()[name].data.tags["mlflow.parentRunId"] == other.run_id


def test_what_a_repeated_request_left_behind_goes(store: Store) -> None:
    """A server that answers late is asked again, and has then made two runs."""
    tracked = store.track()
    before = store.picture()
    for run in store.runs().values():
        tags = {name: text for name, text in run.data.tags.items() if name != "mlflow.parentRunId"}
        store.client.create_run(run.info.experiment_id, run.info.start_time, tags)
    assert store.track() == Tracked(tracked.run_id, [])
    assert store.picture() == before


def test_a_store_that_cannot_be_used_is_one_line_without_the_password(store: Store) -> None:
    (store.root / "broken.db").write_bytes(b"no database at all " * 100)
    for uri, reason in (
        (
            "postgresql://user:secret@host/db",
            r"^postgresql://\*\*\*@host/db is no store for tracking; use sqlite",
        ),
        (f"sqlite:///{store.root}/broken.db", r"broken.db: DatabaseError: file is not a database$"),
    ):
        with pytest.raises(ErktError, match=reason):
            track_commit(uri, "scenes", COMMIT, [], store.whole)
