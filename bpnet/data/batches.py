"""Batches: the rows of each step, gathered into buffers that are used again and again."""

from __future__ import annotations

import copy
from typing import Literal

import numpy as np

from bpnet.data.dataset import Dataset
from bpnet.nn.arena import Array, Scratch
from bpnet.nn.rules import Batch
from bpnet.streams import stream


class Batches:
    """The batches of every epoch of a training.

    The order of an epoch is a function of the seed and the epoch's number alone, so resuming in
    the middle of one is an index. A step is one batch, or `accumulate` of them; the last batch
    of an epoch may be smaller, and its last step may have fewer batches.

    Parameters
    ----------
    data
        The training rows.
    batch_size
        Rows in a batch, or ``full`` for all of them.
    accumulate
        Batches in a step.
    shuffle
        Whether each epoch has an order of its own; else the rows keep theirs.
    seed
        Where the random streams start.

    Attributes
    ----------
    count
        Batches in an epoch.
    steps
        Steps in an epoch.
    shards
        Into how many parts each batch is cut, as even as they can be. The parts are batches of
        their own, as several accumulated ones are, so they can be gone through side by side.
    """

    def __init__(
        self,
        data: Dataset,
        batch_size: int | Literal["full"],
        *,
        accumulate: int = 1,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        self.data = data
        rows = len(data)
        self.batch_size = rows if batch_size == "full" else min(batch_size, rows)
        self.accumulate = accumulate
        self.count = -(-rows // self.batch_size)
        self.steps = -(-self.count // accumulate)
        self.shuffle = shuffle and self.count > 1
        self.seed = seed
        self._in_order = np.arange(rows)
        self._whole = Batch(data.x, data.target, data.weight)
        self.shards = 1
        self._forget()

    def _forget(self) -> None:
        """Have no buffers."""
        self._scratch = Scratch(self.data.x.dtype)
        self._gathered: dict[int, Batch] = {}

    def twin(self) -> Batches:
        """Return the same batches with buffers of their own, for another thread."""
        other = copy.copy(self)
        other._forget()
        return other

    def order(self, epoch: int) -> Array:
        """Return the rows in the order of an epoch, counted from 0, ``(N,)``."""
        if not self.shuffle:
            return self._in_order
        return stream(self.seed, "shuffle", epoch).permutation(len(self.data))

    def group(self, order: Array, step: int) -> list[Array]:
        """Return the rows of each batch of a step, counted from 0."""
        size = self.batch_size
        first = step * self.accumulate
        last = min(first + self.accumulate, self.count)
        group = [order[i * size : (i + 1) * size] for i in range(first, last)]
        return group if self.shards == 1 else [part for rows in group for part in self._cut(rows)]

    def _cut(self, rows: Array) -> list[Array]:
        """Cut the rows of one batch into shards; a small one gives fewer."""
        size = -(-len(rows) // self.shards)
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def gather(self, rows: Array) -> Batch:
        """Return these rows as a batch, valid until the next call; it must not be changed.

        `rows` is an array that :meth:`group` gave.
        """
        data = self.data
        size = len(rows)
        if not self.shuffle:
            if size == len(data):
                return self._whole
            part = self._part(rows)
            weight = data.weight
            return Batch(data.x[part], data.target[part], None if weight is None else weight[part])
        batch = self._gathered.get(size)
        if batch is None:
            batch = self._gathered[size] = _front(self._scratch, data, size)
        # mode="clip" writes straight into the buffer; "raise" would copy through another one.
        data.x.take(rows, 0, batch.x, "clip")
        data.target.take(rows, 0, batch.target, "clip")
        if data.weight is not None and batch.weight is not None:
            data.weight.take(rows, 0, batch.weight, "clip")
        return batch

    def aims(self, rows: Array) -> tuple[Array, Array | None]:
        """Return targets and weights of these rows, for which no input needs to be gathered."""
        data, index = self.data, rows if self.shuffle else self._part(rows)
        return data.target[index], None if data.weight is None else data.weight[index]

    def _part(self, rows: Array) -> slice:
        """Return where rows that keep their own order stand."""
        start = int(rows[0])
        return slice(start, start + len(rows))


def _front(scratch: Scratch, data: Dataset, size: int) -> Batch:
    """Return the front of the buffers as a batch of `size` rows."""

    def buffer(name: str, like: Array) -> Array:
        return scratch(name, (size, *like.shape[1:]), like.dtype)

    return Batch(
        buffer("x", data.x),
        buffer("target", data.target),
        None if data.weight is None else buffer("weight", data.weight),
    )
