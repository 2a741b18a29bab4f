"""What the checks look at: all rows of all files, side by side, and the part each belongs to.

Legend: N rows of all files together; a row is an index into these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bpnet.config.schema import Config
from bpnet.data.columns import Source
from bpnet.data.table import Column, Table
from bpnet.insight.data_check.finding import LISTED, Finding, Spots
from bpnet.nn.arena import Array
from bpnet.streams import stream

PARTS = ("train", "val", "test")

CELLS = 4_000_000
"""Cells that a check of distributions looks at; of wide tables it takes fewer rows."""

LEAST = 1000
"""Rows that it takes nevertheless."""

LEFT_OUT = -1
"""The part of a row that is in none: the config drops it, or its target is missing."""


@dataclass(eq=False)
class Material:
    """The data of a config as the checks see it.

    Attributes
    ----------
    config
        The config.
    inputs, targets
        Columns by name, ``(N,)`` each; of images no inputs.
    images
        The arrays of a source that is no table, ``(N, ...)``.
    part
        Index in `PARTS` of each row, or `LEFT_OUT`, int8 ``(N,)``.
    source_of, origin
        Of each row, which of `sources` it is in and its index there, ``(N,)``.
    sources
        The files.
    identifiers
        Columns of texts with a value of its own in nearly every row, which no training takes.
    refusals
        What the training would refuse.
    """

    config: Config
    inputs: dict[str, Column]
    targets: dict[str, Column]
    images: Array | None
    part: Array
    source_of: Array
    origin: Array
    sources: list[Source]
    identifiers: list[Column] = field(default_factory=list)
    refusals: list[Finding] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    sampled: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.part)

    @cached_property
    def used(self) -> Array:
        """The rows that are in a part, ascending."""
        return np.flatnonzero(self.part != LEFT_OUT)

    @cached_property
    def compared(self) -> list[Column]:
        """The columns by which rows are told apart: inputs and texts."""
        return [*self.inputs.values(), *(c for c in self.identifiers if c.is_text)]

    @cached_property
    def empty(self) -> Array:
        """The rows in a part that have no input at all, ascending."""
        if self.images is not None:
            return self.used[:0]
        gaps = self.part != LEFT_OUT
        for column in self.compared:
            gaps = gaps & column.missing
        return np.flatnonzero(gaps)

    @cached_property
    def told(self) -> Array:
        """The rows in a part that have any input, ascending."""
        return np.setdiff1d(self.used, self.empty, assume_unique=True)

    def rows_of(self, part: str) -> Array:
        """Return the rows of a part, ascending; none if there is no such part."""
        return np.flatnonzero(self.part == PARTS.index(part))

    @cached_property
    def parts(self) -> list[str]:
        """The parts that have rows."""
        return [name for name in PARTS if len(self.rows_of(name))]

    @property
    def is_class(self) -> bool:
        """Whether one column is to be told, and it is one of classes, or yes or no."""
        return self.config.loss.target != "number" and len(self.targets) == 1

    @cached_property
    def classes(self) -> Column:
        """The target as categories, where :attr:`is_class`."""
        (target,) = self.targets.values()
        return target.as_category()

    def spots(self, rows: Array) -> tuple[Spots, ...]:
        """Return where rows are, as users count, in the order given."""
        found = []
        for index, source in enumerate(self.sources):
            here = self.origin[rows[self.source_of[rows] == index]]
            if len(here):
                found.append(spots_in(source, here))
        return tuple(found)

    def place(self, row: int) -> str:
        """Return where one row is: ``line 17``, and of which file if there are several."""
        source = self.sources[self.source_of[row]]
        text = source.place(int(self.origin[row]))
        return f"{source.source} {text}" if len(self.sources) > 1 else text

    @property
    def width(self) -> int:
        """How many cells a row has, or numbers an image."""
        return len(self.inputs) if self.images is None else int(self.images[:1].size)

    def sample(self, rows: Array, most: int, check: str) -> Array:
        """Return the rows, or some of them drawn at random, ascending; note that it did.

        There are `most` of them, or less where a row is wide: see `CELLS`.
        """
        most = min(most, max(LEAST, CELLS // max(1, self.width)))
        if len(rows) <= most:
            return rows
        self.sampled[check] = most
        rng = stream(self.config.seed, f"data check {check}")
        chosen: Array = np.sort(rng.choice(rows, most, replace=False, shuffle=False))
        return chosen


def spots_in(source: Source, rows: Array) -> Spots:
    """Return where rows of a source are, as users count, in the order given."""
    shown = rows[:LISTED].tolist()
    lines = [source.line(row) for row in shown]
    numbers = tuple(line for line in lines if line is not None)
    if len(numbers) < len(shown):
        return Spots(source.source, "row", tuple(shown), len(rows))
    return Spots(source.source, "line", numbers, len(rows))


def as_table(columns: dict[str, Column], rows: Array) -> Table:
    """Return some rows of some columns as a table of its own."""
    taken = {name: column.take(rows) for name, column in columns.items()}
    return Table(taken, len(rows), "the rows", first_line=None)
