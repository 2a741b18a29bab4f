"""Reading JSON Lines: one object a line, its keys the columns.

Values are numbers, texts, true, false or null. A text is read like a cell of a CSV file: ``"12"``
is a number, ``"NA"`` is missing. true and false are the categories ``true`` and ``false``; null and
a key that is absent are missing cells, as is ``NaN``, which Python writes for one.

Everything else is refused: arrays and nested objects, a key that is there twice, ``Infinity``, half
a pair of surrogates, NUL, and whatever JSON itself (RFC 8259) does not allow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from bpnet.data.cells import ColumnCells
from bpnet.data.lines import TextBlocks, quoted
from bpnet.data.powers import EXACT
from bpnet.data.table import Stream, check_width, number_text
from bpnet.errors import DataError

_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
_BLANK = " \t"
"""What JSON takes for white space; a file has it at most at the ends of its lines."""
_NUMBER_OR_NULL = {float, int, type(None)}

FREE_CELLS = 1 << 22
MAX_SPARSITY = 20
"""A table may have 4 million cells, and beyond that 20 times as many as have a value; where every
line has keys of its own, a small file would fill the memory with missing cells."""


class JsonRows:
    """The rows of a JSON Lines stream, added to columns block by block.

    Parameters
    ----------
    stream
        Where the bytes come from.
    source
        What errors call it.
    new_column
        Makes the column of a key that none has yet; without it such keys are ignored.

    Attributes
    ----------
    names
        The keys of the first block.
    notes
        What the reader decided, for people.
    """

    def __init__(
        self, stream: Stream, source: str, new_column: Callable[[str], ColumnCells] | None = None
    ) -> None:
        self.source = source
        self.names: list[str] = []
        self.notes: list[str] = []
        self._new_column = new_column
        self._blocks = TextBlocks(stream, source)
        self._decode = json.JSONDecoder(
            object_pairs_hook=_checked, parse_constant=self._constant
        ).decode
        self._decode_unchecked = json.JSONDecoder(parse_constant=self._constant).decode
        self._has_colons = False

    def blocks(self, columns: dict[str, ColumnCells]) -> Iterator[Sequence[int]]:
        """Add block after block to the columns, and yield the lines that its rows are on.

        Parameters
        ----------
        columns
            Where the values of each key go; new ones are added to it.

        Raises
        ------
        DataError
            If a line is no object of single values, or a value isn't what its column holds.
        """
        rows = given = 0
        for block in self._blocks:
            texts = block.decode().split("\n")[:-1]
            objects, lines = self._objects(texts, self._blocks.line - len(texts))
            if not objects:
                continue
            if not rows or self._new_column:
                names = dict.fromkeys(key for row in objects for key in row)
                self.names = self.names or list(names)
                given += sum(map(len, objects))
                if self._new_column:
                    self._check_shape(rows + len(objects), len(columns.keys() | names), given)
                self._add_columns(columns, names, rows)
            for name, column in columns.items():
                self._add(column, _values(objects, name), lines)
            rows += len(objects)
            yield lines

    def _objects(self, texts: list[str], first: int) -> tuple[list[dict[str, Any]], Sequence[int]]:
        """Decode the lines of a block; return its objects and the line of each."""
        lines: Sequence[int] = range(first, first + len(texts))
        filled = [bool(text) and bool(text.strip(_BLANK)) for text in texts]
        if not all(filled):
            lines = [line for line, full in zip(lines, filled, strict=True) if full]
            texts = [text for text, full in zip(texts, filled, strict=True) if full]
        # One array of all objects is decoded faster, and shares its keys. A text can't go on over
        # the line ends in it, and with one brace a line, each line is one object.
        joined = "\n,".join(texts)
        if joined.count("{") == len(texts) and all(text[0] == "{" for text in texts):
            objects = self._together(joined)
            if len(objects) == len(texts):
                return objects, lines
        return [self._object(t, line) for t, line in zip(texts, lines, strict=True)], lines

    def _together(self, joined: str) -> list[dict[str, Any]]:
        """Decode objects with commas between them; return none where anything is wrong."""
        try:
            if not self._has_colons:
                objects: list[dict[str, Any]] = self._decode_unchecked(f"[{joined}]")
                if _are_objects(objects):
                    # With one colon for each key that is left, no key was there twice.
                    self._has_colons = joined.count(":") != sum(map(len, objects))
                    if not self._has_colons and all(map(_can_name, set().union(*objects))):
                        return objects
            objects = self._decode(f"[{joined}]")
        except (ValueError, RecursionError):
            return []
        return objects if _are_objects(objects) else []

    def _object(self, text: str, line: int) -> dict[str, Any]:
        try:
            value = self._decode(text.strip(_BLANK))
        except json.JSONDecodeError as error:
            raise DataError(
                f"expected one JSON object in this line; at character "
                f"{error.colno}: {error.msg.removesuffix(' at').removesuffix(' starting')}",
                self.source,
                line,
            ) from error
        except RecursionError as error:
            raise DataError("the object is nested too deeply", self.source, line) from error
        except ValueError as error:  # an integer of thousands of digits, or from the hooks
            huge = "integer string conversion" in str(error)
            message = "an integer of thousands of digits, which is no number of a table"
            raise DataError(message if huge else str(error), self.source, line) from error
        if not isinstance(value, dict):
            found = _NAMES[type(value)]
            raise DataError(
                f'expected an object such as {{"x": 1, "y": 2}}, found {found}', self.source, line
            )
        return value

    def _check_shape(self, rows: int, columns: int, given: int) -> None:
        """Refuse objects that have too many keys, or hardly any in common."""
        check_width(columns, self.source)
        if rows * columns > max(FREE_CELLS, MAX_SPARSITY * given):
            raise DataError(
                f"{rows} lines have {columns} different keys, but only {given} values; give all "
                "lines the same keys, or write an NPZ file",
                self.source,
            )

    def _add_columns(
        self, columns: dict[str, ColumnCells], names: Iterable[str], rows: int
    ) -> None:
        for name in names:
            if name not in columns and self._new_column is not None:
                columns[name] = self._new_column(name)
                columns[name].add_missing(rows)

    def _add(self, column: ColumnCells, values: list[Any], lines: Sequence[int]) -> None:
        types = set(map(type, values))
        if column.kind != "category" and types <= _NUMBER_OR_NULL and types != {type(None)}:
            try:
                numbers = np.array(values, np.float64)  # None becomes NaN
            except OverflowError:
                numbers = np.array([np.inf])
            if not np.fmax.reduce(np.abs(numbers)) >= EXACT:
                if column.kind is None:
                    column.decide("number")
                column.add(numbers)
                return
        column.add_texts(
            [self._text(column.name, v, line) for v, line in zip(values, lines, strict=True)], lines
        )

    def _text(self, name: str, value: Any, line: int) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return number_text(value) if abs(value) < EXACT else repr(value)
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"column {quoted(name)}: {quoted(value)} holds half a character (a lone "
                    "surrogate)",
                    self.source,
                    line,
                ) from error
            if "\0" in value:
                raise DataError(
                    f"column {quoted(name)}: {quoted(value)} holds the character NUL, which is no "
                    "text",
                    self.source,
                    line,
                )
            return value
        raise DataError(
            f"column {quoted(name)}: expected a number, a text, true, false or null, found "
            f"{_NAMES[type(value)]}; give each of its values a key of its own",
            self.source,
            line,
        )

    def _constant(self, name: str) -> None:
        """Read NaN as a missing value, as Python's json writes it; refuse the infinities."""
        if name != "NaN":
            raise ValueError(f"{name} is not a number that can be computed with")


def _are_objects(values: list[Any]) -> bool:
    return set(map(type, values)) == {dict}


def _values(objects: list[dict[str, Any]], name: str) -> list[Any]:
    """Return the value of a key in each object; None where it is absent."""
    try:
        return list(map(itemgetter(name), objects))
    except KeyError:
        return [row.get(name) for row in objects]


def _can_name(key: str) -> bool:
    """Say whether a key is fit to name a column."""
    return key != "" and key.isprintable()


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these keys and values, each there once and fit to name a column."""
    row = dict(pairs)
    if len(row) < len(pairs):
        last = {key: i for i, (key, _) in enumerate(pairs)}
        twice = next(key for i, (key, _) in enumerate(pairs) if last[key] > i)
        raise ValueError(f"the key {quoted(twice)} is there twice")
    if not "".join(row).isprintable() or "" in row:
        odd = next(key for key in row if not _can_name(key))
        raise ValueError(f"the key {quoted(odd)} can't name a column")
    return row
