"""Tables of a trace in plain lines: columns that stand below one another, and numbers in them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from bpnet.insight.trace.arithmetic import num
from bpnet.insight.trace.record import Numeric
from bpnet.nn.arena import Array

ROWS = 4
"""Rows whose numbers are written out."""

_NUMBERS = 8
"""Numbers of a layer that are written out."""

_WIDTH = 100
"""Characters of a line of words, at most."""


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows of cells as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield f"  {'  '.join([first, *rest])}".rstrip()


def table(
    rows: list[tuple[str, str, str, Array]], estimates: list[Numeric | None] | None = None
) -> Iterator[str]:
    """Write a line per layer and row of the batch: name, shape, formula, numbers.

    Below them stand the estimates, where there are any for all of the numbers, and at the end the
    formulas that are too long for their column.
    """
    cut = []
    name = max(len(row[0]) for row in rows)
    shape = max(len(row[1]) for row in rows)
    formula = min(max(len(row[2]) for row in rows), 34)
    for i, (label, sides, said, values) in enumerate(rows):
        start = f"  {label:{name}}  {sides:{shape}}  {_short(said, formula):{formula}}  "
        if len(said) > formula:
            cut.append(f"{label}: {said}")
        for n, text in enumerate(_texts(values)):
            yield (start if n == 0 else " " * len(start)) + text
        beside = estimates[i] if estimates else None
        if beside is not None and written_out(values) and not np.isnan(beside.values).any():
            indent = " " * (len(start) - 16) + "by differences  "
            for n, text in enumerate(_estimates(beside)):
                yield (indent if n == 0 else " " * len(indent)) + text
    for line in cut:
        yield from textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def written_out(values: Array) -> bool:
    """Say whether an array is small enough that each of its numbers is written out."""
    return len(values) <= ROWS and values.size <= len(values) * _NUMBERS


def _texts(values: Array) -> Iterator[str]:
    """Write the numbers of an array, a line per row; or what they are like if they are many."""
    flat = values.reshape(len(values), -1)
    if not written_out(values):
        low, high, size = flat.min(), flat.max(), np.abs(flat).mean()
        yield f"{num(low)} ... {num(high)}, mean size {num(size)}"
        return
    for row in flat:
        yield "  ".join(num(float(value)) for value in row)


def _estimates(numeric: Numeric) -> Iterator[str]:
    """Write derivatives by differences, a line per row."""
    for row in np.ndindex(len(numeric.values)):
        places = np.ndindex(numeric.values.shape[1:])
        yield "  ".join(estimate(numeric, (*row, *place)) for place in places)


def estimate(numeric: Numeric | None, index: tuple[int, ...]) -> str:
    """Return a derivative by differences; ``-`` if there is none, ``kink`` where it lies on one."""
    if numeric is None or np.isnan(numeric.values[index]):
        return "-"
    if numeric.kinks[index]:
        return "kink"
    return num(float(numeric.values[index]))
