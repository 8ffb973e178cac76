from erkt.evaluation.timing import in_turns


def test_every_round_calls_all_and_begins_with_another() -> None:
    """On a clock of its own, which goes on by what a call takes."""
    now, order = [0.0], []
    takes = {"one": 1.0, "two": 10.0, "three": 100.0}

    def call(name: str) -> None:
        order.append(name)
        now[0] += takes[name]

    seconds = in_turns({name: lambda name=name: call(name) for name in takes}, 4, lambda: now[0])
    assert seconds == {name: [cost] * 4 for name, cost in takes.items()}
    assert order[:3] == ["one", "two", "three"], "a round that does not count"
    rounds = [order[start : start + 3] for start in range(3, 15, 3)]
    assert [one[0] for one in rounds] == ["one", "two", "three", "one"]
    assert all(set(one) == set(takes) for one in rounds)
