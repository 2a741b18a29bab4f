"""Reading CSV and TSV: rows of cells with a separator between them.

The text is read as RFC 4180 describes it: a quoted cell may hold separators, line ends and doubled
quotes. White space around a cell is ignored, lines with nothing in them are skipped, and the first
line names the columns. Everything else that is odd is refused with its line.

Speed
-----
A block of about 1 MiB is taken apart by NumPy: `bpnet.data.grid` finds its cells,
`bpnet.data.decimals` reads numbers, `bpnet.data.levels` codes categories. Where it isn't certain
that this gives what the csv module gives (quotes in odd places, a line of the wrong length, an
empty line), the block goes through the csv module instead, which is slower, strict, and knows what
is wrong with a line. So does a block of a few lines, such as a pipe brings. Single cells that are
no plain number are looked at one by one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from bpnet.data.ahead import made_side_by_side
from bpnet.data.cells import NUMBER, ColumnCells, plain_numbers
from bpnet.data.decimals import Decimals, parse_decimals
from bpnet.data.digits import WORDS
from bpnet.data.grid import MAX_CELL, CellFinder, Cells, Grid
from bpnet.data.lines import LineFeed, TextBlocks, quoted
from bpnet.data.powers import EXACT
from bpnet.data.table import Stream, check_width
from bpnet.errors import DataError
from bpnet.nn.arena import Array

SEPARATORS = {"csv": ",;\t|", "tsv": "\t", "txt": "\t;,|"}
"""The separators that a file of each kind may have, the likeliest first."""

SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_SMALL = 1 << 12
"""Bytes of a block, rows from a pipe say, that is not worth the many operations on vectors."""

_Decimals = dict[int, tuple[Decimals, Cells, slice]]
"""Of columns of numbers: what was found in some of them, their cells, and which are its own."""

_Columns = Sequence["ColumnCells | None"]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block, and what was found out about it alone."""

    text: bytes
    finder: CellFinder | None = None
    grid: Grid | None = None
    decimals: _Decimals = field(default_factory=dict)


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
    ahead
        Whether the stream is read in a thread, ahead of what is asked for; not for pipes.

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
        self,
        stream: Stream,
        source: str,
        form: str = "csv",
        *,
        header: bool = True,
        ahead: bool = False,
    ) -> None:
        self.source = source
        self.names: list[str] = []
        self.notes: list[str] = []
        self._ahead = ahead
        self._feed = LineFeed(iter(TextBlocks(stream, source)))
        first = self._first_text()
        self._separator = self._choose_separator(first, form)
        self._reader = csv.reader(
            self._feed, delimiter=self._separator, strict=True, skipinitialspace=True
        )
        self.names = self._header() if header else self._numbered(first)

    def _first_text(self) -> str:
        """Return the first block, and leave it in the feed."""
        while block := self._feed.block():
            text = block.decode()
            if text.strip():
                self._feed.load(block)
                return text
            self._feed.line += text.count("\n")
        raise DataError("is empty; expected a line of column names, then rows", self.source)

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
        rest = self._feed.block()  # of the one with the header
        texts = chain([rest] if rest else [], self._feed.blocks)
        places = [columns.get(name) for name in self.names]
        finders: list[CellFinder] = []  # that nobody uses at present

        def take_apart(text: bytes) -> _Block:
            if len(text) < _SMALL:
                return _Block(text)
            finder = finders.pop() if finders else CellFinder(self._separator, len(self.names))
            grid = finder.find(text)
            return _Block(text, finder, grid, {} if grid is None else _decimals(grid, places))

        with self._each(take_apart, texts) as blocks:
            self._feed.blocks = (block.text for block in blocks)
            for block in blocks:
                places = [columns.get(name) for name in self.names]
                yield from self._add(block, places)
                if block.finder is not None:
                    finders.append(block.finder)

    def _each(
        self, take_apart: Callable[[bytes], _Block], texts: Iterator[bytes]
    ) -> AbstractContextManager[Iterator[_Block]]:
        """Take every block apart, two at a time if asked for."""
        if self._ahead:
            return made_side_by_side(texts, take_apart)
        return nullcontext(map(take_apart, texts))

    def _add(self, block: _Block, columns: _Columns) -> Iterator[Sequence[int]]:
        """Add a block to its columns, and yield the lines that its rows are on, if it has any."""
        grid = block.grid
        if grid is not None:
            found = grid.lines_from(self._feed.line + 1)
            self._feed.line += grid.height
            _add_grid(grid, block.decimals, found, columns)
            yield found
        else:
            self._feed.load(block.text)
            cells, lines = self._cells()
            numbers = _small_numbers(cells, columns) if len(block.text) < _SMALL else None
            for place, column in enumerate(columns):
                own = slice(place, None, len(columns))
                if column is not None and numbers is not None:
                    column.add(numbers[own])
                elif column is not None:
                    column.add_texts(cells[own], lines)
            if lines:
                yield lines

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


def _add_grid(grid: Grid, decimals: _Decimals, lines: Sequence[int], columns: _Columns) -> None:
    """Add the cells of a block to their columns."""
    for place, column in enumerate(columns):
        if place in decimals and column is not None:
            found, cells, own = decimals[place]
            column.add_decimals(found.take(own), cells.take(own), lines)
        elif column is not None:
            column.add_cells(grid.columns([place]), lines)


def _decimals(grid: Grid, columns: _Columns) -> _Decimals:
    """Return the numbers in columns of them, those of similar width read together."""
    words = np.minimum(-(-grid.widths() // 8), WORDS)
    numbers = [i for i, column in enumerate(columns) if column and column.kind == "number"]
    found = {}
    for count in range(WORDS + 1):
        group = [place for place in numbers if words[place] == count]
        if group:
            cells = grid.columns(group)
            decimals = parse_decimals(cells.data, cells.starts, cells.stops)
            for i, place in enumerate(group):
                found[place] = decimals, cells, slice(i, None, len(group))
    return found


def _small_numbers(cells: Sequence[str], columns: _Columns) -> Array | None:
    """Return all cells as numbers, if that is what they plainly are in every column."""
    if any(column is not None and column.kind != "number" for column in columns):
        return None
    values = plain_numbers(cells)
    return None if values is None or (np.abs(values) >= EXACT).any() else values


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
