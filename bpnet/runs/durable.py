"""The one way a file gets its final name: complete and on the disk, or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import IO

from bpnet.errors import RefusedError, RunError

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC
_LARGE = 1 << 16
"""Bytes from which a piece of a file is written by itself."""

TEMPORARY = ".tmp-"
"""How the names of unfinished files start; what a killed process leaves of them is litter."""


_at_once: ContextVar[bool] = ContextVar("_at_once", default=True)


def _synchronize(descriptor: int) -> None:
    if _at_once.get():
        os.fsync(descriptor)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Leave it to a later `synchronize` to make durable what is written inside.

    For many small files that nobody is told of before: a process that is killed loses nothing, a
    power cut may leave any of them empty, so they are checked before they are used.
    """
    before = _at_once.set(False)
    try:
        yield
    finally:
        _at_once.reset(before)


def synchronize(folder: Path) -> None:
    """Make everything durable that was written on the file system of a folder.

    Raises
    ------
    RefusedError
        If the operating system refuses.
    """
    with refusals("make durable", folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            library = ctypes.CDLL(None, use_errno=True)
            if not hasattr(library, "syncfs"):  # other systems than Linux
                os.sync()
            elif library.syncfs(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def refusals(doing: str, path: Path | str) -> Iterator[None]:
    """Turn an `OSError` into one clear `RefusedError`: "can't write runs/x: disk full"."""
    try:
        yield
    except OSError as error:
        raise RefusedError(f"can't {doing} {path}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    remedies = {
        errno.ENOSPC: "the disk is full; free some space",
        errno.EDQUOT: "the disk quota is used up; free some space",
        errno.EACCES: "permission denied; choose another place or change its permissions",
        errno.EPERM: "permission denied; choose another place or change its permissions",
        errno.EROFS: "the file system is read-only; choose another place with --runs-root",
        errno.ENOENT: "the folder does not exist (any more)",
        errno.EEXIST: "a file stands where a folder is needed",
        errno.EISDIR: "a folder stands there",
        errno.ENOTDIR: "a file stands where a folder is needed",
    }
    known = remedies.get(error.errno) if error.errno is not None else None
    return known or (error.strerror or str(error)).lower()


def write(path: Path, *data: bytes | memoryview | str) -> None:
    """Write a whole file so that `path` holds either all of `data` or what it held before.

    A temporary file in the same folder, written in full, synchronized, renamed over `path`,
    and the folder synchronized. Only after this returns may anybody be told of the file.
    A device, pipe or terminal is written to as it is.

    Raises
    ------
    RefusedError
        If the operating system refuses any of these steps; the temporary file is removed.
    """
    pieces = [piece.encode() if isinstance(piece, str) else piece for piece in data]
    with refusals("write", path):
        if _is_device(path):
            path.write_bytes(b"".join(pieces))
            return
        with _complete(path) as descriptor:
            for piece in _gathered(pieces):
                _write_all(descriptor, piece)


def _gathered(pieces: Sequence[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Yield small pieces joined, and large ones, which a copy would need much memory for, alone."""
    small: list[bytes | memoryview] = []
    for piece in pieces:
        if len(piece) >= _LARGE:
            yield b"".join(small)
            small.clear()
            yield piece
        else:
            small.append(piece)
    yield b"".join(small)


def _is_device(path: Path) -> bool:
    """Say whether a path names a device, pipe or terminal, which must never be replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def growing(path: Path) -> Iterator[IO[str]]:
    """Open a text file for writing piece by piece; it gets its name when all of it is there.

    A device, pipe or terminal is written to as it is; a link keeps pointing to its file, which
    is replaced.

    Raises
    ------
    RefusedError
        If the operating system refuses; then `path` is as it was.
    """
    if _is_device(path):
        with refusals("write", path), open(path, "w", encoding="utf-8", newline="") as file:
            yield file
        return
    with (
        refusals("write", path),
        _complete(path.resolve()) as descriptor,
        open(descriptor, "w", encoding="utf-8", newline="", closefd=False) as file,
    ):
        yield file


@contextlib.contextmanager
def _complete(path: Path) -> Iterator[int]:
    """Yield a new file's descriptor; afterwards make it durable and give it its name."""
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"  # fits where any name fits
    descriptor = os.open(temporary, _FLAGS, 0o666)
    try:
        try:
            yield descriptor
            _synchronize(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _synchronize(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path, limit: int = 1 << 34) -> bytes:
    """Read a whole regular file at once.

    Raises
    ------
    RunError
        If it is missing, no regular file or larger than `limit` bytes.
    RefusedError
        If the operating system refuses.
    """
    try:
        if not path.is_file():
            raise RunError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")
        if path.stat().st_size > limit:
            raise RunError(f"{path}: larger than {limit} bytes, so not bpnet's")
        return path.read_bytes()
    except FileNotFoundError:
        raise RunError(f"{path}: no such file") from None
    except OSError as error:
        raise RefusedError(f"can't read {path}: {_reason(error)}") from error


class LineFile:
    """A file that grows by whole lines (metrics, events), never by half of one.

    Each line goes out in one write; `sync` makes all of them durable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with refusals("open", path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)

    def append(self, line: str) -> None:
        """Write `line` and its newline; the file is as it was if the system refuses."""
        self.extend(line.encode() + b"\n")

    def extend(self, data: bytes) -> None:
        """Write bytes that belong together; the file is as it was if the system refuses."""
        with refusals("write", self.path):
            end = os.fstat(self._descriptor).st_size
            try:
                _write_all(self._descriptor, data)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, end)
                raise

    def sync(self) -> None:
        """Make all lines durable; once it is closed they are."""
        if self._descriptor >= 0:
            with refusals("write", self.path):
                _synchronize(self._descriptor)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Make all lines durable and close the file; closing twice is fine."""
        if self._descriptor >= 0:
            try:
                self.sync()
            finally:
                os.close(self._descriptor)
                self._descriptor = -1
