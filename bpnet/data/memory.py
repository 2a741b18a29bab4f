"""Rows that a program has in memory, as a table: what Python users hand to `Model.predict`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpnet.data.table import Column, Kind, Table, Tensor, number_text
from bpnet.errors import DataError
from bpnet.nn.arena import Array

SOURCE = "the rows"


def from_rows(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, Kind]) -> Table:
    """Make a table of dictionaries, one a row; a missing key or None is a missing cell.

    Parameters
    ----------
    rows
        The rows.
    kinds
        The columns that are wanted, and what each holds; others are ignored.

    Raises
    ------
    DataError
        If a row is no dictionary, no row has a wanted column, or a cell is no number where
        one is wanted.
    """
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(
                f"row {i}: expected a dictionary, received {type(row).__name__}", SOURCE
            )
    found = {name: [row.get(name) for row in rows] for name in kinds}
    absent = [n for n in kinds if rows and not any(n in row for row in rows)]
    return _table(found, kinds, len(rows), absent)


def from_columns(columns: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Table:
    """Make a table of sequences of equal length by column name.

    Raises
    ------
    DataError
        If a wanted column is missing, the lengths differ, or a cell is no number where one is
        wanted.
    """
    found = {name: list(columns[name]) for name in kinds if name in columns}
    lengths = {len(cells) for cells in found.values()}
    if len(lengths) > 1:
        raise DataError(f"columns of {min(lengths)} and {max(lengths)} rows", SOURCE)
    return _table(found, kinds, max(lengths, default=0), [n for n in kinds if n not in columns])


def from_array(array: Array, kinds: Mapping[str, Kind]) -> Table | Tensor:
    """Make a table of an array ``(N, columns)`` in the order of `kinds`, or a tensor of more axes.

    Raises
    ------
    DataError
        If the number of columns differs.
    """
    if not kinds:
        return Tensor(array, {}, SOURCE)
    if array.ndim != 2 or array.shape[1] != len(kinds):
        expected = f"expected an array (N, {len(kinds)}) with the columns {', '.join(kinds)}"
        raise DataError(f"{expected}, received one of shape {array.shape}", SOURCE)
    found = {name: array[:, i].tolist() for i, name in enumerate(kinds)}
    return _table(found, kinds, len(array), [])


def _table(
    found: Mapping[str, list[Any]], kinds: Mapping[str, Kind], rows: int, absent: Sequence[str]
) -> Table:
    if absent:
        plural = "s" if len(absent) > 1 else ""
        raise DataError(f"column{plural} {', '.join(absent)} missing; the model needs them", SOURCE)
    columns = {name: _column(name, cells, kinds[name]) for name, cells in found.items()}
    return Table(columns, rows, SOURCE, first_line=None)


def _column(name: str, cells: Sequence[Any], kind: Kind) -> Column:
    if kind == "number":
        return Column(name, "number", np.array([_number(name, i, c) for i, c in enumerate(cells)]))
    texts = [_text(cell) for cell in cells]
    levels = tuple(sorted({text for text in texts if text is not None}))
    place: dict[str | None, int] = {level: code for code, level in enumerate(levels)}
    place[None] = -1
    return Column(name, "category", np.array([place[t] for t in texts], np.int32), levels)


def _number(name: str, row: int, cell: Any) -> float:
    if cell is None or cell == "":
        return np.nan
    try:
        value = float(cell)
    except (TypeError, ValueError):
        raise DataError(f"row {row}: column '{name}': {cell!r} is not a number", SOURCE) from None
    if np.isinf(value):
        raise DataError(f"row {row}: column '{name}': {cell!r} is not a finite number", SOURCE)
    return value


def _text(cell: Any) -> str | None:
    if cell is None or cell == "" or (isinstance(cell, float) and np.isnan(cell)):
        return None
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    return number_text(float(cell)) if isinstance(cell, int | float | np.number) else str(cell)
