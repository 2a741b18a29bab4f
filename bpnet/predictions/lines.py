"""Rows of predictions as text: CSV, JSON Lines or one JSON document.

How a class is written is found once; the rows of a block become text together.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from typing import Literal

import numpy as np

from bpnet.nn.arena import Array

Form = Literal["csv", "jsonl", "json"]
"""CSV with a header, an object a line, or a list of objects."""


class Lines:
    """The text of rows with the same columns.

    Parameters
    ----------
    names
        The columns' names.
    form
        What the text is.

    Attributes
    ----------
    opening, closing
        The text before the first row, and behind the last one.
    empty
        The cell of a row that got no prediction.
    """

    def __init__(self, names: Sequence[str], form: Form) -> None:
        self._classes = _Cells(form)
        self._is_json = form != "csv"
        if self._is_json:
            keys = [f"{json.dumps(name, ensure_ascii=False)}: " for name in names]
            start, self._end = ("{", "}\n") if form == "jsonl" else ("\n  {", "}")
            self._before = [start + keys[0], *(f", {key}" for key in keys[1:])]
            self._between = "," if form == "json" else ""
            self.opening, self.closing = ("[", "\n]\n") if form == "json" else ("", "")
            self.empty = "null"
        else:
            self._before, self._end = ["", *[","] * (len(names) - 1)], "\n"
            self._between = ""
            self.opening, self.closing = _csv_row(names), ""
            # The csv module writes an empty cell in quotes where there is no other in the row.
            self.empty = "" if len(names) > 1 else '""'
        self._begun = False

    def classes(self, values: Array) -> list[str]:
        """Return cells that say classes: whole numbers or texts."""
        return list(map(self._classes.__getitem__, values.tolist()))

    def numbers(self, values: Array) -> list[str]:
        """Return cells that say numbers, with all their digits."""
        if self._is_json and not np.isfinite(values).all():
            return [repr(v) if math.isfinite(v) else self.empty for v in values.tolist()]
        return list(map(repr, values.tolist()))

    def probabilities(self, values: Array) -> list[str]:
        """Return cells that say probabilities, with the eight digits that float32 has."""
        values = values.astype(np.float64)
        texts = ("%.8g " * len(values) % tuple(values.tolist())).split()
        # Elsewhere this is what Python writes for the rounded number: 1.0, 5e-324.
        plain = (values >= sys.float_info.min) & (values < 0.99999999)
        for i in np.flatnonzero(~plain).tolist():
            texts[i] = self.empty if texts[i] == "nan" else repr(float(texts[i]))
        return texts

    def rows(self, columns: Sequence[list[str]]) -> str:
        """Return the text of the next rows, from the cells of each column."""
        count, width = len(columns[0]), 2 * len(columns)
        if not count:
            return ""
        pieces = [self._end + self._between + self._before[0]] * (count * width)
        for i, cells in enumerate(columns):
            pieces[2 * i :: width] = cells
            if i:
                pieces[2 * i - 1 :: width] = [self._before[i]] * count
        pieces[-1] = self._end
        start = self._between if self._begun else ""
        self._begun = True
        return f"{start}{self._before[0]}{''.join(pieces)}"


class _Cells(dict[object, str]):
    """The cell of each class."""

    def __init__(self, form: Form) -> None:
        self._form = form

    def __missing__(self, value: object) -> str:
        if self._form == "csv":
            cell = _csv_row([value, ""]).removesuffix(",\n")
        else:
            cell = json.dumps(value, ensure_ascii=False)
        self[value] = cell
        return cell


def _csv_row(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
