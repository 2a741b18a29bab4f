"""A 64-bit key for each row: rows with equal cells have equal keys, others practically never.

Two of a million different rows share a key by accident with a probability of 3e-8.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bpnet.data.table import Column
from bpnet.nn.arena import Array

_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_BLOCK = 1 << 16


def row_keys(
    columns: Iterable[Column], images: Array | None, count: int, start: Array | None = None
) -> Array:
    """Return a key for each row, uint64 ``(N,)``; missing cells equal one another.

    Parameters
    ----------
    columns
        Columns ``(N,)``.
    images
        Arrays ``(N, ...)`` that count, too.
    count
        N.
    start
        Keys to go on from.
    """
    keys = np.zeros(count, np.uint64) if start is None else start.copy()
    for column in columns:
        if column.kind == "number":
            numbers = column.values + 0.0  # makes -0.0 equal to 0.0
            numbers[np.isnan(numbers)] = np.nan  # of all NaNs one
            words = numbers.view(np.uint64)
        else:
            words = column.values.astype(np.int64).view(np.uint64)
        _stir(keys, words)
    if images is not None:
        for first in range(0, count, _BLOCK):
            rows = slice(first, first + _BLOCK)
            part = np.ascontiguousarray(images[rows])
            raw = part.reshape(len(part), -1).view(np.uint8)
            padded = np.zeros((len(raw), -(-raw.shape[1] // 8) * 8), np.uint8)
            padded[:, : raw.shape[1]] = raw
            for words in np.ascontiguousarray(padded.view(np.uint64).T):
                _stir(keys[rows], words)
    return keys


def _stir(keys: Array, words: Array) -> None:
    """Mix the next cell of every row into its key (the finalizer of splitmix64, Vigna 2015)."""
    keys ^= words
    keys += _FIRST
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        keys ^= keys >> np.uint64(shift)
        keys *= factor
    keys ^= keys >> np.uint64(31)


def groups(keys: Array) -> tuple[Array, Array]:
    """Return the rows whose key is there more than once, and the group of each.

    Returns
    -------
    rows
        Sorted by group, then by row.
    group
        A number for each of them, ``(len(rows),)``, ascending from 0.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    repeated = np.zeros(len(keys), bool)
    repeated[1:] |= same
    repeated[:-1] |= same
    first = np.ones(len(keys), bool)
    first[1:] = ~same
    return order[repeated], np.cumsum(first[repeated]) - 1
