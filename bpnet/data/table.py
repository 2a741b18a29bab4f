"""What a source holds once it is read: a table of columns, or a tensor with its labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from bpnet.errors import DataError
from bpnet.nn.arena import Array

MAX_COLUMNS = 100_000
"""Columns of the widest table."""

Kind = Literal["number", "category"]
Rows = Array | slice
"""Which rows: their indices, a boolean mask, or a slice."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies the bytes of one file.

    Attributes
    ----------
    path
        The file, as the user wrote it.
    bytes
        Its size.
    sha256
        Its SHA-256, in hexadecimal.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        Its name in the header, without the white space around it.
    kind
        ``number`` or ``category``.
    values
        Of a number column float64 ``(N,)`` with NaN for a missing cell, else finite; of a
        category column int32 codes ``(N,)``, indices into `levels`, with -1 for a missing cell.
    levels
        The texts of a category column in sorted order; all of them occur in the file that was
        read, but not all need occur in a selection of its rows.
    """

    name: str
    kind: Kind
    values: Array
    levels: tuple[str, ...] = ()

    @property
    def missing(self) -> Array:
        """A mask of the missing cells, bool ``(N,)``."""
        mask: Array = np.isnan(self.values) if self.kind == "number" else self.values < 0
        return mask

    @property
    def is_text(self) -> bool:
        """Whether the cells look like sentences: nearly all different, and of several words.

        Such a column is no category; it needs layers that read text.
        """
        filled = int(np.count_nonzero(self.values >= 0)) if self.levels else 0
        if filled < 10 or len(self.levels) < 0.5 * filled:
            return False
        words = sum(level.count(" ") + 1 for level in self.levels)
        return words >= 3 * len(self.levels)

    @property
    def is_identifier(self) -> bool:
        """Whether nearly every cell has a category of its own, as names and record numbers do."""
        filled = int(np.count_nonzero(self.values >= 0)) if self.levels else 0
        return filled >= 50 and len(self.levels) > 0.9 * filled

    def take(self, rows: Rows) -> Column:
        """Return the column with these rows only."""
        return replace(self, values=self.values[rows])

    def texts(self) -> list[str | None]:
        """Return the cells as text, None where missing; whole numbers without a decimal point."""
        if self.kind == "category":
            levels: tuple[str | None, ...] = (*self.levels, None)
            return [levels[code] for code in self.values.tolist()]
        return [None if v != v else number_text(v) for v in self.values.tolist()]

    def as_category(self) -> Column:
        """Return the column with its numbers as categories: 3.0 becomes ``"3"``."""
        if self.kind == "category":
            return self
        numbers, codes = np.unique(self.values, return_inverse=True)
        texts = [number_text(v) for v in numbers.tolist() if v == v]
        levels = tuple(sorted(texts))
        place = {text: code for code, text in enumerate(levels)}
        # A NaN sorts last, behind every number: its code is the one after theirs.
        recode = np.array([*(place[text] for text in texts), -1], np.int32)
        return Column(self.name, "category", recode[codes], levels)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, with the place in the file of each row.

    Attributes
    ----------
    columns
        The columns by name, in the file's order.
    rows
        How many rows there are, N.
    source
        The file as the user wrote it, or ``builtin:NAME``.
    lines
        The line of each row in the file, int64 ``(N,)``; None where row i is on line
        ``first_line + i``.
    first_line
        The line of the first row, counted from 1; None where the source has no lines (arrays).
    target_names
        The columns that came from the array that `target` names; empty for files whose columns
        are named in the file itself.
    files
        The files that were read.
    notes
        What the reader decided or noticed, one sentence each, for people.
    """

    columns: dict[str, Column]
    rows: int
    source: str
    lines: Array | None = None
    first_line: int | None = 2
    target_names: tuple[str, ...] = ()
    files: tuple[Fingerprint, ...] = ()
    notes: tuple[str, ...] = ()

    def line(self, row: int) -> int | None:
        """Return the line of a row (counted from 0) in the file; None for arrays."""
        if self.lines is not None:
            return int(self.lines[row])
        return None if self.first_line is None else self.first_line + row

    def place(self, row: int) -> str:
        """Return where a row (counted from 0) is, as errors name it: ``line 17`` or ``row 15``."""
        line = self.line(row)
        return f"row {row}" if line is None else f"line {line}"

    def take(self, rows: Rows) -> Table:
        """Return the table with these rows only; they keep their lines."""
        lines = self.lines
        if lines is None and self.first_line is not None:
            lines = np.arange(self.first_line, self.first_line + self.rows)
        taken = np.arange(self.rows)[rows]
        return replace(
            self,
            columns={name: column.take(rows) for name, column in self.columns.items()},
            rows=len(taken),
            lines=None if lines is None else lines[rows],
        )


@dataclass(frozen=True, slots=True)
class Tensor:
    """Images and other arrays with more than two dimensions, with the labels beside them.

    Attributes
    ----------
    x
        The inputs ``(N, ...)`` as stored: images are ``(N, H, W, C)``, of uint8 or floats.
    columns
        The labels or other targets by name, each of length N.
    source
        The file as the user wrote it, or ``builtin:NAME``.
    target_names
        The names of the targets among `columns`.
    files, notes
        As in :class:`Table`.
    """

    x: Array
    columns: dict[str, Column]
    source: str
    target_names: tuple[str, ...] = ()
    files: tuple[Fingerprint, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many examples there are, N."""
        return len(self.x)

    def line(self, row: int) -> int | None:
        """Return None: arrays have no lines."""
        return None

    def place(self, row: int) -> str:
        """Return where an example (counted from 0) is, as errors name it: ``row 15``."""
        return f"row {row}"

    def take(self, rows: Rows) -> Tensor:
        """Return the tensor with these examples only."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return replace(self, x=self.x[rows], columns=columns)


class Stream(Protocol):
    """Anything that hands out bytes: a file, standard input, a decompressor."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none at the end."""
        ...


def check_width(count: int, source: str, line: int | None = None) -> None:
    """Refuse a table that is wider than any.

    Raises
    ------
    DataError
        If it has more than `MAX_COLUMNS` columns.
    """
    if count > MAX_COLUMNS:
        raise DataError(
            f"has {count} columns, above {MAX_COLUMNS}; is it turned on its side? (images belong "
            "into an array of N, height, width and channels)",
            source,
            line,
        )


def number_text(value: float) -> str:
    """Write a number as people do: a whole one without a decimal point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e16 else repr(value)
