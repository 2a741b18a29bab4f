"""Trials on an executor: handed out in order, written down as they end, tried again if killed."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import asdict, dataclass, field
from typing import Any

from bpnet.errors import RefusedError
from bpnet.runs import durable
from bpnet.search import remote
from bpnet.search.store import Store, Trial
from bpnet.search.task import Outcome, Task

ATTEMPTS = 3
"""How often a trial may lose its process before it counts as failed."""

GRACE = 20.0
"""Seconds that trials have to save their state when the search is stopped."""

PAUSE = 1.0
"""Seconds between two times that what has ended is made durable."""

TICK = 0.1
"""Seconds between two looks at the clock and at signals."""


@dataclass
class Crew:
    """Who carries out the trials.

    Attributes
    ----------
    executor
        Any executor.
    width
        How many tasks it works on at a time.
    ask_to_stop
        Lets the tasks that run save what they have and end; None where there is no way to.
    local
        Whether the tasks run on this machine, so that it can make durable what they write.
    """

    executor: Executor
    width: int
    ask_to_stop: Callable[[], None] | None = None
    local: bool = False


@dataclass
class Progress:
    """What is going on; the same object is updated again and again.

    Attributes
    ----------
    running
        Trials that are handed out and not back.
    ended
        The trial that ended last.
    stop
        Set from outside to hand out no more trials.
    """

    running: list[Trial] = field(default_factory=list)
    ended: Trial | None = None
    stop: bool = False


def run(
    todo: Sequence[Trial],
    task_of: Callable[[Trial], Task],
    may_start: Callable[[Trial], bool],
    store: Store,
    crew: Crew,
    progress: Progress,
    *,
    fail_fast: bool = False,
) -> Iterator[Progress]:
    """Carry out trials; yield after each that ends, and every tenth of a second.

    Ends early, with trials left, if `progress.stop` is set or, with `fail_fast`, one fails.

    Raises
    ------
    RefusedError
        If the operating system refuses in a trial, or the executor broke.
    """
    with contextlib.closing(_Books(store, crew)) as books:
        yield from _run(todo, task_of, may_start, books, crew, progress, fail_fast)


class _Books:
    """Writes down what became of trials, once their files are durable.

    Making durable takes a while, so it is done for many trials at a time, beside the work.
    """

    def __init__(self, store: Store, crew: Crew) -> None:
        self._store = store
        self._local = crew.local
        self._new: list[Trial] = []
        self._leaving: list[Trial] = []
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "bpnet-durable")
        self._syncing: Future[None] | None = None
        self._at = time.monotonic()

    def enter(self, trial: Trial) -> None:
        """Note a trial that has ended."""
        if not self._local:
            self._store.record(trial)
            return
        self._new.append(trial)

    def turn(self, *, now: bool = False) -> None:
        """Write down what is durable, and see to it that the rest becomes so."""
        if self._syncing is not None and (now or self._syncing.done()):
            self._syncing.result()
            self._syncing = None
            self._store.record(*self._leaving)
            self._at = time.monotonic()
        wanted = self._new and (now or time.monotonic() - self._at >= PAUSE)
        if wanted and self._syncing is None:
            self._leaving, self._new = self._new, []
            folder = self._store.path.parent
            self._syncing = self._thread.submit(durable.synchronize, folder)
            if now:
                self.turn(now=True)

    def close(self) -> None:
        """Write down all."""
        try:
            self.turn(now=True)
        finally:
            self._thread.shutdown()


def _run(
    todo: Sequence[Trial],
    task_of: Callable[[Trial], Task],
    may_start: Callable[[Trial], bool],
    books: _Books,
    crew: Crew,
    progress: Progress,
    fail_fast: bool,
) -> Iterator[Progress]:
    queue = deque(todo)
    pending: dict[Future[dict[str, Any]], Trial] = {}
    lost: Counter[int] = Counter()
    until: float | None = None
    yield progress  # before anything has happened
    while pending or (queue and not progress.stop):
        while queue and not progress.stop and len(pending) < 2 * crew.width and may_start(queue[0]):
            trial = queue.popleft()
            task = task_of(trial)
            task.synchronized = crew.local
            pending[_submit(crew, task)] = trial
        progress.running = list(pending.values())[: crew.width]
        if not pending:
            raise AssertionError("a trial waits for one that comes later")
        done, _ = concurrent.futures.wait(pending, TICK, concurrent.futures.FIRST_COMPLETED)
        progress.ended = None
        for future in done:
            trial = pending.pop(future)
            outcome = _outcome(future, lost, trial, progress.stop)
            if outcome is None:
                queue.appendleft(trial)
                continue
            if outcome.state == "refused":
                raise RefusedError(outcome.reason)
            if len(outcome.curve) < len(trial.outcome.curve):  # what a pause showed stays true
                outcome.curve = trial.outcome.curve
            trial.outcome = outcome
            books.enter(trial)
            if fail_fast and outcome.state == "failed":
                progress.stop = True
                if crew.ask_to_stop is not None:
                    crew.ask_to_stop()
            progress.ended = trial
            yield progress
            progress.ended = None
        if progress.stop:
            until = until or time.monotonic() + (GRACE if crew.ask_to_stop else 0)
            for future in list(pending):
                if future.cancel() or time.monotonic() > until:
                    del pending[future]
        books.turn()
        yield progress


def _submit(crew: Crew, task: Task) -> Future[dict[str, Any]]:
    try:
        return crew.executor.submit(remote.carry_out, asdict(task))
    except (BrokenExecutor, RuntimeError) as error:
        raise RefusedError(
            f"the workers can't go on: {error}; run the same command again"
        ) from error


def _outcome(
    future: Future[dict[str, Any]], lost: Counter[int], trial: Trial, stopping: bool
) -> Outcome | None:
    """Return what became of a trial; None if it is to be tried again."""
    try:
        outcome = Outcome(**future.result())
        if outcome.state != "interrupted":
            return outcome
        how = "interrupted from outside"
    except CancelledError:
        return None
    except BrokenExecutor as error:
        raise RefusedError(f"the workers are gone ({error}); run the same command again") from error
    except Exception as error:
        how = f"{str(error) or type(error).__name__} (out of memory, perhaps)"
    if stopping:
        return None
    lost[trial.number] += 1
    if lost[trial.number] < ATTEMPTS:
        return None
    return Outcome("failed", "killed", f"its process was lost {ATTEMPTS} times: {how}")
