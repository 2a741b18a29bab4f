"""Columns as numbers or as categories, and errors that name their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from bpnet.data.table import Column, Table, Tensor
from bpnet.errors import DataError, OptionError, did_you_mean
from bpnet.nn.arena import Array

Source = Table | Tensor

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def row_error(source: Source, row: int, message: str) -> DataError:
    """Return an error about one row of a source, counted from 0."""
    line = source.line(row)
    return DataError(message if line else f"{source.place(row)}: {message}", source.source, line)


def places(source: Source, rows: Array, most: int = 5) -> str:
    """Name some rows of a source: `` in lines 3, 17, 20 and 4 more``; nothing for one row.

    An error has the place of the first row anyway.
    """
    if len(rows) == 1:
        return ""
    numbers = [source.line(row) for row in rows[:most].tolist()]
    noun = "line"
    if None in numbers:
        noun, numbers = "row", rows[:most].tolist()
    text = ", ".join(map(str, numbers))
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f" in {noun}s {text}{more}"


def find_column(source: Source, name: str, role: str = "") -> Column:
    """Return the column `name` of a file that must have it, as the training file did.

    Raises
    ------
    DataError
        If it has no such column; `role` says what it is for.
    """
    if name not in source.columns:
        what = f"column '{name}'" + (f" ({role})" if role else "")
        near = did_you_mean(name, source.columns)
        raise DataError(f"{what} is missing{near or '; found ' + listing(source)}", source.source)
    return source.columns[name]


def chosen_column(source: Source, name: str, *path: str | int) -> Column:
    """Return the column `name` that the config chooses at `path`.

    Raises
    ------
    OptionError
        If the source has no such column.
    """
    if name not in source.columns:
        near = did_you_mean(name, source.columns)
        raise OptionError(
            f"{source.source} has no column '{name}'{near or '; found ' + listing(source)}", *path
        )
    return source.columns[name]


def listing(source: Source, most: int = 12) -> str:
    """Name the columns of a source, the first of them where there are many."""
    names = list(source.columns)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) + more) or "no column"


def as_number(column: Column, source: Source, remedy: str) -> Column:
    """Return the column as numbers; categories that are all written as numbers become them.

    Raises
    ------
    DataError
        At the first cell that isn't a number, with what to do about it.
    """
    if column.kind == "number":
        return column
    numeric = np.array([is_number(level) for level in column.levels], bool)
    if not numeric.all():
        bad = np.append(~numeric, False)[column.values]
        if bad.any():
            row = int(bad.argmax())
            text = column.levels[column.values[row]]
            raise row_error(
                source, row, f"column '{column.name}': {text!r} is not a number; {remedy}"
            )
    numbers = [float(t) if ok else np.nan for t, ok in zip(column.levels, numeric, strict=True)]
    values = np.array([*numbers, np.nan])[column.values]
    return replace(column, kind="number", values=values, levels=())


def different(values: Array) -> Array:
    """Return every value once, in ascending order.

    Asked for the counts too, np.unique does without numpy.ma, whose import takes 15 ms.
    """
    return np.unique(values, return_counts=True)[0]


def is_number(text: str) -> bool:
    """Say whether a text is a plain decimal number."""
    return _NUMBER.fullmatch(text) is not None


def in_order(texts: Iterable[str]) -> tuple[str, ...]:
    """Sort categories: by their value where all are numbers, else as text."""
    texts = list(texts)
    if all(map(is_number, texts)):
        return tuple(sorted(texts, key=lambda text: (float(text), text)))
    return tuple(sorted(texts))


def codes_of(column: Column, levels: tuple[str, ...], missing: int, unseen: int) -> Array:
    """Return the code of every category of a column ``(len(column.levels) + 1,)``.

    Indexed by the column's own codes: the index in `levels`, or `unseen` where it isn't there;
    the last one, which -1 finds, is `missing`.
    """
    place = {level: code for code, level in enumerate(levels)}
    return np.array([*(place.get(level, unseen) for level in column.levels), missing], np.int64)
