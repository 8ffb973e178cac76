"""The runs of a commit in a store, from records that are made up."""

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tracked import dump, empty_database, no_settings, picture

from erkt.errors import ErktError
from erkt.params.tracking import Tracking
from erkt.pipeline import tracking_commit
from erkt.pipeline.git import Revision
from erkt.pipeline.tracking_commit import Record, Tracked
from erkt.tracking.mirror import track

COMMIT = Revision("a" * 40, "first", 1_700_000_000_000, "")
NEXT = Revision("b" * 40, "second", 1_800_000_000_000, "odd-cat")
CURVE = [({"loss": 1 / 3, "val_oa": 50.0}, 1), ({"loss": 0.25, "val_oa": 62.5}, 2)]


@pytest.fixture(scope="module", autouse=True)
def clean_environment() -> Iterator[None]:
    with no_settings():
        yield


class Store:
    """A fresh store, two stages and what the commit holds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "mlflow.db").write_bytes(empty_database())
        for name in ("curve.csv", "summary.json"):
            (root / name).write_text(f"content of {name}")
        self.train = Record("train@0", "k1", {"recipe": {"epochs": 2}}, CURVE, [(root / "curve.csv", "")])
        self.split = Record("split@0", "k2", {"split.percent": 60}, [], [])
        shown = [(root / "summary.json", "metrics")]
        self.whole = Record(
            "whole", "", {"seeds": [0], "split": {"percent": 60}}, [({"oa": 1 / 3}, None)], shown
        )

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.root / 'mlflow.db'}"

    def track(self, revision: Revision = COMMIT, stages: Sequence[Record] = ()) -> Tracked:
        both = stages or [self.train, self.split]
        return tracking_commit.track_commit(self.uri, "scenes", revision, both, self.whole)

    def live(self, record: Record, inputs: str = "") -> contextlib.AbstractContextManager[Any]:
        """Start the run that the stage itself would make."""
        return track(
            Tracking(True, "scenes"),
            inputs=inputs or record.inputs,
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

    def runs(self) -> dict[str, Any]:
        """Return the runs that are not deleted, by name."""
        from mlflow import MlflowClient

        client = MlflowClient(self.uri)
        found = client.search_runs([client.get_experiment_by_name("scenes").experiment_id])
        assert len({run.info.run_name for run in found}) == len(found)
        return {run.info.run_name: run for run in found}

    def picture(self) -> dict[str, dict[str, Any]]:
        return picture(self.uri, "scenes")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


WRITES = ("create_run", "log_batch", "log_artifact", "set_tag", "set_terminated", "delete_run")


def test_a_commit_gets_its_runs_and_the_second_time_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    tracked = store.track(NEXT)
    assert tracked.made == ["train@0", "split@0"]
    before, shown = dump(store.root), store.picture()
    with monkeypatch.context() as patch:
        for name in WRITES:
            patch.delattr(MlflowClient, name)
        assert store.track(NEXT) == Tracked(tracked.run_id, [])
    assert dump(store.root) == before

    ids = {name: run.info.run_id for name, run in store.runs().items()}
    assert ids["whole"] == tracked.run_id
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
    assert shown["whole"]["params"] == {"seeds": "[0]", "split.percent": "60"}
    assert shown["whole"]["metrics"] == {"oa": [(0, 1 / 3)]}
    assert shown["whole"]["tags"]["erkt.commit"] == "b" * 40
    assert set(shown["whole"]["artifacts"]) == {"metrics/summary.json", "runs.json"}
    for name, key in (("train@0", "k1"), ("split@0", "k2")):
        assert (
            f'"inputs": "{key}",\n    "run_id": "{ids[name]}"'
            in shown["whole"]["artifacts"]["runs.json"].decode()
        )
    assert {(run.info.start_time, run.info.end_time) for run in store.runs().values()} == {
        (NEXT.authored,) * 2
    }


def test_a_live_run_is_used_and_one_from_files_is_the_same(store: Store, tmp_path: Path) -> None:
    store.run_live(store.train)
    (live,) = store.runs().values()
    assert store.track().made == ["split@0"]
    train = store.runs()["train@0"]
    assert train.info == live.info
    assert train.data.tags["erkt.commit"] == "0" * 40
    assert train.data.tags["erkt.dirty"] == "true"

    (tmp_path / "other").mkdir()
    other = Store(tmp_path / "other")
    other.track()
    ran, made = store.picture()["train@0"], other.picture()["train@0"]
    assert ran["tags"]["erkt.content"] == made["tags"]["erkt.content"]
    assert {key: ran[key] for key in ran.keys() - {"tags"}} == {
        key: made[key] for key in made.keys() - {"tags"}
    }


def fails(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.live(store.train):
        raise ZeroDivisionError


def is_killed(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.live(store.train):
        raise KeyboardInterrupt


def never_ends(store: Store) -> None:
    store.live(store.train).__enter__()


def had_another_result(store: Store) -> None:
    store.run_live(replace(store.train, metrics=[({"loss": 0.5}, 1), *CURVE[1:]]))


def kept_another_file(store: Store) -> None:
    content = (store.root / "curve.csv").read_text()
    (store.root / "curve.csv").write_text("another")
    store.run_live(store.train)
    (store.root / "curve.csv").write_text(content)


@pytest.mark.parametrize("happens", [fails, is_killed, never_ends, had_another_result, kept_another_file])
def test_a_live_run_that_does_not_hold_the_result_is_replaced(
    store: Store, happens: Callable[[Store], None]
) -> None:
    happens(store)
    (live,) = store.runs().values()
    assert store.track(NEXT).made == ["train@0", "split@0"]
    run = store.runs()["train@0"]
    assert run.info.run_id != live.info.run_id
    assert run.data.metrics == {"loss": 0.25, "val_oa": 62.5}


def test_one_run_belongs_to_many_commits_and_lies_below_the_first(store: Store) -> None:
    first = store.track()
    before = store.runs()
    store.whole = replace(store.whole, name="second")
    changed = replace(store.train, inputs="k3", name="train@0 again")
    second = store.track(NEXT, [changed, store.split])
    assert second.made == ["train@0 again"]
    runs = store.runs()
    assert runs["split@0"].data.tags == before["split@0"].data.tags
    assert {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()} == {
        "whole": None,
        "train@0": first.run_id,
        "split@0": first.run_id,
        "second": None,
        "train@0 again": second.run_id,
    }
    listed = store.picture()["second"]["artifacts"]["runs.json"].decode()
    assert before["split@0"].info.run_id in listed
    assert store.track().run_id == first.run_id
    assert store.runs().keys() == runs.keys()


def test_a_live_run_after_the_commit_does_not_take_its_run_away(store: Store) -> None:
    """Another machine gets another result from the same inputs; then the same once more."""
    tracked = store.track()
    before = store.runs()["train@0"]
    had_another_result(store)
    from mlflow import MlflowClient

    assert MlflowClient(store.uri).get_run(before.info.run_id).info.lifecycle_stage == "active"
    store.run_live(store.train)
    assert store.track() == Tracked(tracked.run_id, [])
    assert store.runs()["train@0"].data.tags == before.data.tags
    assert store.runs()["train@0"].info == before.info


class StoppedError(Exception):
    pass


def test_a_call_that_stopped_at_any_point_is_completed_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop before each write in turn, always with a commit and keys of its own in the one store."""
    from mlflow import MlflowClient

    left = -1

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def stops(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise StoppedError
            return call(*arguments, **named)

        return stops

    for name in WRITES:
        monkeypatch.setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))

    def once(number: int) -> None:
        own = [replace(record, inputs=f"{record.inputs}-{number}") for record in (store.train, store.split)]
        tracking_commit.track_commit(
            store.uri, f"number {number}", replace(COMMIT, commit=f"{number:040}"), own, store.whole
        )

    once(0)
    expected = shape(store, 0)
    number = 0
    while left <= 0:  # until one call needs no more writes than it may make
        number += 1
        left = number
        with contextlib.suppress(ErktError):
            once(number)
        if left <= 0:
            once(number)
            assert shape(store, number) == expected, f"stopped before write {number}"
    assert number > 15


def shape(store: Store, number: int) -> dict[str, dict[str, Any]]:
    """Return the picture of an experiment without what differs from one to another by its nature."""
    shown = picture(store.uri, f"number {number}")
    for run in shown.values():
        for tag in ("erkt.commit", "erkt.tracked_commit", "erkt.inputs", "mlflow.parentRunId"):
            run["tags"].pop(tag, None)
        run["artifacts"].pop("runs.json", None)
    shown["whole"]["tags"].pop("erkt.content")  # it covers runs.json
    return shown


@pytest.mark.parametrize("place", ["train@0", "whole"])
def test_two_calls_at_the_same_moment_end_with_one_run_for_the_commit(
    store: Store, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The second call does all its work between the first one's search and the run that this makes."""
    create = tracking_commit.create
    inner: list[Tracked] = []

    def delayed(client: Any, experiment: str, name: str, *rest: Any) -> Any:
        if name == place and not inner:
            monkeypatch.setattr(tracking_commit, "create", create)
            inner.append(store.track())
        return create(client, experiment, name, *rest)

    monkeypatch.setattr(tracking_commit, "create", delayed)
    outer = store.track()
    assert len(inner) == 1
    assert len(_parents(store, deleted=False)) == 1
    settled = store.track()
    assert settled.made == []
    assert settled.run_id in {outer.run_id, inner[0].run_id}
    if place == "whole":
        assert settled.run_id == min(_parents(store, deleted=True)) == outer.run_id
    runs = store.runs()
    assert set(runs) == {"train@0", "split@0", "whole"}
    assert {runs[name].data.tags["mlflow.parentRunId"] for name in ("train@0", "split@0")} == {settled.run_id}
    listed = store.picture()["whole"]["artifacts"]["runs.json"].decode()
    assert runs["train@0"].info.run_id in listed
    before = dump(store.root)
    store.track()
    assert dump(store.root) == before


def test_a_call_leaves_the_run_that_another_has_just_made(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has filled it and has not yet come to the commit's run."""
    from mlflow import MlflowClient

    create = tracking_commit.create
    inner: list[Any] = []

    def delayed(client: Any, experiment: str, name: str, *rest: Any) -> Any:
        if not inner:
            monkeypatch.setattr(tracking_commit, "create", create)
            inner.append(tracking_commit._Store(client, experiment, COMMIT)._stage_run(store.train, []))
        return create(client, experiment, name, *rest)

    monkeypatch.setattr(tracking_commit, "create", delayed)
    store.track()
    found = MlflowClient(store.uri).get_run(inner[0].info.run_id)
    assert (found.info.lifecycle_stage, found.info.status) == ("active", "FINISHED")
    store.track()
    assert set(store.runs()) == {"train@0", "split@0", "whole"}  # an error if a name is there twice


@pytest.mark.parametrize(
    "reason",
    [
        "(sqlite3.IntegrityError) UNIQUE constraint failed: params.key, params.run_uuid",
        '(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "tag_pk"',
    ],
)
def test_a_row_that_another_call_writes_in_the_same_moment_is_found_there(
    store: Store, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    left = {"log_batch": 1, "set_tag": 1}

    def refused(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any, **named: Any) -> Any:
            call(*arguments, **named)  # by the other one
            left[name] -= 1
            if left[name] == 0:
                raise MlflowException(reason)

        return written

    for name in left:
        monkeypatch.setattr(MlflowClient, name, refused(name, getattr(MlflowClient, name)))
    store.track()
    assert max(left.values()) < 0
    shown = store.picture()
    assert shown["train@0"]["metrics"] == {
        "loss": [(1, 0.333333), (2, 0.25)],
        "val_oa": [(1, 50.0), (2, 62.5)],
    }
    assert set(shown) == {"train@0", "split@0", "whole"}


def test_a_run_that_another_call_deletes_in_favour_of_its_own_is_let_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_run = tracking_commit._Store._commit_run

    def after_the_other_one(own: Any, record: Record) -> Any:
        monkeypatch.setattr(tracking_commit._Store, "_commit_run", commit_run)
        own._client.delete_run(store.runs()["train@0"].info.run_id)
        tracking_commit._Store(own._client, own._experiment, COMMIT)._stage_run(store.train, [])
        return commit_run(own, record)

    monkeypatch.setattr(tracking_commit._Store, "_commit_run", after_the_other_one)
    tracked = store.track()
    runs = store.runs()
    assert set(runs) == {"train@0", "split@0", "whole"}
    assert runs["train@0"].data.tags["mlflow.parentRunId"] == tracked.run_id
    assert runs["train@0"].info.run_id in store.picture()["whole"]["artifacts"]["runs.json"].decode()


def _parents(store: Store, deleted: bool) -> list[str]:
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client, view = MlflowClient(store.uri), ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    experiment = client.get_experiment_by_name("scenes").experiment_id
    found = client.search_runs([experiment], "tags.`erkt.tracked_commit` LIKE '%'", view)
    return [run.info.run_id for run in found]


def test_a_run_that_somebody_deleted_is_made_again(store: Store) -> None:
    from mlflow import MlflowClient

    first = store.track()
    MlflowClient(store.uri).delete_run(store.runs()["train@0"].info.run_id)
    again = store.track()
    assert again == Tracked(first.run_id, ["train@0"])
    assert store.runs()["train@0"].info.run_id in store.picture()["whole"]["artifacts"]["runs.json"].decode()
    MlflowClient(store.uri).delete_run(first.run_id)
    other = store.track()
    assert other.run_id != first.run_id
    for name in ("train@0", "split@0"):
        assert store.runs()[name].data.tags["mlflow.parentRunId"] == other.run_id


def test_what_a_repeated_request_left_behind_goes(store: Store) -> None:
    """A server that answers late is asked again, and has then made two runs."""
    from mlflow import MlflowClient

    tracked = store.track()
    before = store.picture()
    client = MlflowClient(store.uri)
    for run in store.runs().values():
        tags = {name: text for name, text in run.data.tags.items() if name != "mlflow.parentRunId"}
        client.create_run(run.info.experiment_id, run.info.start_time, tags)
    assert store.track() == Tracked(tracked.run_id, [])
    assert store.picture() == before


def test_a_server_that_stays_silent_is_given_up_after_two_attempts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, nobody reads
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ErktError, match=rf"^{uri}: MlflowException: .*timeout=1") as caught:
            tracking_commit.track_commit(uri, "scenes", COMMIT, [], store.whole)
        silent.settimeout(0)
        attempts = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                attempts += 1
    assert attempts == 2
    assert "\n" not in str(caught.value)


def test_a_store_that_cannot_be_used_is_one_line_without_the_password(store: Store) -> None:
    for uri in ("file:///x", "postgresql://user:secret@host/db"):
        with pytest.raises(ErktError, match="is no store for tracking; use sqlite") as caught:
            tracking_commit.track_commit(uri, "scenes", COMMIT, [], store.whole)
        assert "secret" not in str(caught.value)
    (store.root / "broken.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(ErktError, match=r"broken.db: DatabaseError: file is not a database$"):
        tracking_commit.track_commit(f"sqlite:///{store.root}/broken.db", "scenes", COMMIT, [], store.whole)
