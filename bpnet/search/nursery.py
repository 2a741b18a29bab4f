"""What runs in the nursery and in the workers that it forks, and how both are spoken to.

Messages are texts behind their lengths. Neither process returns to the code that forked it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

Work = Callable[[Mapping[str, Any]], dict[str, Any]]
"""What workers do: it takes and returns what JSON holds."""

NO_MORE = -1
"""What the nursery answers instead of a process id if the system lets it make no more."""

_SIZE = struct.Struct("!Q")
_DEATH = 1  # PR_SET_PDEATHSIG


def send(line: socket.socket, text: str) -> None:
    """Send a message."""
    data = text.encode()
    line.sendall(_SIZE.pack(len(data)) + data)


def receive(line: socket.socket) -> str | None:
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


def run_nursery(
    control: socket.socket, parent: int, work: Work, on_stop: Callable[[], None]
) -> None:
    """Fork workers on demand, and say how they ended."""
    code = 1
    try:
        _die_with(parent)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
            signal.signal(number, signal.SIG_IGN)
        # A worker hears this one, also if it comes before that worker is ready for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
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
            pid = NO_MORE
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
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        while not leaving and (text := receive(line)) is not None:
            busy = True
            send(line, json.dumps(work(json.loads(text))))
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
