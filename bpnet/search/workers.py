"""Worker processes, as an executor whose every future fails alone.

A nursery process is forked while the parent is still of one thread; it forks the workers, also
those that replace killed ones, so all of them share what the parent had in memory. Tasks and
results travel as JSON; a worker knows one function, which it inherited. If the parent dies,
the kernel kills the nursery, and then the workers (Linux: PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import threading
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from typing import Any, TypeVar

from bpnet.search.nursery import NO_MORE, Work, receive, run_nursery, send

T = TypeVar("T")


class WorkerDied(RuntimeError):
    """A worker process ended in the middle of a task, killed by a signal or by itself."""


@dataclass(eq=False)
class _Worker:
    """One process, as the parent sees it."""

    pid: int
    line: socket.socket
    future: Future[Any] | None = None


class Workers(Executor):
    """So many processes that carry out one function.

    Parameters
    ----------
    count
        How many processes at a time.
    work
        What they do: it takes and returns what JSON holds.
    on_stop
        Called in a worker that is asked to end soon (SIGTERM); by default nothing is.
    """

    def __init__(self, count: int, work: Work, on_stop: Callable[[], None] = lambda: None) -> None:
        self._count = count
        self._work = work
        self._waiting: deque[tuple[str, Future[Any]]] = deque()
        self._workers: list[_Worker] = []
        self._closing = False
        self._held = False
        self._lock = threading.RLock()  # a signal may ask to stop in the middle of `submit`
        self._bell, self._ear = socket.socketpair()
        self._control, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        gc.freeze()
        with warnings.catch_warnings():  # the threads of BLAS are no danger: they hold no lock
            warnings.simplefilter("ignore", DeprecationWarning)
            self._nursery = os.fork()
        if not self._nursery:
            run_nursery(there, parent, work, on_stop)
        gc.unfreeze()
        there.close()
        self._thread = threading.Thread(target=self._supervise, name="bpnet-workers", daemon=True)
        self._thread.start()

    @property
    def pids(self) -> list[int]:
        """The processes there are at the moment."""
        with self._lock:
            return [worker.pid for worker in self._workers]

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Queue a task; `fn` is the function that the workers know.

        Raises
        ------
        RuntimeError
            If the executor is shut down.
        """
        if fn is not self._work or len(args) != 1 or kwargs:
            raise TypeError("these workers carry out one function of one argument")
        future: Future[T] = Future()
        with self._lock:
            if self._closing:
                raise RuntimeError("the workers are shut down")
            self._held = False
            self._waiting.append((json.dumps(args[0]), future))
        self._ring()
        return future

    def ask_to_stop(self) -> None:
        """Ask every worker to save what it does and end its task soon.

        What waits is not begun until another task is submitted.
        """
        with self._lock:
            self._held = True
            for worker in self._workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGTERM)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End: after the tasks that run, or, without `wait`, at once."""
        with self._lock:
            self._closing = True
            self._held = False
            dropped = list(self._waiting) if cancel_futures or not wait else []
            if dropped:
                self._waiting.clear()
        for _, future in dropped:
            if future.cancel():
                future.set_running_or_notify_cancel()  # whoever waits for it hears of it
        if not wait:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._nursery, signal.SIGKILL)
        self._ring()
        self._thread.join()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    # The supervising thread.

    def _supervise(self) -> None:
        chooser = selectors.DefaultSelector()
        chooser.register(self._ear, selectors.EVENT_READ)
        try:
            while not self._is_over():
                self._hand_out(chooser)
                for key, _ in chooser.select():
                    if key.data is None:
                        self._ear.recv(4096)
                    else:
                        self._hear(key.data, chooser)
        except OSError as error:  # the nursery is gone
            self._break(error)
        finally:
            chooser.close()
            for line in (self._control, self._bell, self._ear, *(w.line for w in self._workers)):
                line.close()
            os.waitpid(self._nursery, 0)

    def _is_over(self) -> bool:
        with self._lock:
            busy = any(worker.future is not None for worker in self._workers)
            return self._closing and not self._waiting and not busy

    def _hand_out(self, chooser: selectors.BaseSelector) -> None:
        """Give waiting tasks to idle workers; there are as many as are needed, up to the count."""
        while True:
            with self._lock:
                if self._held or not self._waiting:
                    return
                worker = next((w for w in self._workers if w.future is None), None)
                if worker is None and len(self._workers) >= self._count:
                    return
                text, future = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            if worker is None:
                worker = self._hire()
                if worker is None:
                    future.set_exception(WorkerDied("the system allows no further process"))
                    continue
                chooser.register(worker.line, selectors.EVENT_READ, worker)
            worker.future = future
            try:
                send(worker.line, text)
            except OSError:
                self._bury(worker, chooser)
                continue
            with self._lock:
                if self._held:  # it was asked for before this worker was known
                    os.kill(worker.pid, signal.SIGTERM)

    def _hire(self) -> _Worker | None:
        here, there = socket.socketpair()
        socket.send_fds(self._control, [b"fork"], [there.fileno()])
        there.close()
        pid = int(self._answer())
        if pid == NO_MORE:
            here.close()
            return None
        worker = _Worker(pid, here)
        with self._lock:
            self._workers.append(worker)
        return worker

    def _answer(self) -> bytes:
        answer = self._control.recv(64)
        if not answer:
            raise OSError("their nursery has ended")
        return answer

    def _hear(self, worker: _Worker, chooser: selectors.BaseSelector) -> None:
        try:
            text = receive(worker.line)
        except OSError:
            text = None
        if text is None:
            self._bury(worker, chooser)
            return
        future, worker.future = worker.future, None
        if future is not None:
            future.set_result(json.loads(text))

    def _bury(self, worker: _Worker, chooser: selectors.BaseSelector) -> None:
        chooser.unregister(worker.line)
        worker.line.close()
        self._control.send(f"{worker.pid}".encode())
        status = int(self._answer())
        with self._lock:
            self._workers.remove(worker)
        if worker.future is not None:
            code = os.waitstatus_to_exitcode(status)
            how = f"killed by {_signal_name(-code)}" if code < 0 else f"ended with {code}"
            worker.future.set_exception(WorkerDied(how))

    def _break(self, error: OSError) -> None:
        with self._lock:
            self._closing = True
            futures = [w.future for w in self._workers if w.future is not None]
            futures += [f for _, f in self._waiting if f.set_running_or_notify_cancel()]
            self._waiting.clear()
        for future in futures:
            future.set_exception(BrokenExecutor(str(error)))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
