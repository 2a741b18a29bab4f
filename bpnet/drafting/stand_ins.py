"""Numbers that are written where nothing was measured: -999, 9999, R's -2147483648."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from bpnet.data.table import number_text
from bpnet.nn.arena import Array

REPEATED = 3
"""Cells that must hold such a number; a slip of the pen comes once."""

DIFFERENT = 5
"""Different other numbers that it takes to know what is usual."""

USUAL, UNUSUAL = 1.0, 3.0
"""How far from all others it lies, in widths of their range: one that many programs write, and any
other."""

_MARKS = re.compile(r"-?9{2,}|-9")
_LIMITS = re.compile(r"-?(32767|32768|2147483647|2147483648)")
"""The least and largest whole numbers that programs hold: once is enough to know them."""

NO_OPTION = (
    "bpnet takes empty cells, NA, N/A, NaN, null and ? for missing ones, and has no option for "
    "other marks: if these are marks, empty those cells in the file and write this config anew"
)
"""What is to be done."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A number that seems to stand for a missing value.

    Attributes
    ----------
    text
        The number.
    count
        In how many cells.
    """

    text: str
    count: int

    def __str__(self) -> str:
        return f"{self.text} in {self.count:,} cell{'' if self.count == 1 else 's'}"


def stand_ins(values: Array) -> tuple[list[StandIn], Array]:
    """Return the numbers of a column that repeat far from all others, and the others.

    Parameters
    ----------
    values
        The column's cells, without the missing ones.
    """
    found: list[StandIn] = []
    others = values
    while (step := _farthest(others)) is not None and len(found) < REPEATED:
        stand_in, others = step
        found.append(stand_in)
    return found, others


def _farthest(values: Array) -> tuple[StandIn, Array] | None:
    """Return the least or the largest number with its cells, and the others, if it is one."""
    if not len(values) or not np.isfinite(values).all():
        return None
    for number in (float(values.min()), float(values.max())):
        text, mine = number_text(number), values == number
        count, others = int(mine.sum()), values[~mine]
        limit = bool(_LIMITS.fullmatch(text))
        if count < (1 if limit else REPEATED) or len(others) < count:
            continue
        if len(np.unique(others)) < DIFFERENT:
            continue
        with np.errstate(over="ignore"):
            width = float(others.max() - others.min())
            gap = float(np.abs(others - number).min())
        if gap > (USUAL if limit or _MARKS.fullmatch(text) else UNUSUAL) * width:
            return StandIn(text, count), others
    return None
