"""Threads that compute side by side: NumPy lets go of the interpreter's lock while it works.

The matrix library's own threads meet at every single product, and wait for each other in a loop
that takes the processor from whatever else runs: on a busy machine a product then takes tens of
times as long. So a training that is worth it cuts its work into large pieces instead, one for
each thread of a team, with a library that computes each product in one thread.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bpnet.threads import blas

ENOUGH = 1 << 23
"""Multiplications in the matrix products of a forward pass from which it pays to share a step.

Below that it takes hardly more time than waking threads.
"""

LEAST = 16
"""Rows of a batch for each thread: products of fewer rows are less efficient."""

Work = Callable[[int], object]


class Team:
    """A number of threads, the caller's own among them, that do one piece of work each."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._gather()

    def _gather(self) -> None:
        self._process = os.getpid()
        self._members = [_Member(number) for number in range(1, self.size)]
        self._busy = threading.Lock()

    def run(self, work: Work) -> None:
        """Call ``work(0)`` to ``work(size - 1)`` side by side; return when all of them are over.

        If somebody else's work goes on, they are called one after the other instead. NumPy's
        error state is the caller's.

        Raises
        ------
        BaseException
            The first error of a piece, in their order, after all are over.
        """
        if self._process != os.getpid():  # a forked process has none of its parent's threads
            self._gather()
        if not self._busy.acquire(blocking=False):
            for number in range(self.size):
                work(number)
            return
        try:
            own: BaseException | None = None
            try:
                for member in self._members:
                    member.start(work)
                work(0)
            except BaseException as error:
                own = error
            errors = [own, *(member.finish() for member in self._members)]
        finally:
            self._busy.release()
        first = next(filter(None, errors), None)
        if first is not None:
            raise first


class _Member:
    """One thread that waits for work."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._work: Work | None = None
        self._context = contextvars.copy_context()
        self._error: BaseException | None = None
        self._idle = True
        self._go, self._over = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._over.acquire()
        threading.Thread(target=self._serve, name=f"bpnet-{number}", daemon=True).start()

    def start(self, work: Work) -> None:
        self._work, self._context = work, contextvars.copy_context()
        self._idle = False
        self._go.release()

    def finish(self) -> BaseException | None:
        """Wait until the work is over, whatever a signal's handler raises; return its error."""
        interrupted: BaseException | None = None
        while not self._idle:
            try:
                self._over.acquire()
            except BaseException as error:
                interrupted = error
        found, self._error = self._error, None
        return found or interrupted

    def _serve(self) -> None:
        while True:
            self._go.acquire()
            assert self._work is not None
            try:
                self._context.run(self._work, self._number)
            except BaseException as error:
                self._error = error
            self._work = None
            self._idle = True
            if self._over.locked():  # else it was told before, and nobody had to wait for it
                self._over.release()


_size = 1
_teams: dict[int, Team] = {}


def use(threads: int, *, as_team: bool) -> None:
    """Say with how many threads this process computes, at best before NumPy is imported.

    Afterwards only a library that can still be told has another number. Where it can't, all stays
    as it is, and only where products take one thread there can be a team.

    Parameters
    ----------
    threads
        How many.
    as_team
        Whether they are a team's, or those of the library for matrix products.
    """
    global _size
    products = 1 if as_team else threads
    if "numpy" not in sys.modules:
        os.environ.update(dict.fromkeys(blas.VARIABLES, str(products)))
    elif not blas.set_threads(products) and not (as_team and _one_by_environment()):
        return
    _size = threads if as_team else 1


def _one_by_environment() -> bool:
    """Say whether products take one thread, as other programs arrange it for their workers."""
    return "1" in (os.environ.get(name) for name in blas.VARIABLES)


class _Users:
    """Those who compute with other threads than the process had: how many, and what it had."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.size = 1
        self.products: int | None = None


_users = _Users()


@contextmanager
def using(threads: int, *, as_team: bool) -> Iterator[None]:
    """Compute with so many threads, as `use` says it, and then with those of before again.

    The threads are the whole process's: who comes while another one computes takes what is set.
    """
    global _size
    with _users.lock:
        first = not _users.count
        if first:
            _users.size, _users.products = _size, blas.threads()
        _users.count += 1
    try:
        if first:  # whatever others do meanwhile
            use(threads, as_team=as_team)
        yield
    finally:
        with _users.lock:
            _users.count -= 1
            if not _users.count:
                _size = _users.size
                if _users.products is not None:
                    blas.set_threads(_users.products)


def size() -> int:
    """Return how many threads a team may have in this process."""
    return _size


def team(size: int) -> Team | None:
    """Return this process's team of that size; None for one thread."""
    if size == 1:
        return None
    if size not in _teams:
        _teams[size] = Team(size)
    return _teams[size]
