"""docs/team.md: what a folder as remote, a table and a merge do. In the document's order, in one team.

The blocks that need servers, and those that cost more, are run by test_team_remotes.py.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from shell_blocks import Team, blocks, executed, restored
from team_origin import BLOCKS, make_team, objects

STUDENT = ["distill@0", "measure@0", "evaluate@0", "stress@0", "draw@0", "export@0", "summarize"]
IMAGES = ["download", "prepare"]
PAGE = ["report"]
CONFLICT = 1


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    made = make_team(tmp_path_factory)
    made.run("ana: name the remote, once for everybody")
    return made


def test_every_block_is_run_by_a_test() -> None:
    sources = [Path(__file__), Path(__file__).with_name("test_team_remotes.py")]
    tests = "".join(file.read_text(encoding="utf-8") for file in sources)
    assert [title for title in BLOCKS if f'"{title}"' not in tests] == []


@pytest.mark.parametrize(
    "text", ["    dvc push\n", "Ana:\n\n    # ana: a\n    x\n\n    # ana: a\n    y\n", "```\ndvc push\n```\n"]
)
def test_a_block_that_names_nobody_or_is_fenced_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"names nobody, or has another block's title|a fenced block"):
        blocks(text)


def test_images_are_never_pushed_and_everything_else_is(team: Team) -> None:
    team.run("ana: share what was made")
    kept = objects(team.folder / "ana/.dvc/cache") - objects(team.folder / "remote")
    lock = yaml.safe_load((team.folder / "ana/dvc.lock").read_text(encoding="utf-8"))
    outs = {out["path"]: out["md5"] for cell in lock["stages"].values() for out in cell["outs"]}
    images = {outs.pop(path) for path in ("data/archive", "data/prepared")}
    assert images < kept
    assert {md5 for path, md5 in outs.items() if path.startswith("data/")} <= objects(team.folder / "remote")


def test_a_fresh_clone_makes_the_images_and_pulls_the_rest(team: Team) -> None:
    printed = team.run("ben: a fresh clone")
    assert executed(printed) == IMAGES
    assert team.shell("ben", "git status --porcelain") == ""
    assert executed(team.shell("ben", "dvc repro")) == []


def test_results_without_images_need_no_run(team: Team) -> None:
    printed = team.run("guest: results without images")
    assert executed(printed) == restored(printed) == []
    assert not (team.folder / "guest/data/archive").exists()
    assert (team.folder / "guest/data/students/0/weights.safetensors").is_file()


@pytest.mark.slow
def test_two_people_at_once_run_what_they_change_and_compare_by_git_alone(team: Team) -> None:
    with ThreadPoolExecutor(2) as both:
        printed = list(both.map(team.run, ["ana: another ratio", "ben: another rate"]))
    assert [executed(text) for text in printed] == [STUDENT + PAGE, STUDENT + PAGE]
    ours = objects(team.folder / "ana/.dvc/cache")
    table = team.run("ana: both in one table")
    assert objects(team.folder / "ana/.dvc/cache") == ours
    for value in ("distill.loss_ratio", "distill.recipe.learning_rate", "student.oa.mean"):
        assert len(re.findall(value, table)) >= 2, f"{value} is not in the diff and in the table"


@pytest.mark.slow
def test_the_same_params_on_another_branch_train_nothing(team: Team) -> None:
    printed = team.run("ben: the same params on a branch of his own")
    assert (executed(printed), restored(printed)) == ([], STUDENT + PAGE)
    compare = "git fetch -q && git diff --stat origin/ana -- dvc.lock metrics ':!metrics/environment'"
    assert team.shell("ben", compare) == ""


@pytest.mark.slow
def test_a_merge_that_takes_one_side_runs_nothing(team: Team) -> None:
    team.run("ana: start a merge", status=CONFLICT)
    printed = team.run("ana: take ben's side")
    assert executed(printed) == restored(printed) == []
    assert team.shell("ana", "git diff ben --stat") == ""
