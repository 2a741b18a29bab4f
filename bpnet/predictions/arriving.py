"""Bytes of a pipe as they arrive: soon where they are few, in large blocks where they are many."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
from typing import IO

PIPE = 1 << 20
"""Bytes that may wait in a pipe: the most that Linux grants to everybody."""

START = 64
"""Bytes that tell what a stream holds."""


class Arriving:
    """A stream that hands out what has arrived, and waits only while nothing has.

    So rows that are typed, or sent one by one, are read one by one; of rows that come faster than
    they are used, as many as were asked for are read at once.

    Parameters
    ----------
    stream
        Standard input, or another stream of bytes.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._held = b""
        self._ended = False
        self._descriptor: int | None = None
        with contextlib.suppress(OSError):  # bytes in memory have no descriptor
            self._descriptor = stream.fileno()
            _widen(self._descriptor)

    def start(self) -> bytes:
        """Return the first bytes, without taking them."""
        if not self._held:
            self._held = self._read(START)
        return self._held

    def read(self, size: int, /) -> bytes:
        """Return what has arrived, at most `size` bytes; none at the end."""
        block, self._held = self._held[:size] or self._read(size), self._held[size:]
        blocks, missing = [block], size - len(block)
        with contextlib.suppress(OSError):  # the next read meets it again
            while missing > 0 and self._is_ready():
                block = self._read(missing)
                blocks.append(block)
                missing -= len(block)
        return b"".join(blocks)

    def _read(self, size: int) -> bytes:
        """Return at most `size` bytes, after waiting for the first one."""
        data = b""
        if self._descriptor is None:
            data = self._stream.read1(size)  # type: ignore[attr-defined]
        elif not self._ended:  # a terminal goes on after its end
            data = self._wait(self._descriptor, size)
        self._ended = not data
        return data

    def _wait(self, descriptor: int, size: int) -> bytes:
        while True:
            try:
                return os.read(descriptor, size)
            except BlockingIOError:  # whoever shares the pipe has set it so
                select.select([descriptor], [], [])

    def _is_ready(self) -> bool:
        """Say whether `_read` would return at once."""
        if self._descriptor is None or self._ended:
            return False
        return bool(select.select([self._descriptor], [], [], 0)[0])


def _widen(descriptor: int) -> None:
    """Let more bytes wait in a pipe, so that its two ends seldom wait for each other."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE)
