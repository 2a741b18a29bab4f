"""Decompressing gzip within bounds."""

from __future__ import annotations

import zlib

from bpnet.data.files import BLOCK, SourceFile
from bpnet.data.table import Stream
from bpnet.errors import DataError

FREE_EXPANSION = 32 << 20
MAX_EXPANSION = 200
"""Compressed data may grow to 32 MiB, and beyond that to 200 times its size; what grows more is
taken for a decompression bomb. (Tables compress 3 to 20 times; deflate's limit is 1032.)"""

PIECE = 1 << 14
"""Compressed bytes decompressed at a time. What is left of them behind the end of a member is
copied, so that files of many tiny members would take long with larger pieces."""


class Gunzip:
    """The decompressed bytes of a gzip file, of one member or several.

    Parameters
    ----------
    file
        The compressed file.

    Raises
    ------
    DataError
        While reading, if the file is no gzip, damaged, cut short, or a decompression bomb.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.count = 0
        self.block = b""
        self.place = 0
        """How much of the block has been taken."""
        self.pending = b""
        """What was taken and is still compressed."""
        self.member: zlib._Decompress | None = None
        self.members = 0

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, and none at the end."""
        while True:
            block = self.pending or self._piece()
            self.pending = b""
            if self.member is None:
                if self.members:  # some writers fill up the last block with zeros
                    while block and not block.strip(b"\0"):
                        block = self._piece()
                    block = block.lstrip(b"\0")
                if not block and (self.members or not self.file.size):
                    return b""
                self.member = zlib.decompressobj(wbits=31)
            if not block:
                raise DataError(
                    "the gzip data ends too early; the file was cut short, copy it again",
                    self.file.name,
                )
            data = self._decompress(self.member, block, size)
            if data:
                return data

    def _piece(self) -> bytes:
        """Return the next compressed bytes; none at the end."""
        if self.place == len(self.block):
            self.block, self.place = self.file.read(BLOCK), 0
        start, self.place = self.place, min(len(self.block), self.place + PIECE)
        return self.block[start : self.place]

    def _decompress(self, member: zlib._Decompress, block: bytes, size: int) -> bytes:
        try:
            data = member.decompress(block, size)
        except zlib.error as error:
            raise DataError(self._damage(block), self.file.name) from error
        self.pending = member.unconsumed_tail
        if member.eof:
            self.pending = member.unused_data
            self.member = None
            self.members += 1
        self.count += len(data)
        check_expansion(self.count, self.file.size, self.file.name)
        return data

    def _damage(self, block: bytes) -> str:
        if self.place == len(block) and not self.count and not block.startswith(b"\x1f\x8b"):
            return "expected gzip data, found something else; drop .gz from its name"
        return "the gzip data is damaged; copy the file again"


def decompressed(file: SourceFile) -> Stream:
    """Return the file's bytes, decompressed if they are compressed."""
    return Gunzip(file) if file.compressed else file


def check_expansion(size: int, compressed: int, source: str) -> None:
    """Refuse a decompression bomb.

    Raises
    ------
    DataError
        If `compressed` bytes grow to more `size` bytes than data does.
    """
    if size > max(FREE_EXPANSION, MAX_EXPANSION * compressed):
        raise DataError(
            f"{compressed} compressed bytes grow to {size} or more, beyond {MAX_EXPANSION} times, "
            "as a decompression bomb does; if the data is sound, decompress it first",
            source,
        )
