"""Processes that a test started, seen from outside, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Say whether a process is there, and more than an entry that nobody has collected yet."""
    return _fields(pid)[:1] not in ([], ["Z"])


def processes_of(session: int) -> list[int]:
    """Return the processes of a session that are alive."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _fields(pid)[3:4] == [str(session)] and is_alive(pid)]


def _fields(pid: int) -> list[str]:
    """Return what the kernel says of a process behind its name: state, parent, group, session."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def soon(condition: Callable[[], object], limit: float = 30.0) -> object:
    """Wait until something holds, for some seconds at most; return what it came to."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
