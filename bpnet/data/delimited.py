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
is wrong with a line. Single cells that are no plain number are looked at one by one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, cycle

import numpy as np

from bpnet.data.ahead import made_ahead
from bpnet.data.cells import NUMBER, ColumnCells
from bpnet.data.decimals import WORDS, Decimals, parse_decimals
from bpnet.data.grid import MAX_CELL, CellFinder, Cells, Grid
from bpnet.data.lines import LineFeed, TextBlocks, quoted
from bpnet.data.table import Stream, check_width
from bpnet.errors import DataError

SEPARATORS = {"csv": ",;\t|", "tsv": "\t", "txt": "\t;,|"}
"""The separators that a file of each kind may have, the likeliest first."""

SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_Grids = Iterator[tuple[bytes, Grid | None]]


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
        blocks = chain([rest] if rest else [], self._feed.blocks)
        with self._grids(blocks) as grids:
            self._feed.blocks = (block for block, _ in grids)
            for block, grid in grids:
                yield from self._add(block, grid, [columns.get(name) for name in self.names])

    def _grids(self, blocks: Iterator[bytes]) -> AbstractContextManager[_Grids]:
        """Find the cells of block after block, in a thread if asked for."""
        # As many as there are blocks at a time: in use, waiting, and in the making.
        count = 3 if self._ahead else 1
        finders = [CellFinder(self._separator, len(self.names)) for _ in range(count)]
        grids = ((block, finder.find(block)) for block, finder in zip(blocks, cycle(finders)))
        return made_ahead(grids) if self._ahead else nullcontext(grids)

    def _add(
        self, block: bytes, grid: Grid | None, places: Sequence[ColumnCells | None]
    ) -> Iterator[Sequence[int]]:
        """Add a block to its columns, and yield the lines that its rows are on, if it has any."""
        if grid is not None:
            found = grid.lines_from(self._feed.line + 1)
            self._feed.line += grid.height
            _add_grid(grid, found, places)
            yield found
        else:
            self._feed.load(block)
            cells, lines = self._cells()
            for place, column in enumerate(places):
                if column is not None:
                    column.add_texts(cells[place :: len(places)], lines)
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


def _add_grid(grid: Grid, lines: Sequence[int], columns: Sequence[ColumnCells | None]) -> None:
    """Add the cells of a block to their columns."""
    decimals = _decimals(
        grid,
        [i for i, column in enumerate(columns) if column is not None and column.kind == "number"],
    )
    for place, column in enumerate(columns):
        if place in decimals and column is not None:
            found, cells, own = decimals[place]
            if found.unknown is None and found.rounded is None:
                column.add(found.values[own])
            else:
                column.add_decimals(found.take(own), cells.take(own), lines)
        elif column is not None:
            column.add_cells(grid.columns([place]), lines)


def _decimals(grid: Grid, places: Sequence[int]) -> dict[int, tuple[Decimals, Cells, slice]]:
    """Return the numbers in columns of them, those of similar width read together.

    That is, for each column: what was found in some columns, their cells, and which are its own.
    """
    words = np.minimum(-(-grid.widths() // 8), WORDS)
    found = {}
    for count in range(WORDS + 1):
        group = [place for place in places if words[place] == count]
        if group:
            cells = grid.columns(group)
            decimals = parse_decimals(cells.data, cells.starts, cells.stops)
            for i, place in enumerate(group):
                found[place] = decimals, cells, slice(i, None, len(group))
    return found


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
