"""Worker processes, as an executor whose every future fails alone.

A nursery process is forked while the parent is still of one thread; it forks the workers, also
those that replace killed ones, so all of them share what the parent had in memory. Tasks and
results travel as JSON; a worker knows one function, which it inherited. If the parent dies,
the kernel kills the nursery, and then the workers (Linux: PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import struct
import threading
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

Work = Callable[[Mapping[str, Any]], dict[str, Any]]

_SIZE = struct.Struct("!Q")
_DEATH = 1  # PR_SET_PDEATHSIG
_NO_MORE = -1
"""What the nursery answers instead of a process id if the system lets it make no more."""


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
        self._lock = threading.Lock()
        self._bell, self._ear = socket.socketpair()
        self._control, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        gc.freeze()
        with warnings.catch_warnings():  # the threads of BLAS are no danger: they hold no lock
            warnings.simplefilter("ignore", DeprecationWarning)
            self._nursery = os.fork()
        if not self._nursery:
            _run_nursery(there, parent, work, on_stop)
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
            self._waiting.append((json.dumps(args[0]), future))
        self._ring()
        return future

    def ask_to_stop(self) -> None:
        """Ask every worker to save what it does and end its task soon."""
        with self._lock:
            for worker in self._workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGTERM)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End: after the tasks that run, or, without `wait`, at once."""
        with self._lock:
            self._closing = True
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
                if not self._waiting:
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
                _send(worker.line, text)
            except OSError:
                self._bury(worker, chooser)

    def _hire(self) -> _Worker | None:
        here, there = socket.socketpair()
        socket.send_fds(self._control, [b"fork"], [there.fileno()])
        there.close()
        pid = int(self._answer())
        if pid == _NO_MORE:
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
            text = _receive(worker.line)
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
            future.set_exception(BrokenExecutor(f"the workers are gone: {error}"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _send(line: socket.socket, text: str) -> None:
    data = text.encode()
    line.sendall(_SIZE.pack(len(data)) + data)


def _receive(line: socket.socket) -> str | None:
    """Return the next message; None at the end, also in the middle of one."""
    head = _exactly(line, _SIZE.size)
    body = _exactly(line, _SIZE.unpack(head)[0]) if head is not None else None
    return None if body is None else body.decode()


def _exactly(line: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = line.recv(min(count - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


# What runs in the nursery and in the workers. Neither returns.


def _run_nursery(
    control: socket.socket, parent: int, work: Work, on_stop: Callable[[], None]
) -> None:
    """Fork workers on demand, and say how they ended."""
    code = 1
    try:
        _die_with(parent)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU):
            signal.signal(number, signal.SIG_IGN)
        # Nothing of the parent's is kept open: its lock above all, which ends with it alone.
        os.closerange(3, control.fileno())
        os.closerange(control.fileno() + 1, 1 << 16)
        _serve(control, work, on_stop)
        code = 0
    finally:
        os._exit(code)


def _serve(control: socket.socket, work: Work, on_stop: Callable[[], None]) -> None:
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
        if not message:
            return
        if not descriptors:
            _, status = os.waitpid(int(message), 0)
            control.send(str(status).encode())
            continue
        nursery = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            pid = _NO_MORE
        if not pid:
            control.close()
            _run_worker(socket.socket(fileno=descriptors[0]), nursery, work, on_stop)
        os.close(descriptors[0])
        control.send(str(pid).encode())


def _run_worker(line: socket.socket, nursery: int, work: Work, on_stop: Callable[[], None]) -> None:
    code = 1
    busy = leaving = False

    def end_soon(number: int, frame: object) -> None:
        nonlocal leaving
        if not busy:
            os._exit(0)
        leaving = True
        on_stop()

    try:
        _die_with(nursery)
        signal.signal(signal.SIGTERM, end_soon)
        while not leaving and (text := _receive(line)) is not None:
            busy = True
            _send(line, json.dumps(work(json.loads(text))))
            busy = False
        code = 0
    finally:
        os._exit(code)


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, however that ends."""
    with contextlib.suppress(OSError, AttributeError):  # other systems: the closed line ends it
        ctypes.CDLL(None, use_errno=True).prctl(_DEATH, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
