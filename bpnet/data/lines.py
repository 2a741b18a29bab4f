"""Text files as blocks of whole lines: decoded, with one kind of line end, and counted."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from bpnet.data.files import reason
from bpnet.data.table import Stream
from bpnet.errors import DataError, RefusedError

FIRST_BLOCK = 1 << 16
BLOCK = 1 << 20
"""Bytes of the first block, small to answer soon, and of the others: some thousands of rows, so
that NumPy has long vectors to work on, which still fit into the processor's cache."""

MAX_LINE = 16 << 20
"""Bytes of the longest line: 160 for each of 100,000 columns."""

_MAGIC = {
    b"\x1f\x8b": "gzip data; end its name in .gz",
    b"PK\x03\x04": "a zip archive or a spreadsheet; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet; save the sheet as CSV",
    b"PAR1": "Parquet; convert it to CSV or NPZ",
    b"\x93NUMPY": "a NumPy array; end its name in .npy",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}


class TextBlocks:
    r"""Cut a stream of UTF-8 bytes into blocks that end with a line.

    ``\r\n`` and a bare ``\r`` end a line too and become ``\n``, inside quoted cells as well; a
    byte order mark is dropped, and a missing line end after the last line is added.

    Parameters
    ----------
    stream
        Where the bytes come from.
    source
        What errors call it.
    """

    def __init__(self, stream: Stream, source: str) -> None:
        self.source = source
        self.line = 1
        """The line that the next block starts on, counted from 1."""
        self._chunks = _chunks(stream, source)

    def __iter__(self) -> Iterator[bytes]:
        """Yield blocks of whole lines, which are valid UTF-8.

        Raises
        ------
        DataError
            If the stream is no UTF-8 text, or a line is beyond all bounds.
        """
        pieces: list[bytes | memoryview] = []
        length = 0
        for chunk in self._lines(self._chunks):
            cut = chunk.rfind(b"\n") + 1
            if cut:
                yield self._checked(b"".join([*pieces, memoryview(chunk)[:cut]]))
                pieces, length = [], 0
            pieces.append(chunk[cut:])
            length += len(chunk) - cut
            if length > MAX_LINE:
                raise DataError(
                    f"the line is longer than {MAX_LINE >> 20} MiB", self.source, self.line
                )
        if rest := b"".join(pieces):
            yield self._checked(rest + b"\n")

    def _lines(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        r"""Yield the chunks with ``\n`` as the only line end."""
        first, held = True, b""
        for chunk in chunks:
            if first:
                self._check_kind(chunk)
                chunk = chunk.removeprefix(b"\xef\xbb\xbf")
                first = False
            chunk = held + chunk
            held = b""
            if b"\r" in chunk:
                if chunk.endswith(b"\r"):
                    chunk, held = chunk[:-1], b"\r"
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            yield chunk
        if held:
            yield b"\n"

    def _checked(self, block: bytes) -> bytes:
        """Return a block if it is text, and count its lines."""
        zero = block.find(b"\0")
        if zero >= 0:
            raise DataError(
                "a NUL byte: the file is no text, or UTF-16; save it as UTF-8",
                self.source,
                self.line + block.count(b"\n", 0, zero),
            )
        try:
            if not block.isascii():
                block.decode()
        except UnicodeDecodeError as error:
            start = block.rfind(b"\n", 0, error.start) + 1
            raise DataError(
                f"byte {error.start - start + 1} of the line is 0x{block[error.start]:02x}, which "
                "is no UTF-8; save the file as UTF-8",
                self.source,
                self.line + block.count(b"\n", 0, error.start),
            ) from error
        self.line += line_ends(block)
        return block

    def _check_kind(self, start: bytes) -> None:
        for magic, what in _MAGIC.items():
            if start.startswith(magic):
                raise DataError(f"expected text, found {what}", self.source)
        if b"\n" not in start and b"\0" in start:  # before megabytes of it are gathered
            self._checked(start)


class LineFeed:
    """The lines of the blocks, one by one; it knows where a block ends.

    Parameters
    ----------
    blocks
        Blocks of whole lines.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        """Where the next block comes from."""
        self._lines = io.StringIO()
        self._left = 0
        self.line = 0
        """The line that was handed out last, counted from 1."""

    def __iter__(self) -> LineFeed:
        return self

    def __next__(self) -> str:
        if not self._left:
            self.load(next(self.blocks))
        self._left -= 1
        self.line += 1
        return self._lines.readline()

    @property
    def at_end_of_block(self) -> bool:
        return not self._left

    def load(self, block: bytes) -> None:
        """Put a block in front."""
        self._lines = io.StringIO(block.decode())
        self._left = line_ends(block)

    def block(self) -> bytes:
        """Return the rest of the current block, or else the next one; empty at the end."""
        if self._left:
            self._left = 0
            return self._lines.read().encode()
        return next(self.blocks, b"")


def _chunks(stream: Stream, source: str) -> Iterator[bytes]:
    # From a pipe take what is there, so that rows typed or sent one by one are answered at once.
    read = getattr(stream, "read1", stream.read)
    size = FIRST_BLOCK
    while True:
        try:
            chunk = read(size)
        except OSError as error:
            raise RefusedError(f"{source}: cannot be read: {reason(error)}") from error
        if not chunk:
            return
        yield chunk
        size = BLOCK


def line_ends(block: bytes) -> int:
    """Count the line ends, several times faster than ``bytes.count``."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


def quoted(text: str, longest: int = 40) -> str:
    """Return a text for an error: in quotes, cut off if long, control characters escaped."""
    return repr(text if len(text) <= longest else text[: longest - 1] + "…")
