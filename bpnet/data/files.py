"""Opening data files: regular files only, read once, hashed on the way."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from bpnet.data.table import Fingerprint
from bpnet.errors import DataError, RefusedError, nearest

BLOCK = 1 << 20
"""Bytes read at a time: large enough to parse fast, small enough to stay out of the way."""

NEIGHBOURS = 10_000
"""Files in a folder among which one with a similar name is looked for."""


class Opener(Protocol):
    """A source of bytes that can be opened more than once."""

    @property
    def name(self) -> str:
        """The source as the user wrote it."""
        ...

    def open(self) -> SourceFile:
        """Open it for reading from the start."""
        ...


class SourceFile(io.RawIOBase):
    """A data file that is being read: counts and hashes its bytes as they pass.

    Parameters
    ----------
    raw
        The open file.
    name
        The file as the user wrote it.
    size
        Its size in bytes when it was opened.
    compressed
        Whether it is to be decompressed.
    """

    def __init__(
        self, raw: io.RawIOBase | io.BytesIO, name: str, size: int, *, compressed: bool = False
    ) -> None:
        self.raw = raw
        self.name = name
        self.size = size
        self.compressed = compressed
        self.count = 0
        self.hash = hashlib.sha256()
        self._changed = self._last_change()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, and none at the end.

        Raises
        ------
        DataError
            If the file shrank or grew since it was opened.
        RefusedError
            If the operating system can't read it.
        """
        try:
            data = self.raw.read(size if size >= 0 else self.size + 1) or b""
        except OSError as error:
            raise RefusedError(f"{self.name}: cannot be read: {reason(error)}") from error
        self.count += len(data)
        self.hash.update(data)
        if self.count > self.size or (not data and size != 0 and self.count < self.size):
            raise DataError(
                f"changed while it was read: it had {self.size} bytes when it was opened, now it "
                f"has {'more' if self.count > self.size else self.count}; read a finished copy",
                self.name,
            )
        return data

    def read_all(self, size: int) -> bytearray:
        """Return exactly `size` bytes; the caller knows that the file has them."""
        data = bytearray(size)
        view, done = memoryview(data), 0
        while done < size:
            block = self.read(min(BLOCK, size - done))
            view[done : done + len(block)] = block
            done += len(block)
        return data

    def fingerprint(self) -> Fingerprint:
        """Read what is left, and return what identifies the file."""
        while self.read(BLOCK):
            continue
        return Fingerprint(self.name, self.count, self.hash.hexdigest())

    def read_again(self) -> Fingerprint:
        """Read the file from its start, and return what identifies it.

        For a file that was not read in order: its fingerprint is that of the bytes that were read
        only if nobody has written to it since.

        Raises
        ------
        DataError
            If somebody has.
        """
        self.raw.seek(0)
        fingerprint = self.fingerprint()
        if self._last_change() != self._changed:
            raise DataError("changed while it was read; read a finished copy", self.name)
        return fingerprint

    def _last_change(self) -> int:
        return os.fstat(self.raw.fileno()).st_mtime_ns if isinstance(self.raw, io.FileIO) else 0

    def close(self) -> None:
        self.raw.close()
        super().close()


class FileOpener:
    """A file on disk.

    Parameters
    ----------
    name
        The path as the user wrote it.
    folder
        The folder that a relative path starts from.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = harmless(name)
        # Not ~user: that would search the system's users for a name that a config gives.
        self.path = folder / (os.path.expanduser(name) if name.startswith("~/") else name)

    def open(self) -> SourceFile:
        """Open the file.

        Raises
        ------
        DataError
            If it is missing or no regular file.
        RefusedError
            If the operating system refuses.
        """
        descriptor = self._descriptor()
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise DataError(f"expected a regular file, found {_what(status.st_mode)}", self.name)
        compressed = self.name.lower().endswith(".gz")
        return SourceFile(io.FileIO(descriptor), self.name, status.st_size, compressed=compressed)

    def _descriptor(self) -> int:
        try:
            # Not blocking: opening a FIFO that nobody writes to would wait for ever.
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise DataError(_missing(self.path), self.name) from error
        except PermissionError as error:
            raise RefusedError(f"{self.name}: cannot be opened: {reason(error)}") from error
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.ENXIO:
                raise DataError("expected a regular file, found a socket", self.name) from error
            if isinstance(error, OSError) and error.errno in (
                errno.EMFILE,
                errno.ENFILE,
                errno.EIO,
            ):
                raise RefusedError(f"{self.name}: cannot be opened: {reason(error)}") from error
            raise DataError(f"no such file: {reason(error)}", self.name) from error


class BytesOpener:
    """A file that is in memory already.

    Parameters
    ----------
    name
        What errors call it.
    data
        Its bytes.
    compressed
        Whether they are to be decompressed.
    """

    def __init__(self, name: str, data: bytes, *, compressed: bool = False) -> None:
        self.name = name
        self.data = data
        self.compressed = compressed

    def open(self) -> SourceFile:
        """Open it for reading from the start."""
        raw = io.BytesIO(self.data)
        return SourceFile(raw, self.name, len(self.data), compressed=self.compressed)


@contextmanager
def reading(opener: Opener) -> Iterator[SourceFile]:
    """Open a source and close it again."""
    file = opener.open()
    try:
        yield file
    finally:
        file.close()


def harmless(name: str) -> str:
    """Return a name with everything escaped that a terminal could obey, line ends included."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def reason(error: Exception) -> str:
    """Return what the operating system says, without the path: ``permission denied``."""
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    return text[:1].lower() + text[1:]


def _what(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _missing(path: Path) -> str:
    """Say which part of a path is missing, and what there is with a similar name."""
    if path.is_symlink():
        return "no such file: it is a link to a file that is missing"
    folder = path.parent
    try:
        there = os.listdir(folder)
    except FileNotFoundError:
        return f"no such file: there is no folder {str(folder)!r}"
    except OSError:
        return "no such file"
    match = nearest(path.name, there) if len(there) <= NEIGHBOURS else None
    return "no such file" + (f"; did you mean {match!r}?" if match else f" in {str(folder)!r}")
