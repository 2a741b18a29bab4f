"""Tables from text files: CSV, TSV and JSON Lines, whole or in chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from bpnet.data.cells import ColumnCells, TypesChanged
from bpnet.data.delimited import SEPARATORS, DelimitedRows
from bpnet.data.files import Opener, reading
from bpnet.data.gunzip import decompressed
from bpnet.data.jsonlines import JsonRows
from bpnet.data.lines import BLOCK, quoted
from bpnet.data.table import Column, Kind, Stream, Table
from bpnet.errors import DataError, did_you_mean
from bpnet.nn.arena import Array

FORMS = (*SEPARATORS, "jsonl")
R_MISSING = -(2**31)
"""How R stores a missing integer; careless exports write it as a number."""


def read_text_table(
    opener: Opener, form: str, kinds: Mapping[str, Kind], *, header: bool = True
) -> Table:
    """Read a whole table.

    Parameters
    ----------
    opener
        The file; read once more if a column turns out to be other than it began.
    form
        One of `FORMS`.
    kinds
        The kinds of columns that are not to be inferred.
    header
        Whether the first line of a CSV or TSV file names the columns.

    Raises
    ------
    DataError
        If it holds no rows, or anything in it is wrong.
    """
    assumed: dict[str, Kind] = {}
    while True:
        try:
            return _read(opener, form, kinds, assumed, header)
        except TypesChanged as change:
            assumed.update(dict.fromkeys(change.names, "category"))


def stream_text_table(
    stream: Stream,
    source: str,
    form: str,
    kinds: Mapping[str, Kind],
    *,
    rows: int,
    optional: Collection[str],
    header: bool = True,
) -> Iterator[Table]:
    """Read a table of known columns in chunks; see `bpnet.data.sources.stream_table`."""
    reader: DelimitedRows | JsonRows
    if form == "jsonl":
        reader = JsonRows(stream, source)
    else:
        reader = DelimitedRows(stream, source, form, header=header)
        kinds = _present(reader.names, kinds, optional, source)
    columns = {name: ColumnCells(name, source, kind) for name, kind in kinds.items()}
    first = True
    for lines in reader.blocks(columns):
        if first:
            kinds, first = _present(reader.names, kinds, optional, source), False
        table = Table(
            {name: columns[name].column(lines) for name in kinds},
            len(lines),
            source,
            *_lines([lines]),
            notes=tuple(reader.notes),
        )
        for start in range(0, len(lines), rows):
            yield table if len(lines) <= rows else table.take(slice(start, start + rows))
        # In place: the reader goes on adding to the same dict.
        columns.clear()
        columns.update({name: ColumnCells(name, source, kind) for name, kind in kinds.items()})


def _read(
    opener: Opener, form: str, kinds: Mapping[str, Kind], assumed: Mapping[str, Kind], header: bool
) -> Table:
    columns: dict[str, ColumnCells] = {}
    reader: DelimitedRows | JsonRows
    with reading(opener) as file:
        source = file.name

        def new_column(name: str) -> ColumnCells:
            kind = kinds.get(name) or assumed.get(name)
            return ColumnCells(name, source, kind, assumed=name not in kinds)

        stream = decompressed(file)
        if form == "jsonl":
            reader = JsonRows(stream, source, new_column)
        else:
            reader = DelimitedRows(stream, source, form, header=header, ahead=file.size > BLOCK)
            columns = {name: new_column(name) for name in reader.names}
        blocks = list(reader.blocks(columns))
        fingerprint = file.fingerprint()
    count = sum(map(len, blocks))
    if not count and form == "jsonl":
        raise DataError("is empty; expected one JSON object a line", source)
    if not count:
        raise DataError("has no rows; expected some below the line of column names", source)
    lines, first_line = _lines(blocks)
    where = range(first_line, first_line + count) if lines is None else lines
    found, changed = {}, []
    for name in list(columns):
        cells = columns.pop(name)  # so that its blocks are freed once they are joined
        try:
            found[name] = cells.column(where)
        except TypesChanged as change:
            changed += change.names
        reader.notes += _odd_numbers(cells, found.get(name), where)
    if changed:
        raise TypesChanged(changed)
    return Table(
        found,
        count,
        source,
        lines,
        first_line,
        files=(fingerprint,),
        notes=tuple(reader.notes),
    )


def _odd_numbers(
    cells: ColumnCells, column: Column | None, lines: Sequence[int] | Array
) -> Iterator[str]:
    """Yield what is odd about the numbers of a column, though each is a number."""
    if cells.rounded is not None:
        yield (
            f"column {quoted(cells.name)} holds integers above 2**53 (the first in line "
            f"{cells.rounded}), which are rounded"
        )
    if column is None or column.kind != "number":
        return
    if np.fmin.reduce(column.values) == R_MISSING:
        line = int(lines[int(np.nanargmin(column.values))])
        yield (
            f"column {quoted(cells.name)} holds {R_MISSING} (the first in line {line}), which some "
            "programs write for a missing value; empty these cells if they are missing"
        )


def _lines(blocks: Sequence[Sequence[int]]) -> tuple[Array | None, int]:
    """Return the line of each row, None if they follow each other, and the first one."""
    first = following = blocks[0][0]
    for block in blocks:
        if block[0] != following or block[-1] != following + len(block) - 1:
            return np.concatenate([np.asarray(b, np.int64) for b in blocks]), first
        following += len(block)
    return None, first


def _present(
    names: Sequence[str], kinds: Mapping[str, Kind], optional: Collection[str], source: str
) -> dict[str, Kind]:
    """Return the kinds of the columns that are there; refuse the lack of one that is needed."""
    missing = [name for name in kinds if name not in names and name not in optional]
    if missing:
        some = ", ".join(map(quoted, missing[:5])) + (", ..." if len(missing) > 5 else "")
        which = "column" if len(missing) == 1 else f"{len(missing)} columns"
        there = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise DataError(
            f"lacks the {which} {some}{did_you_mean(missing[0], names)} (it has: {there})", source
        )
    return {name: kind for name, kind in kinds.items() if name in names}
