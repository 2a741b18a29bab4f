"""Working ahead: a thread makes the next items while its caller is busy with those before them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


@contextmanager
def made_ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """Let a thread take items from an iterator, one more than the caller has asked for.

    It pays where most of the time goes into reading, hashing, decompressing and operations on
    long vectors, which leave the interpreter to other threads. The thread ends with the block;
    what it waits for then must come to an end by itself, as a file does and a pipe does not.

    Parameters
    ----------
    items
        What to make; nobody else may take from it before the end of the block.

    Yields
    ------
    Iterator
        The same items. An error that making one raises comes in its place.
    """
    ahead = _Ahead(items)
    try:
        yield ahead
    finally:
        ahead.close()


class _End(Exception):
    """There are no more items."""


class _Ahead(Generic[Item]):
    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._made: Queue[Item | BaseException] = Queue(1)
        self._closed = Event()
        self._ended: BaseException | None = None
        self._thread = Thread(target=self._make, name="made ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        item = self._ended or self._made.get()
        if isinstance(item, BaseException):
            self._ended = item
            if isinstance(item, _End):
                raise StopIteration
            raise item
        return item

    def close(self) -> None:
        """Wait until the thread has ended."""
        self._closed.set()
        with suppress(Empty):
            self._made.get_nowait()  # where it waits for room there is some now
        self._thread.join()

    def _make(self) -> None:
        item: Item | BaseException
        while True:
            try:
                item = next(self._items, _End())
            except BaseException as error:
                item = error
            if self._closed.is_set():
                return
            self._made.put(item)
            if isinstance(item, BaseException):
                return
