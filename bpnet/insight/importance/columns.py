"""How much each column matters, what its inputs are, and which rows tell."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bpnet.data.features import TableFeatures
from bpnet.nn.arena import Array
from bpnet.streams import stream

SAMPLED = 50_000
"""Rows that are looked at, at most."""


@dataclass(frozen=True, slots=True)
class ColumnImportance:
    """How much one column matters.

    Attributes
    ----------
    column
        Its name; of images the place of a number, ``[row, column, channel]``.
    inputs
        How many inputs of the network it became.
    importance
        How much worse the metric gets, or how far the output moves.
    spread
        The standard deviation over the repeats of a permutation, else None.
    """

    column: str
    inputs: int
    importance: float
    spread: float | None = None


@dataclass(eq=False)
class Importances:
    """How much each column matters to a network.

    Attributes
    ----------
    method
        ``permutation`` or ``gradient``.
    rows, of
        How many rows were looked at, of how many.
    columns
        The most important first.
    metric, mode, score
        What was measured, whether more is better (``max``) or less, and its value as it is.
    repeats
        How often each column was shuffled.
    picture
        By gradients of images: the importance of each number of one, in its shape.
    """

    method: str
    rows: int
    of: int
    columns: list[ColumnImportance]
    metric: str = ""
    mode: str = ""
    score: float | None = None
    repeats: int = 0
    picture: Array | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "method": self.method,
            "rows": self.rows,
            "of": self.of,
            "metric": self.metric or None,
            "mode": self.mode or None,
            "score": self.score,
            "repeats": self.repeats or None,
            "columns": [
                {
                    "column": c.column,
                    "inputs": c.inputs,
                    "importance": c.importance,
                    "spread": c.spread,
                }
                for c in self.columns
            ],
        }

    def csv(self) -> str:
        """Return the columns as CSV, the most important first."""
        sink = io.StringIO()
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["column", "importance", "spread"])
        for c in self.columns:
            writer.writerow([c.column, c.importance, "" if c.spread is None else c.spread])
        return sink.getvalue()

    def arrays(self) -> dict[str, Array]:
        """Return the importance as arrays: of images the picture, else by column, with names."""
        if self.picture is not None:
            return {"importance": self.picture}
        found = {
            "columns": np.array([c.column for c in self.columns]),
            "importance": np.array([c.importance for c in self.columns]),
        }
        if self.method == "permutation":
            found["spread"] = np.array([c.spread for c in self.columns], np.float64)
        return found


def source_columns(features: TableFeatures) -> dict[str, list[int]]:
    """Return the indices of the inputs that each column became."""
    found = {name: [i] for i, name in enumerate(features.numeric.names)}
    start = len(found)
    for column in features.categories:
        stop = start + len(column.names)
        found[column.name] = list(range(start, stop))
        start = stop
    return {name: found[name] for name in features.columns}


def drawn(count: int, seed: int) -> Array | slice:
    """Return which of many rows are looked at: all, or `SAMPLED` drawn ones in order."""
    if count <= SAMPLED:
        return slice(None)
    rng = stream(seed, "importance rows")
    return np.sort(rng.choice(count, SAMPLED, replace=False, shuffle=False))
