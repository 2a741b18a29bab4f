import threading
from collections.abc import Iterator

import pytest

from bpnet.data.ahead import made_ahead
from bpnet.errors import DataError


def test_the_items_are_the_same_in_the_same_order():
    with made_ahead(iter(range(100))) as items:
        assert list(items) == list(range(100))
        assert list(items) == []  # the end stays the end


def test_falsy_items_are_items():
    with made_ahead(iter([0, None, b"", [], 0.0])) as items:
        assert list(items) == [0, None, b"", [], 0.0]


def test_an_error_comes_after_the_items_before_it_and_again():
    def failing() -> Iterator[int]:
        yield 1
        raise DataError("cut short", "t.csv")

    with made_ahead(failing()) as items:
        assert next(items) == 1
        for _ in range(2):
            with pytest.raises(DataError, match="cut short"):
                next(items)


def test_items_are_made_while_the_one_before_is_in_use():
    made = threading.Semaphore(0)

    def counting() -> Iterator[int]:
        for i in range(5):
            made.release()
            yield i

    with made_ahead(counting()) as items:
        assert next(items) == 0
        assert made.acquire(timeout=60)  # the first
        assert made.acquire(timeout=60)  # and the second, which nobody has asked for


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_no_thread_is_left_and_little_is_made_when_nobody_takes_the_rest(taken):
    count = 0

    def counting() -> Iterator[int]:
        nonlocal count
        while count < 1000:
            count += 1
            yield count

    before = threading.active_count()
    with made_ahead(counting()) as items:
        for _ in range(taken):
            next(items)
    assert threading.active_count() == before
    assert count <= taken + 3
