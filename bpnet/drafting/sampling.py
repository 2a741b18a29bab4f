"""A look at data of any size: all of it, or pieces from all over a large file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bpnet.data.files import BytesOpener, FileOpener, reading
from bpnet.data.gunzip import decompressed
from bpnet.data.sources import form_of, read_source
from bpnet.data.table import Stream, Table, Tensor
from bpnet.data.text_table import FORMS, read_text_table
from bpnet.errors import DataError

WHOLE = 32 << 20
"""Bytes of text up to which all of it is read: about a second."""

SMALLER = 4
"""How many times smaller a compressed file is than its text, at least mostly."""

PIECES, PIECE = 64, 1 << 17
"""How many pieces of a larger file are read, and the bytes of each."""

FARTHEST = 1 << 29
"""How far a compressed file is read, in bytes of its text: a few seconds."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen.

    Attributes
    ----------
    source
        The rows that were read.
    rows
        How many there are in all, about, if only a part was read.
    partial
        Whether only a part was read.
    """

    source: Table | Tensor
    rows: int
    partial: bool = False


def look_at(source: str, targets: Sequence[str] = ()) -> Look:
    """Read data, or pieces of it if it is large.

    Parameters
    ----------
    source
        A path from here, or ``builtin:NAME``.
    targets
        The target, for sources whose arrays it names.

    Raises
    ------
    DataError
        If the data is missing or wrong.
    """
    opener = None if source.startswith("builtin:") else FileOpener(source, Path())
    if opener is None or form_of(source) not in FORMS or not _is_large(opener):
        whole = read_source(source, Path(), target=list(targets) or None)
        return Look(whole, whole.rows)
    form = form_of(source)
    data, size = _pieces(opener, form)
    try:
        table = read_text_table(BytesOpener(opener.name, data), form, {})
    except DataError:
        # A piece may begin inside of a quoted cell that goes over lines; then the start must do.
        data = _start(opener)
        table = read_text_table(BytesOpener(opener.name, data), form, {})
    return Look(table, round(table.rows * size / max(1, len(data))), partial=True)


def _is_large(opener: FileOpener) -> bool:
    with reading(opener) as file:
        if file.size <= (WHOLE // SMALLER if file.compressed else WHOLE):
            return False
    with _text(opener) as (read, _, _):
        # With two bytes a character a piece could split one.
        return read(2) not in (b"\xff\xfe", b"\xfe\xff")


Read = Callable[[int], bytes]
"""Returns the next so many bytes of a text, fewer only at its end."""


@contextmanager
def _text(opener: FileOpener) -> Iterator[tuple[Read, Read, int]]:
    """Open the text of a file: what reads on, what skips bytes, and its size, about."""
    with reading(opener) as file:
        if not file.compressed:
            raw = file.raw

            def skip(count: int) -> bytes:
                raw.seek(count, os.SEEK_CUR)
                return b""

            yield _reader(raw), skip, file.size
            return
        # A gzip file ends with the size of its text, modulo 4 GiB.
        file.raw.seek(-4, os.SEEK_END)
        said = int.from_bytes(file.raw.read(4) or b"", "little")
        file.raw.seek(0)
        read = _reader(decompressed(file))
        yield read, read, said if said > file.size else SMALLER * file.size


def _reader(stream: Stream) -> Read:
    def read(count: int) -> bytes:
        blocks = []
        while count and (block := stream.read(count)):
            blocks.append(block)
            count -= len(block)
        return b"".join(blocks)

    return read


def _pieces(opener: FileOpener, form: str) -> tuple[bytes, int]:
    """Return whole lines from all over a text, with its line of names, and its size, about."""
    with _text(opener) as (read, skip, size):
        reach = min(size, FARTHEST) if opener.name.lower().endswith(".gz") else size
        stride = max(2 * PIECE, reach // PIECES)
        first = read(PIECE)
        found = [first[: first.rfind(b"\n") + 1]]
        for place in range(stride, reach - PIECE, stride):
            skip(stride - PIECE)
            piece = read(PIECE)
            if not piece:  # the end said something else
                size = place
                break
            found.append(piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1])
    return b"".join(found), size


def _start(opener: FileOpener) -> bytes:
    """Return the start of a text up to the end of a row: a line with no quote left open."""
    with _text(opener) as (read, _, _):
        head = read(PIECES * PIECE)
    end = head.rfind(b"\n") + 1
    for _ in range(1000):  # the lines of a cell
        if not head.count(b'"', 0, end) % 2:
            break
        end = head.rfind(b"\n", 0, end - 1) + 1
    return head[:end]
