"""From blocks of rows to lines of text, in constant memory."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import IO

import numpy as np

from bpnet.data.table import Table, Tensor
from bpnet.model import Model
from bpnet.nn.arena import Array, aligned
from bpnet.predictions.lines import Form, Lines

BATCH = 144
"""Rows that the network evaluates at once: few, as a row that comes alone takes as long as all; and
a multiple of 48, so that the kernels of matrix products seldom have a remainder to treat apart."""

WIDE = 1 << 20
"""Parameters from which a third of `BATCH` is evaluated at once, as each row takes long enough."""

ROWS = 16_384
NUMBERS = 1 << 21
"""The most rows that are prepared at once, and the most numbers in them: 8 MiB in float32."""

NAMED = 1000
"""The most categories of a column that are counted of those that training never saw."""


class Writer:
    """Predicts rows and writes a line for each.

    The last bits of a matrix product depend on how many rows it has and where among them a row
    stands. So row i of a stream is evaluated in place i of a batch of as many rows as the model
    always has: its prediction does not depend on the blocks in which the rows arrive, which no two
    runs of a pipe share.

    Parameters
    ----------
    model
        The model.
    sink
        Where the lines go.
    form
        What they look like.
    probabilities
        Whether every class gets a column with its probability.

    Attributes
    ----------
    rows, dropped
        How many rows came, and how many of them got no prediction (the config's
        ``missing: drop``); their cells are empty, or null.
    unseen
        How often a category came that training never saw, by column and category; of the first
        `NAMED` of each column.
    """

    def __init__(
        self, model: Model, sink: IO[str], form: Form, *, probabilities: bool = False
    ) -> None:
        self.model = model
        self.rows = 0
        self.dropped = 0
        self.unseen: dict[str, Counter[str]] = defaultdict(Counter)
        self._probabilities = probabilities
        self._sink = sink
        names = self._header()
        self._lines = Lines(names, form)
        widest = max(math.prod(model.features.shape), len(names))
        self._batch = BATCH if model.network.arena.size < WIDE else BATCH // 3
        self._height = min(ROWS, max(BATCH, NUMBERS // widest))
        self._started = False

    def _header(self) -> list[str]:
        """Return the names of the columns."""
        target = self.model.target
        several = target.outputs > 1 and target.kind != "class"
        names = [f"prediction_{n}" for n in target.columns] if several else ["prediction"]
        if target.kind != "number" and not several:
            names.append("probability")
        if self._probabilities:
            names += [f"probability_{name}" for name in target.class_names]
        return names

    def write(self, block: Table | Tensor) -> None:
        """Predict the rows of a block and write them."""
        self._start()
        if block.rows <= self._height:
            self._write(block)
        else:
            for start in range(0, block.rows, self._height):
                self._write(block.take(slice(start, start + self._height)))
        self._sink.flush()

    def finish(self) -> None:
        """Write what is missing at the end; the header even if no row came."""
        self._start()
        self._sink.write(self._lines.closing)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._sink.write(self._lines.opening)

    def _write(self, block: Table | Tensor) -> None:
        made = self.model.features.transform(block, dtype=self.model.config.dtype)
        for column, levels in made.unseen.items():
            counts = self.unseen[column]
            for level, count in levels.items():
                if level in counts or len(counts) < NAMED:
                    counts[level] += count
        columns = self._cells(self._outputs(made.x))
        if len(made.kept) < block.rows:
            columns = [self._spread(cells, made.kept, block.rows) for cells in columns]
        self._sink.write(self._lines.rows(columns))
        self.rows += block.rows
        self.dropped += block.rows - len(made.kept)

    def _outputs(self, x: Array) -> Array:
        """Return what the network says of the next inputs, each in its place of a batch."""
        batch, count = self._batch, len(x)
        first = (self.rows - self.dropped) % batch
        if first or count % batch:
            rows = aligned((-(-(first + count) // batch) * batch, *x.shape[1:]), x.dtype)
            rows[:first] = rows[first + count :] = 0
            rows[first : first + count] = x
            x = rows
        return self.model.outputs(x, batch)[first : first + count]

    def _cells(self, output: Array) -> list[list[str]]:
        """Return the cells of each column."""
        target, lines = self.model.target, self._lines
        labels = target.labels(output)
        said = [labels] if labels.ndim == 1 else list(labels.T)
        if target.kind == "number":
            return list(map(lines.numbers, said))
        columns = list(map(lines.classes, said))
        chances = target.probabilities(output)
        if labels.ndim == 1:
            columns.append(lines.probabilities(chances.max(axis=1)))
        if self._probabilities:
            columns += map(lines.probabilities, chances.T)
        return columns

    def _spread(self, cells: list[str], kept: Array, count: int) -> list[str]:
        """Return the cells of all rows, from those of the rows that were kept."""
        spread = np.full(count, self._lines.empty, object)
        spread[kept] = cells
        full: list[str] = spread.tolist()
        return full
