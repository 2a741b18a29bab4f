"""Reading CSV and TSV: rows of cells with a separator between them.

The text is read as RFC 4180 describes it: a quoted cell may hold separators, line ends and doubled
quotes. White space around a cell is ignored, lines with nothing in them are skipped, and the first
line names the columns. Everything else that is odd is refused with its line.

Speed
-----
A block of about 1 MiB is parsed in one call of NumPy's text reader, straight into numbers and
category codes. Where that isn't certain to give what the csv module gives (a cell that is no
number, quotes in odd places, a line of the wrong length, an empty line), the block goes through
the csv module instead, which is slower, strict, and knows the line of every row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bpnet.data.cells import EXACT, MAX_CELL, NUMBER, ColumnCells
from bpnet.data.lines import LineFeed, TextBlocks, quoted
from bpnet.data.table import Stream, check_width
from bpnet.errors import DataError
from bpnet.nn.arena import Array

SEPARATORS = {"csv": ",;\t|", "tsv": "\t", "txt": "\t;,|"}
"""The separators that a file of each kind may have, the likeliest first."""

SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_REWRITTEN = (b"", b"NA", b"N/A", b"?", b"null", b"NULL")
"""Missing cells that are rewritten for NumPy's reader, which knows only `nan`."""

_Converters = dict[int | str, Callable[[str], Any]]
_Places = Sequence[ColumnCells | None]
"""Where the cells of each column go; None leaves a column out."""


class DelimitedRows:
    """The rows of a CSV or TSV stream, added to columns block by block.

    Parameters
    ----------
    stream
        Where the bytes come from.
    source
        What errors call it.
    form
        ``csv``, ``tsv`` or ``txt``: which separators it may have.
    header
        Whether the first line names the columns; if not, they are called x0, x1, ...

    Attributes
    ----------
    names
        The columns' names.
    notes
        What the reader decided, for people.

    Raises
    ------
    DataError
        If the stream is empty, or its header doesn't name every column once.
    """

    def __init__(
        self, stream: Stream, source: str, form: str = "csv", *, header: bool = True
    ) -> None:
        self.source = source
        self.names: list[str] = []
        self.notes: list[str] = []
        self._fill_missing = False
        self._feed = LineFeed(TextBlocks(stream, source))
        first = self._first_text()
        self._separator = self._choose_separator(first, form)
        self._reader = csv.reader(
            self._feed, delimiter=self._separator, strict=True, skipinitialspace=True
        )
        self.names = self._header() if header else self._numbered(first)

    def _first_text(self) -> str:
        """Return the first block, and leave it in the feed."""
        text = self._feed.block()
        while text and not text.strip():
            self._feed.line += text.count("\n")
            text = self._feed.block()
        if not text:
            raise DataError("is empty; expected a line of column names, then rows", self.source)
        self._feed.load(text)
        return text

    def _choose_separator(self, text: str, form: str) -> str:
        start = re.sub(r'"[^"]*"', "", text.lstrip("\n"))
        line = start[: start.find("\n")]
        likeliest = SEPARATORS[form][0]
        found = next((s for s in SEPARATORS[form] if s in line), likeliest)
        if found != likeliest:
            self.notes.append(f"the separator is a {SEPARATOR_NAMES[found]}")
        return found

    def _header(self) -> list[str]:
        row, line = next(self._records(), ([""], 1))
        check_width(len(row), self.source, line)
        names = [" ".join(cell.split()) for cell in row]
        if all(NUMBER.fullmatch(name) for name in names):
            raise DataError(
                "expected column names, found only numbers; add a line of names, or set "
                "data.header: false",
                self.source,
                line,
            )
        seen: dict[str, int] = {}
        for place, name in enumerate(names, 1):
            if not name:
                after = f" (after {quoted(names[place - 2])})" if place > 1 else ""
                raise DataError(
                    f"column {place}{after} has no name; name it in this line, or remove it if it "
                    "only numbers the rows",
                    self.source,
                    line,
                )
            if not name.isprintable():
                raise DataError(
                    f"the name of column {place}, {quoted(name)}, holds control characters",
                    self.source,
                    line,
                )
            if name in seen:
                raise DataError(
                    f"the name {quoted(name)} is there twice, in columns {seen[name]} and {place}; "
                    "rename one",
                    self.source,
                    line,
                )
            seen[name] = place
        return names

    def _numbered(self, text: str) -> list[str]:
        line = self._feed.line + 1 + len(text) - len(text.lstrip("\n"))
        lines = io.StringIO(text.lstrip("\n"))
        reader = csv.reader(lines, delimiter=self._separator, skipinitialspace=True)
        try:
            row = next((r for r in reader if len(r) > 1 or "".join(r).strip()), [""])
        except csv.Error as error:
            raise DataError(_csv_message(str(error)), self.source, line) from error
        check_width(len(row), self.source, line)
        return [f"x{i}" for i in range(len(row))]

    def blocks(self, columns: Mapping[str, ColumnCells]) -> Iterator[Sequence[int]]:
        """Add block after block to the columns, and yield the lines that its rows are on.

        Parameters
        ----------
        columns
            Where the cells of each column go, by its name; the others are left out.

        Raises
        ------
        DataError
            If a row is not as long as the header, a quote is not closed, or a cell isn't what its
            column holds.
        """
        while text := self._feed.block():
            # Of one column, a line of spaces is a missing cell.
            if not (text.strip() if len(self.names) > 1 else text.strip("\n")):
                self._feed.line += text.count("\n")
                continue
            places = [columns.get(name) for name in self.names]
            first = self._feed.line + 1
            count = text.count("\n")
            if self._parse(text, count, places):
                self._feed.line += count
                yield range(first, first + count)
                continue
            self._feed.load(text)
            cells, lines = self._cells()
            for place, column in enumerate(places):
                if column is not None:
                    column.add_texts(cells[place :: len(places)], lines)
            if lines:
                yield lines

    # The fast way: NumPy's reader.

    def _parse(self, text: str, count: int, columns: _Places) -> bool:
        """Add a block's cells to the columns in one go; False if that isn't safe."""
        if text.count(self._separator) != count * (len(self.names) - 1):
            return False  # blank lines, lines that are too long or short, separators in quotes
        if text.isspace() or ('"' in text and not _quotes_are_plain(text, self._separator)):
            return False
        values = self._read(text, count, columns)
        if values is None:
            return False
        for column, cells in zip(columns, values, strict=True):
            if column is None:
                continue
            if column.kind is None and np.isnan(cells).all():
                column.add_missing(count)
                continue
            if column.kind is None:
                column.decide("number")
            column.add(cells)
        return True

    def _read(self, text: str, count: int, columns: _Places) -> Sequence[Array] | None:
        """Return the values of each column; None if NumPy's reader can't tell them."""
        converters: _Converters = {}
        for place, column in enumerate(columns):
            if column is None:
                converters[place] = len  # anything that is quick
            elif column.kind == "category":
                converters[place] = column.codes.__getitem__
        dtype: np.dtype[Any] = np.dtype(np.float64)
        if converters:
            types = [np.int32 if i in converters else np.float64 for i in range(len(columns))]
            dtype = np.dtype([(f"f{i}", scalar) for i, scalar in enumerate(types)])
        table = None if self._fill_missing else self._loadtxt(text, dtype, converters)
        if table is None:
            # Once a file is known to have missing cells, all its blocks begin here.
            table = self._loadtxt(self._filled(text), dtype, converters)
            self._fill_missing = table is not None
        if table is None or len(table) != count:
            return None
        if not converters:
            fits = table.shape[1] == len(columns) and _plain(table)
            return list(table.T) if fits else None
        values = [np.ascontiguousarray(table[name]) for name in dtype.names or ()]
        return values if all(_plain(v) for v in values if v.dtype == np.float64) else None

    def _loadtxt(self, text: str, dtype: np.dtype[Any], converters: _Converters) -> Array | None:
        try:
            values: Array = np.loadtxt(
                io.StringIO(text),
                dtype,
                delimiter=self._separator,
                comments=None,
                quotechar='"',
                converters=converters or None,
                ndmin=1 if converters else 2,
            )
        except ValueError:
            return None
        return values

    def _filled(self, text: str) -> str:
        """Write `nan` into the missing cells of a block without separators in quotes."""
        if len(self.names) == 1:
            return text  # an empty line is no row
        raw = f"\n{text}".encode()
        data = np.frombuffer(raw, np.uint8)
        edge = (data == ord(self._separator)) | (data == ord("\n"))
        starts = np.flatnonzero(edge[:-1]) + 1
        spans: list[tuple[int, int]] = []
        for cell in _REWRITTEN:
            hits = starts
            for place, byte in enumerate(cell):
                hits = hits[data[hits + place] == byte]
            hits = hits[edge[hits + len(cell)]]
            spans += [(hit, hit + len(cell)) for hit in hits.tolist()]
        kept, pieces = 1, []
        for start, stop in sorted(spans):
            pieces.append(raw[kept:start])
            kept = stop
        return b"nan".join([*pieces, raw[kept:]]).decode()

    # The slow way: the csv module.

    def _cells(self) -> tuple[list[str], list[int]]:
        """Return the cells of the current block row by row, and the line of each row."""
        cells: list[str] = []
        lines: list[int] = []
        for row, line in self._records():
            if len(row) != len(self.names):
                raise DataError(
                    f"expected {_count(len(self.names), 'cell')} as in the header, found "
                    f"{len(row)}",
                    self.source,
                    line,
                )
            cells += row
            lines.append(line)
            if self._feed.at_end_of_block:
                break
        return cells, lines

    def _records(self) -> Iterator[tuple[list[str], int]]:
        """Yield rows that are not blank, with the line each begins on.

        A line of white space is blank, but in a table of one column it is a missing cell, as is
        ``""``, which the csv module writes there to tell it from an empty line.
        """
        line = self._feed.line + 1
        try:
            for row in self._reader:
                if len(row) > 1 or (row and (len(self.names) == 1 or row[0].strip())):
                    yield row, line
                elif self._feed.at_end_of_block:
                    return
                line = self._feed.line + 1
        except csv.Error as error:
            raise DataError(_csv_message(str(error)), self.source, line) from error


def _quotes_are_plain(text: str, separator: str) -> bool:
    """Whether cells are quoted as a whole, with nothing between that must be.

    Quotes then come in pairs, the first at the left edge of a cell and the second at the right
    edge; that there are as many separators as the rows have without any in quotes is known.
    """
    data = np.frombuffer(f"\n{text}".encode(), np.uint8)
    places = np.flatnonzero(data == ord('"'))
    edge = (data == ord(separator)) | (data == ord("\n"))
    before, after = edge[places - 1], edge[places + 1]
    first = np.arange(len(places)) % 2 == 0
    return len(places) % 2 == 0 and bool(((before == first) & (after != first)).all())


def _plain(values: Array) -> bool:
    """Whether no number is infinite, or so large that it may be a rounded integer."""
    if not values.size:
        return True
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    return not (low <= -EXACT or high >= EXACT)


def _csv_message(message: str) -> str:
    if "unexpected end" in message:
        return "a quoted cell begins here and is never closed; add the missing quote"
    if "field larger" in message:
        return f"a cell is longer than {MAX_CELL} characters; is the quote that closes it missing?"
    if "expected after" in message:
        return "text follows the quote that closes a cell; double the quotes inside a quoted cell"
    return message


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
