"""Who wins: image by image, on the same list or not at all."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multinomial

from erkt.deploy.contest import Answers, Contest, compare, read
from erkt.errors import ErktError

RNG = np.random.default_rng(0)


def said(hits: list[bool]) -> Answers:
    return Answers(tuple((f"a/{place}.png", "a", "a" if hit else "b") for place, hit in enumerate(hits)))


def test_counts_and_difference_are_those_of_the_images() -> None:
    new, champion = RNG.random(400) < 0.9, RNG.random(400) < 0.8
    found = compare(said(list(new)), said(list(champion)), "it")
    assert (found.better, found.worse) == (int((new & ~champion).sum()), int((~new & champion).sum()))
    assert found.difference == pytest.approx(100 * (new.mean() - champion.mean()))
    assert said(list(new)).oa == pytest.approx(100 * new.mean())


def test_the_interval_is_that_of_resampled_images() -> None:
    """Against draws of the images themselves, one by one."""
    new, champion = RNG.random(300) < 0.9, RNG.random(300) < 0.85
    found = compare(said(list(new)), said(list(champion)), "it")
    gaps = new.astype(int) - champion.astype(int)
    means = 100 * gaps[np.random.default_rng(1).integers(300, size=(20_000, 300))].mean(axis=1)
    assert (found.low, found.high) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.35)


@pytest.mark.parametrize(
    ("better", "worse", "won"), [(12, 0, True), (30, 10, True), (12, 10, False), (0, 12, False)]
)
def test_it_wins_where_the_whole_interval_is_above_zero(better: int, worse: int, won: bool) -> None:
    new = [True] * better + [False] * worse + [True] * 200
    champion = [False] * better + [True] * worse + [True] * 200
    found = compare(said(new), said(champion), "it")
    assert found.won is won
    shares = [better / len(new), worse / len(new), 200 / len(new)]
    drawn = multinomial(len(new), shares).rvs(5000, random_state=0)
    assert bool((drawn[:, 0] > drawn[:, 1]).mean() > 0.975) is won


def test_equal_ones_do_not_beat_each_other() -> None:
    same = said([True, False] * 50)
    assert compare(same, same, "it") == Contest(100, 0.0, 0.0, 0.0, 0, 0)
    assert not compare(same, same, "it").won


def test_the_order_of_images_does_not_matter() -> None:
    one, other = (said(list(RNG.random(50) < 0.8)) for _ in range(2))
    assert compare(Answers(one.rows[::-1]), other, "it") == compare(one, other, "it")


@pytest.mark.parametrize("change", ["one more", "one less", "another name", "another class"])
def test_other_images_are_refused_in_one_line(change: str) -> None:
    base = said([True] * 10).rows
    changed = {
        "one more": (*base, ("a/new.png", "a", "a")),
        "one less": base[1:],
        "another name": (*base[1:], ("a/new.png", "a", "a")),
        "another class": (*base[1:], (base[0][0], "b", "b")),
    }[change]
    both = 10 if change == "one more" else 9
    message = f"not that of the champion: {len(changed)} and 10 images, {both} in both"
    with pytest.raises(ErktError, match=re.escape(message)):
        compare(Answers(changed), Answers(base), "the champion")


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table = Answers((("a/ü,1.png", "a", 'b"c'), ("b/2.png", "b", "b")))
    table.write(tmp_path / "table.csv")
    assert read(tmp_path / "table.csv") == table


@pytest.mark.parametrize(
    "text", ["", "key,actual\na,b\n", "key,actual,predicted\n", "key,actual,predicted\na,b,b\na,b,b\n"]
)
def test_another_table_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ErktError, match=r"table\.csv: "):
        read(tmp_path / "table.csv")
