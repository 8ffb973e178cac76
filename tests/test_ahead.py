import threading

import pytest

from erkt.ahead import ahead


def test_everything_comes_in_order_and_is_made_in_another_thread() -> None:
    makers = set()

    def make(item: int) -> int:
        makers.add(threading.get_ident())
        return item * item

    assert list(ahead(make, range(50))) == [item * item for item in range(50)]
    assert list(ahead(make, [])) == []
    assert len(makers) >= 1
    assert threading.get_ident() not in makers


def test_the_next_is_made_before_the_current_is_done_with_and_no_further() -> None:
    made: list[int] = []
    second = threading.Event()

    def make(item: int) -> int:
        made.append(item)
        if item == 1:
            second.set()
        return item

    results = ahead(make, range(9))
    assert next(results) == 0
    assert second.wait(10), "the second is made while the first is used"
    assert made == [0, 1]
    assert next(results) == 1


def test_an_error_comes_where_its_result_is_due() -> None:
    results = ahead(lambda item: 1 // item, [2, 1, 0, 3])
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    results = ahead(lambda item: item, range(9))
    next(results)
    results.close()
    assert threading.active_count() == before
