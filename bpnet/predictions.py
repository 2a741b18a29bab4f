"""Predictions as lines of CSV or JSON, chunk by chunk, in constant memory."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import IO, Any

from bpnet.data.table import Table, Tensor
from bpnet.model import Model
from bpnet.nn.arena import Array

CHUNK = 8192
"""Examples of an array that are predicted at a time."""


class Writer:
    """Predicts chunks of rows and writes a line for each row.

    Parameters
    ----------
    model
        The model.
    sink
        Where the lines go.
    form
        ``csv`` (with a header), ``jsonl``, or ``json`` (one document: a list).
    probabilities
        Whether every class gets a column with its probability.

    Attributes
    ----------
    rows, dropped
        How many rows came, and how many of them got no prediction (the config's
        ``missing: drop``); their cells are empty, or null.
    unseen
        How often a category came that training never saw, by column and category.
    """

    def __init__(
        self, model: Model, sink: IO[str], form: str, *, probabilities: bool = False
    ) -> None:
        self.model = model
        self.rows = 0
        self.dropped = 0
        self.unseen: dict[str, Counter[str]] = defaultdict(Counter)
        self._probabilities = probabilities
        self._sink = sink
        self._form = form
        self._names = self._header()
        self._started = False
        self._between = ""
        self._csv = csv.writer(sink, lineterminator="\n")

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

    def write(self, chunk: Table | Tensor) -> None:
        """Predict the rows of a chunk and write them."""
        self._start()
        if isinstance(chunk, Tensor) and chunk.rows > CHUNK:
            for start in range(0, chunk.rows, CHUNK):
                self.write(chunk.take(slice(start, start + CHUNK)))
            return
        made = self.model.features.transform(chunk, dtype=self.model.config.dtype)
        self.rows += chunk.rows
        self.dropped += chunk.rows - len(made.kept)
        for column, levels in made.unseen.items():
            self.unseen[column].update(levels)
        lines = self._lines(self.model.outputs(made.x))
        if len(made.kept) == chunk.rows:
            self._put(lines)
        else:
            there = iter(lines)
            kept = set(made.kept.tolist())
            empty = [None] * len(self._names)
            self._put([next(there) if row in kept else empty for row in range(chunk.rows)])

    def finish(self) -> None:
        """Write what is missing at the end; the header even if no row came."""
        self._start()
        if self._form == "json":
            self._sink.write("\n]\n")

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        if self._form == "csv":
            self._csv.writerow(self._names)
        elif self._form == "json":
            self._sink.write("[")

    def _lines(self, output: Array) -> list[Sequence[Any]]:
        """Return the cells of each row."""
        target = self.model.target
        labels = target.labels(output)
        columns: list[list[Any]]
        if labels.ndim == 1:
            columns = [labels.tolist()]
        else:
            columns = [labels[:, k].tolist() for k in range(labels.shape[1])]
        if target.kind != "number":
            chances = target.probabilities(output)
            if labels.ndim == 1:
                columns.append(_rounded(chances.max(axis=1)))
            if self._probabilities:
                columns += [_rounded(chances[:, k]) for k in range(chances.shape[1])]
        return list(zip(*columns, strict=True))

    def _put(self, lines: list[Sequence[Any]]) -> None:
        if self._form == "csv":
            self._csv.writerows(lines)
        else:
            names = self._names
            for line in lines:
                text = json.dumps(dict(zip(names, line, strict=True)), ensure_ascii=False)
                if self._form == "jsonl":
                    self._sink.write(f"{text}\n")
                else:
                    self._sink.write(f"{self._between}\n  {text}")
                    self._between = ","
        self._sink.flush()


def _rounded(probabilities: Array) -> list[float | None]:
    """Return probabilities with the eight digits that float32 has."""
    return [float(f"{p:.8g}") if p == p else None for p in probabilities.tolist()]
