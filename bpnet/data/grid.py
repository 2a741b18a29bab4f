"""Where the cells of a block of delimited text lie, found for the whole block at once.

Quoted cells may hold separators, line ends and doubled quotes. A block is understood if every
quote opens or closes a cell as a whole, or is one of a doubled pair within, and if every line that
isn't empty has as many cells as there are columns. Of any other block nothing is said, and a reader
that is slower and knows what is wrong with a line must take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpnet.data.words import MARGIN
from bpnet.nn.arena import Array

_NEWLINE, _QUOTE, _SPACE = b'\n" '

MAX_CELL = 131_072
"""Characters of the longest cell: the limit of the csv module."""

_TRIMS = 8
"""Spaces taken off each end of a cell here; more are left to whoever reads its text."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one column of a block.

    Attributes
    ----------
    data
        The block, uint8, with `MARGIN` bytes in front of it and behind it.
    starts, stops
        Where each cell begins, and where it is over, int64 ``(N,)``: without quotes around it,
        nor spaces.
    doubled
        Whether quotes in a cell are still doubled.
    """

    data: Array
    starts: Array
    stops: Array
    doubled: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def empty(self) -> Array:
        """A mask of the cells with nothing in them."""
        mask: Array = self.starts == self.stops
        return mask

    def take(self, which: Array | slice) -> Cells:
        """Return some of the cells."""
        return Cells(self.data, self.starts[which], self.stops[which], self.doubled)

    def texts(self) -> list[str]:
        """Return the cells as text."""
        raw = self.data.data
        texts = [
            str(raw[start:stop], "utf-8")
            for start, stop in zip(self.starts.tolist(), self.stops.tolist(), strict=True)
        ]
        return [text.replace('""', '"') for text in texts] if self.doubled else texts


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a block.

    Attributes
    ----------
    data
        As in :class:`Cells`.
    starts, stops
        Where each cell begins, and where it is over, int64 ``(rows, columns)``, with quotes.
    lines
        The line that each row begins on, 0 for the first.
    height
        How many lines there are.
    quoted, doubled, spaced
        Whether there are quotes, doubled quotes, and spaces.
    """

    data: Array
    starts: Array
    stops: Array
    lines: Sequence[int]
    height: int
    quoted: bool
    doubled: bool
    spaced: bool

    def lines_from(self, first: int) -> Sequence[int]:
        """Return the line that each row begins on, if the block begins on the line `first`."""
        if isinstance(self.lines, range):
            return range(first, first + self.height)
        return [first + line for line in self.lines]

    def columns(self, places: Sequence[int]) -> Cells:
        """Return the cells of some columns, counted from 0, row by row."""
        data = self.data
        chosen = slice(None) if len(places) == self.starts.shape[1] else list(places)
        starts, stops = (edges[:, chosen].ravel() for edges in (self.starts, self.stops))
        if self.quoted:
            quoted = data[starts] == _QUOTE
            starts, stops = starts + quoted, stops - quoted
        if self.spaced:
            starts, stops = _trimmed(data, starts, stops)
        return Cells(data, starts, stops, self.doubled)

    def widths(self, rows: int = 100) -> Array:
        """Return the bytes of the longest cell of each column in the first rows."""
        longest: Array = (self.stops[:rows] - self.starts[:rows]).max(axis=0)
        return longest


class CellFinder:
    """Finds the cells of block after block, in memory that it uses again.

    Parameters
    ----------
    separator
        The ASCII character between two cells.
    columns
        How many cells each line must have.
    """

    def __init__(self, separator: str, columns: int) -> None:
        self._separator = np.uint8(ord(separator))
        self._columns = columns
        self._data: Array = np.empty(0, np.uint8)
        self._masks: Array = np.empty((2, 0), bool)

    def find(self, block: bytes) -> Grid | None:
        r"""Return the cells of a block; None if it isn't as simple as that.

        Parameters
        ----------
        block
            Whole lines, each with its ``\n``.

        Returns
        -------
        Grid or None
            It is good until the next block is looked at.
        """
        columns, text = self._columns, self._take(block)
        data = self._data
        found, mask = (row[: len(text)] for row in self._masks)
        np.equal(text, self._separator, out=found)
        found |= np.equal(text, _NEWLINE, out=mask)
        quoted = b'"' in block
        if quoted:
            found |= np.equal(text, _QUOTE, out=mask)
        marks: Array = np.flatnonzero(found)
        marks += MARGIN
        edges, doubled = _edges_outside_quotes(data, marks) if quoted else (marks, False)
        if edges is None or not len(edges):
            return None
        starts = np.empty_like(edges)
        starts[0] = MARGIN
        starts[1:] = edges[:-1] + 1
        ends = data[edges] == _NEWLINE
        blank = ends & (starts == edges)
        blank[1:] &= ends[:-1]
        if blank.any():
            starts, edges, ends = starts[~blank], edges[~blank], ends[~blank]
        rows = int(np.count_nonzero(ends))
        if not rows or rows * columns != len(edges) or not ends[columns - 1 :: columns].all():
            return None
        if (edges - starts).max() > MAX_CELL:
            return None
        starts, stops = starts.reshape(rows, columns), edges.reshape(rows, columns)
        height, lines = rows, range(rows)
        if quoted or blank.any():  # then there may be more lines than rows
            line_ends = np.flatnonzero(np.equal(text, _NEWLINE, out=mask))
            height = len(line_ends)
            if height > rows:
                lines = np.searchsorted(line_ends, starts[:, 0] - MARGIN).tolist()
        return Grid(data, starts, stops, lines, height, quoted, doubled, b" " in block)

    def _take(self, block: bytes) -> Array:
        """Copy a block to between the margins, and return it there."""
        size = len(block) + 2 * MARGIN
        if size > len(self._data):
            self._data = np.empty(size, np.uint8)
            self._data[:MARGIN] = _NEWLINE
            self._masks = np.empty((2, len(block)), bool)
        text = self._data[MARGIN : MARGIN + len(block)]
        text[:] = np.frombuffer(block, np.uint8)
        self._data[MARGIN + len(block) : size] = _NEWLINE
        return text


def _trimmed(data: Array, starts: Array, stops: Array) -> tuple[Array, Array]:
    """Take a few spaces off both ends of cells."""
    for _ in range(_TRIMS):
        blank = (data[starts] == _SPACE) & (starts < stops)
        if not blank.any():
            break
        starts = starts + blank
    for _ in range(_TRIMS):
        blank = (data[stops - 1] == _SPACE) & (starts < stops)
        if not blank.any():
            break
        stops = stops - blank
    return starts, stops


def _edges_outside_quotes(data: Array, marks: Array) -> tuple[Array | None, bool]:
    """Return the edges of cells among all separators, line ends and quotes.

    None if a quote stands where neither a cell begins or ends, nor another quote is next to it.
    Also return whether any quote is, so that it is one of a doubled pair.
    """
    quote = data[marks] == _QUOTE
    quotes = np.flatnonzero(quote)
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) != len(closing):
        return None, False
    # Quotes come in pairs; in front of the first and behind the second must be the next mark.
    before, after = marks[opening - 1], marks[closing + 1]
    if opening[0] == 0:
        before[0] = MARGIN - 1
    if (before + 1 != marks[opening]).any() or (after - 1 != marks[closing]).any():
        return None, False
    outside = (np.cumsum(quote, dtype=np.int32) & 1) == 0
    return marks[outside & ~quote], bool((closing[:-1] + 1 == opening[1:]).any())
