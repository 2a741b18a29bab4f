"""Working side by side: a thread makes every other item while its caller makes those between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

ROOM = 3
"""Items that are taken before the first of them is asked for: two in the making, one ready."""


@contextmanager
def made_side_by_side(
    items: Iterator[Item], make: Callable[[Item], Made]
) -> Iterator[Iterator[Made]]:
    """Let a thread help to make something of each item.

    It pays where most of the time goes into reading, hashing, decompressing and operations on
    long vectors, which leave the interpreter to other threads. What the caller asks for and is
    not there yet he makes himself; if the thread is at it, he makes the one behind it meanwhile.
    The thread ends with the block; what it waits for then must come to an end by itself, as a
    file does and a pipe does not.

    Parameters
    ----------
    items
        Taken one after the other, now by the thread, now by the caller; nobody else may take
        from it before the end of the block.
    make
        Called with each item, at times in both threads at once.

    Yields
    ------
    Iterator
        What was made, in the order of the items. An error comes in the place of its item, or of
        the next item if there was none to be had.
    """
    pair = _Pair(items, make)
    try:
        yield pair
    finally:
        pair.close()


class _Pair(Generic[Item, Made]):
    def __init__(self, items: Iterator[Item], make: Callable[[Item], Made]) -> None:
        self._items = items
        self._make = make
        self._made: dict[int, Made | BaseException] = {}
        self._taken = self._asked = 0
        """How many items were taken, and how many have been asked for and given."""
        self._ended = False
        self._taking, self._changed = Lock(), Condition()
        self._thread = Thread(target=self._help, name="side by side", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Made]:
        return self

    def __next__(self) -> Made:
        while self._asked not in self._made:
            if not self._make_next():
                with self._changed:
                    self._changed.wait_for(lambda: self._asked in self._made)
        made = self._made[self._asked]
        if isinstance(made, BaseException):
            raise made
        with self._changed:
            del self._made[self._asked]
            self._asked += 1
            self._changed.notify()
        return made

    def close(self) -> None:
        """Wait until the thread has ended."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _help(self) -> None:
        while not self._ended:
            if not self._make_next():
                with self._changed:
                    self._changed.wait_for(lambda: self._ended or self._has_room)

    @property
    def _has_room(self) -> bool:
        return self._taken - self._asked < ROOM

    def _make_next(self) -> bool:
        """Take an item and make something of it; return False if there is none, or no room."""
        with self._taking:
            if self._ended or not self._has_room:
                return False
            place, self._taken = self._taken, self._taken + 1
            try:
                item = next(self._items)
            except BaseException as error:
                self._ended = True
                return self._keep(place, error)
        try:
            return self._keep(place, self._make(item))
        except BaseException as error:
            return self._keep(place, error)

    def _keep(self, place: int, made: Made | BaseException) -> bool:
        with self._changed:
            self._made[place] = made
            self._changed.notify_all()
        return True
