import threading
import time
from collections.abc import Iterator

import pytest

from bpnet.data.ahead import ROOM, made_side_by_side
from bpnet.errors import DataError


def doubled(number: int) -> int:
    return 2 * number


def test_what_is_made_comes_in_the_order_of_the_items():
    def slower_at_times(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))
        return 2 * number

    with made_side_by_side(iter(range(100)), slower_at_times) as made:
        assert list(made) == list(range(0, 200, 2))
        assert list(made) == []  # the end stays the end


def test_falsy_items_are_items():
    with made_side_by_side(iter([0, None, b"", [], 0.0]), lambda item: item) as made:
        assert list(made) == [0, None, b"", [], 0.0]


def test_an_error_of_an_item_comes_after_those_before_it_and_again():
    def failing() -> Iterator[int]:
        yield 1
        raise DataError("cut short", "t.csv")

    with made_side_by_side(failing(), doubled) as made:
        assert next(made) == 2
        for _ in range(2):
            with pytest.raises(DataError, match="cut short"):
                next(made)


def test_an_error_in_the_making_comes_in_its_place():
    def make(number: int) -> int:
        if number == 3:
            raise DataError("three", "t.csv")
        return number

    with made_side_by_side(iter(range(10)), make) as made:
        assert [next(made) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(DataError, match="three"):
            next(made)


def test_two_items_are_made_at_the_same_time_and_by_the_caller_too():
    both = threading.Barrier(2, timeout=60)
    threads = set()

    def make(number: int) -> int:
        if number < 2:
            both.wait()  # breaks if nobody else comes
        threads.add(threading.current_thread())
        return number

    with made_side_by_side(iter(range(10)), make) as made:
        assert list(made) == list(range(10))
    assert len(threads) == 2
    assert threading.current_thread() in threads


@pytest.mark.parametrize("asked", [0, 1, 5])
def test_no_thread_is_left_and_little_is_made_when_nobody_asks_for_the_rest(asked):
    count = 0

    def counting() -> Iterator[int]:
        nonlocal count
        while count < 1000:
            count += 1
            yield count

    before = threading.active_count()
    with made_side_by_side(counting(), doubled) as made:
        for _ in range(asked):
            next(made)
    assert threading.active_count() == before
    assert count <= asked + ROOM
