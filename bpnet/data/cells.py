"""What the text of a cell means: a number, a category, or a missing value.

Number
    A decimal number in ASCII: ``12``, ``-0.5``, ``.5``, ``1e-3``. White space around it is
    ignored. Everything else that some programs read as a number is refused, because others read
    it differently or not at all: ``1_000``, ``1,5``, ``0x10``, ``inf``, ``1e400``, digits of
    other scripts, units and currency signs.
Missing
    An empty cell, or one of `MISSING`. In a number column one of `NO_NUMBER` too, in any case:
    a dash may be a category (a strand, a sign), but it is no number.
Category
    Every other text, without the white space around it.

A column whose kind is not given is a number column if all its cells are numbers or missing, and
a category column if no more than half of them are numbers. Anything between the two is most
likely a mistake in the file, so it is refused.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import compress, product

import numpy as np

from bpnet.data.decimals import Decimals, parse_decimals
from bpnet.data.grid import MAX_CELL, Cells
from bpnet.data.growing import Growing
from bpnet.data.levels import MISSING as MISSING
from bpnet.data.levels import Levels, are_missing
from bpnet.data.lines import quoted
from bpnet.data.powers import EXACT
from bpnet.data.table import Column, Kind
from bpnet.errors import DataError
from bpnet.nn.arena import Array

_NANS = frozenset({"nan", "-nan", "+nan"})
NO_NUMBER = frozenset({text.lower() for text in MISSING} | _NANS | {"none", "-", "--", "."})
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FIRST = "+-.0123456789"
"""The first character of what is a number."""
_NO_NUMBER_FORMS = {
    "".join(form)
    for text in NO_NUMBER - {""}
    for form in product(*(dict.fromkeys([c, c.upper()]) for c in text))
}
"""No numbers, in capitals and small letters."""

_FEW = 16
"""Cells that are as soon read one by one as looked at for gaps."""

NUMBER_BYTES = b"0123456789+-.eE \t"

_LIKE_NUMBERS = [
    (
        re.compile(r"[+-]?\d+([.,]\d{3})*,\d+|[+-]?\d+(,\d{3})+(\.\d*)?|[+-]?\d+(_\d+)+(\.\d*)?"),
        "write a decimal point and no other separator",
    ),
    (re.compile(r"[+-]?\d{1,3}([ '\u00a0\u202f]\d{3})+([.,]\d*)?"), "write no separators"),
    (re.compile(r"[+-]?0[xXoObB][0-9a-fA-F]+"), "write it in decimal"),
    (re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE), "leave the cell empty or exclude the row"),
    (NUMBER, "float64 ends at 1.797e308"),
    (re.compile(r"[+-]?\d[\d.,]*\s?[%€$£¥]|[€$£¥]\s?[\d.,]*\d"), "write the number alone"),
    (re.compile(r"[+-]?\d+(\.\d*)?"), "use the digits 0 to 9"),
]


class TypesChanged(Exception):
    """Columns that began like numbers and turned out to be categories.

    Their texts are gone by then; the source is read again, with their kinds known.
    """

    def __init__(self, names: list[str]) -> None:
        super().__init__(names)
        self.names = names


class ColumnCells:
    """One column while its cells come in, block by block.

    Parameters
    ----------
    name
        Its name.
    source
        What errors call the file.
    kind
        ``number`` or ``category`` if that is given, else None: it follows from the cells.
    assumed
        The kind follows from an earlier look at the cells.
    """

    def __init__(
        self, name: str, source: str, kind: Kind | None = None, *, assumed: bool = False
    ) -> None:
        self.name = name
        self.source = source
        self.kind = kind
        self.given = kind is not None and not assumed
        self.rows = 0
        self.rounded: int | None = None
        """The first line with an integer that float64 rounds."""
        self._levels = Levels()
        self._values: Growing | None = None
        self._marks = False
        self._odd = 0
        self._first_odd: tuple[int, str] | None = None

    def decide(self, kind: Kind) -> None:
        """Settle the kind; the cells so far were all missing."""
        self.kind = kind
        rows, self.rows = self.rows, 0
        self.add_missing(rows)

    def add(self, values: Array) -> None:
        """Take values that are parsed: numbers, or codes of this column's texts."""
        if self._values is None:
            self._values = Growing(np.float64 if self.kind == "number" else np.int32)
        self._values.append(values)
        self.rows += len(values)

    def add_missing(self, count: int) -> None:
        """Take that many missing cells."""
        if self.kind is None:
            self.rows += count
        elif count:
            self.add(np.full(count, np.nan if self.kind == "number" else -1))

    def add_cells(self, cells: Cells, lines: Sequence[int]) -> None:
        """Take the cells of a block, from the lines given.

        Raises
        ------
        DataError
            If the column is known to hold numbers and a cell is none.
        """
        if self.kind is None and cells.empty.all():
            self.add_missing(len(cells))
        elif self.kind is None:
            self.add_texts(cells.texts(), lines)
        elif self.kind == "category":
            self.add(self._levels.code_cells(cells))
        else:
            found = parse_decimals(cells.data, cells.starts, cells.stops)
            self.add_decimals(found, cells, lines)

    def add_decimals(self, found: Decimals, cells: Cells, lines: Sequence[int]) -> None:
        """Take the numbers found in cells; look one by one at those where none was.

        Raises
        ------
        DataError
            As :meth:`add_cells`.
        """
        known = self.rounded is not None
        if found.unknown is not None:
            rest = np.flatnonzero(found.unknown)
            if len(rest) > _FEW:
                rest = rest[~are_missing(cells.take(rest))]
            places = [lines[row] for row in rest.tolist()]
            found.values[rest] = self._numbers_in(cells.take(rest).texts(), places)
        if not known and found.rounded is not None and found.rounded.any():
            line = lines[int(found.rounded.argmax())]
            self.rounded = line if self.rounded is None else min(line, self.rounded)
        self.add(found.values)

    def add_texts(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Take cells as text, from the lines given.

        Raises
        ------
        DataError
            If the column is known to hold numbers and a cell is none, or a cell is too long.
        """
        if self.kind is None:
            kind = _likely_kind(cells)
            if kind is None:
                self.add_missing(len(cells))
                return
            self.decide(kind)
        if self.kind == "number":
            self.add(self._numbers_in(cells, lines))
            return
        try:
            self.add(self._levels.code_texts(cells, len(cells)))
        except ValueError as error:
            row = next(i for i, cell in enumerate(cells) if len(cell) > MAX_CELL)
            raise DataError(
                f"column {quoted(self.name)}: a cell is longer than {MAX_CELL} characters",
                self.source,
                lines[row],
            ) from error

    def _numbers_in(self, cells: Sequence[str], lines: Sequence[int]) -> Array:
        values, odd = _numbers(cells)
        self._marks = self._marks or _has_marks(cells, values)
        if odd:
            first = odd[0]
            if self.given:
                raise self._not_a_number(cells[first], lines[first])
            self._first_odd = self._first_odd or (lines[first], cells[first])
            self._odd += len(odd)
        if self.rounded is None and len(values) and np.fmax.reduce(np.abs(values)) >= EXACT:
            large = np.flatnonzero(np.abs(values) >= EXACT).tolist()
            self.rounded = next((lines[i] for i in large if _is_rounded(cells[i])), None)
        return values

    def column(self, lines: Sequence[int] | Array) -> Column:
        """Return the column, from the lines given.

        Raises
        ------
        DataError
            If its kind was not given and it is neither one nor the other.
        TypesChanged
            If it began like numbers and holds mostly texts.
        """
        if self.kind is None:
            self.decide("number")
        values = np.empty(0) if self._values is None else self._values.finish()
        if self.kind == "number":
            self._judge_numbers(values)
            return Column(self.name, "number", values)
        codes, levels = self._levels.finish(values)
        if not self.given:
            self._judge_levels(codes, levels, lines)
        return Column(self.name, "category", codes, levels)

    def _judge_numbers(self, values: Array) -> None:
        """Refuse a number column with some cells that are none, ask again about one with most."""
        if self.given or not (self._odd or self._marks):
            return
        numbers = int(np.count_nonzero(~np.isnan(values)))
        if self._first_odd is not None and self._odd < numbers:
            line, cell = self._first_odd
            raise self._mixed(cell, line, numbers, self._odd)
        if self._odd or not numbers:
            raise TypesChanged([self.name])

    def _judge_levels(
        self, codes: Array, levels: Sequence[str], lines: Sequence[int] | Array
    ) -> None:
        """Refuse categories that are mostly numbers, or all written like numbers."""
        likely = {i: number_in(levels[i]) for i in _likely_numbers(levels)}
        text, number = np.ones(len(levels), bool), np.zeros(len(levels), bool)
        text[[i for i, value in likely.items() if value is not None]] = False
        number[[i for i, value in likely.items() if value is not None and value == value]] = True
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        numbers, texts = int(counts[number].sum()), int(counts[text].sum())
        like_numbers = all(_hint(level) for level in compress(levels, text))
        if texts and (numbers > texts or like_numbers):
            row = int(np.argmax(np.isin(codes, np.flatnonzero(text))))
            raise self._mixed(levels[int(codes[row])], int(lines[row]), numbers, texts)

    def _not_a_number(self, cell: str, line: int, more: str = "") -> DataError:
        text = cell.strip()
        hint = _hint(text)
        message = f"column {quoted(self.name)}: {quoted(text)} is not a number"
        return DataError(message + (f" ({hint})" if hint else "") + more, self.source, line)

    def _mixed(self, cell: str, line: int, numbers: int, odd: int) -> DataError:
        share = f", but {numbers} of {numbers + odd} cells are" if numbers else ""
        return self._not_a_number(
            cell,
            line,
            f"{share}; mend the file, leave a missing value empty, or set data.columns: "
            f"{{{self.name}: {{type: category}}}}",
        )


def number_in(text: str) -> float | None:
    """Return the number that a cell holds, NaN if it is missing; None if it holds anything else."""
    text = text.strip()
    if NUMBER.fullmatch(text):
        value = float(text)
        return value if abs(value) < float("inf") else None
    return float("nan") if text.lower() in NO_NUMBER else None


def number_columns(matrix: Array, names: Sequence[str]) -> dict[str, Column]:
    """Return the columns of a float64 matrix ``(N, K)``; they are views of it."""
    return {name: Column(name, "number", matrix[:, i]) for i, name in enumerate(names)}


def plain_numbers(cells: Sequence[str]) -> Array | None:
    """Return the numbers that cells hold, float64, if each is a finite one; else None."""
    try:
        # One look at all characters, then Python's float, whose grammar over these is ours.
        if not "".join(cells).encode().translate(None, NUMBER_BYTES):
            values = np.fromiter(map(float, cells), np.float64, len(cells))
            if np.isfinite(values).all():
                return values
    except ValueError:
        pass
    return None


def _numbers(cells: Sequence[str]) -> tuple[Array, list[int]]:
    """Parse the cells of a number column; return their values and which are no numbers."""
    values = plain_numbers(cells)
    if values is not None:
        return values, []
    found = [number_in(cell) for cell in cells]
    odd = [i for i, value in enumerate(found) if value is None]
    nan = float("nan")
    return np.array([nan if value is None else value for value in found], np.float64), odd


def _likely_kind(cells: Sequence[str]) -> Kind | None:
    """Guess a column's kind from its first cells; None if all are missing."""
    values, odd = _numbers(cells)
    numbers = int(np.count_nonzero(~np.isnan(values)))
    if not numbers and not odd:
        return "number" if _has_marks(cells, values) else None
    return "number" if numbers > len(odd) else "category"


def _has_marks(cells: Sequence[str], values: Array) -> bool:
    """Whether a cell is missing among numbers, but would be a category of its own among texts."""
    missing = {cells[i].strip() for i in np.flatnonzero(np.isnan(values)).tolist()} - MISSING
    return any(text.lower() in NO_NUMBER - _NANS for text in missing)


def _likely_numbers(levels: Sequence[str]) -> Iterator[int]:
    """Yield the places in sorted texts of those that begin like numbers, or are missing ones."""
    for first in _FIRST:
        yield from range(bisect_left(levels, first), bisect_left(levels, chr(ord(first) + 1)))
    for text in _NO_NUMBER_FORMS:
        place = bisect_left(levels, text)
        if place < len(levels) and levels[place] == text and text[0] not in _FIRST:
            yield place


def _hint(text: str) -> str:
    """Return what to do about a text that means a number but isn't a plain one, or nothing."""
    text = text.strip()
    if text.lower() in NO_NUMBER or (NUMBER.fullmatch(text) and number_in(text) is not None):
        return ""
    return next((hint for pattern, hint in _LIKE_NUMBERS if pattern.fullmatch(text)), "")


def _is_rounded(cell: str) -> bool:
    return cell.strip().lstrip("+-").isdecimal() and float(cell) != int(cell)
