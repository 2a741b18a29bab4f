"""The bytes of many cells at once, as words of eight.

A word is eight bytes of the text in one uint64, the first of them in its lowest byte. So one
operation of NumPy does something to eight characters of every cell.
"""

from __future__ import annotations

import numpy as np

from bpnet.nn.arena import Array

MARGIN = 64
"""Bytes in front of a text and behind it that `words_at` may read for cells at its ends."""

U64 = np.uint64


def words_at(data: Array, places: Array, count: int) -> Array:
    """Return the words that begin at some places of a text.

    Parameters
    ----------
    data
        The text, uint8, with `MARGIN` bytes in front of it and behind it.
    places
        Where the first word of each cell begins ``(N,)``.
    count
        How many words, one behind the other.

    Returns
    -------
    Array
        uint64 ``(N, count)``.
    """
    size = 8 * count
    every = np.ndarray((len(data) - size + 1,), f"V{size}", data, 0, (1,))
    return every[places].view("<u8").reshape(-1, count)


def drop_front(word: Array, count: Array) -> Array:
    """Set the first `count` bytes of each word to zero, all of them if that is 8 or more."""
    bits = count.astype(U64) << U64(3)  # NumPy shifts by 64 and more as one expects
    found: Array = word >> bits << bits
    return found


def keep_front(word: Array, count: Array) -> Array:
    """Set all but the first `count` bytes of each word, 0 to 8, to zero."""
    bits = U64(64) - (count.astype(U64) << U64(3))
    found: Array = word << bits >> bits
    return found
