"""One writer per run directory; whoever reads takes no lock.

The lock is the kernel's (flock), so it ends with its process, however that ends, and nothing has
to be cleaned up. The text in the file says who holds it, for people only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bpnet.errors import RunError
from bpnet.runs import durable
from bpnet.runs.provenance import now

LOCK = ".lock"

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "fuse.s3fs")


@contextlib.contextmanager
def hold(directory: Path, *, wait: bool = False) -> Iterator[str]:
    """Be the only writer of a run directory, which must exist.

    Yields a warning where the file system doesn't promise locks, or nothing.

    Parameters
    ----------
    directory
        The run directory.
    wait
        Wait until it is free, instead of refusing.

    Raises
    ------
    RunError
        If another process writes there; the message says which.
    RefusedError
        If the operating system refuses.
    """
    path = directory / LOCK
    with durable.refusals("lock", path):
        descriptor, locked = _take(path, wait)
    try:
        with durable.refusals("lock", path):
            _sign(descriptor)
        yield _doubt(directory, locked)
    finally:
        os.close(descriptor)


def is_held(directory: Path) -> bool:
    """Say whether a process writes in a run directory right now."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _TAKEN
    finally:
        os.close(descriptor)
    return False


def refuse_held(directory: Path) -> None:
    """Refuse a directory in which a process writes right now.

    Raises
    ------
    RunError
        If there is one; the message says which.
    """
    if is_held(directory):
        raise RunError(_holder(directory / LOCK))


def _take(path: Path, wait: bool) -> tuple[int, bool]:
    """Return the descriptor of the locked file, and whether locks work there."""
    while True:
        descriptor = os.open(path, _FLAGS, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_still(descriptor, path):
                return descriptor, True
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                return descriptor, False
            os.close(descriptor)
            if error.errno in _TAKEN:
                raise RunError(_holder(path)) from None
            raise
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # somebody removed the file meanwhile; lock the one that is there


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    who = {"pid": os.getpid(), "host": socket.gethostname(), "start": now()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(who).encode() + b"\n", 0)


def _holder(path: Path) -> str:
    """Say who holds the lock, as far as its text tells."""
    who: Any = None
    with contextlib.suppress(OSError, ValueError, RunError):
        who = json.loads(durable.read(path, limit=4096))
    named = ""
    if isinstance(who, dict) and {"pid", "host", "start"} <= who.keys():
        named = f" (process {who['pid']} on {who['host']} since {who['start']})"
    return (
        f"{path.parent}: another bpnet writes there{named}; wait until it has ended "
        "(for a training, --resume with --wait does), or stop it first"
    )


def _doubt(directory: Path, locked: bool) -> str:
    kind = _file_system(directory)
    if locked and kind not in _NETWORK:
        return ""
    return (
        f"{directory}: on a file system ({kind or 'unknown'}) that does not promise locks; "
        "make sure that no other bpnet writes there"
    )


def _file_system(directory: Path) -> str:
    """Return the type of the file system that a directory is on, as Linux names it, or ""."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        target = str(directory.resolve())
    except OSError:
        return ""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ").rstrip("/")
        if len(point) >= len(best) and f"{target}/".startswith(f"{point}/"):
            best, kind = point, fields[2]
    return kind
