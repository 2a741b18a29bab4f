"""Numbers that have their points in the same place, with few operations for all of them.

In most columns all points are behind the first digit (0.123 and -9.87654), or so many digits from
the end (1.25 and 123.40). Then none has to be looked for in the words of a cell, the words of all
cells go through each operation at once, and there is no telling cells apart on the way: those few
that are unlike the others come to nothing, and are left to who can read them.

Fewer operations are what makes threads faster side by side, too: each is a turn at the interpreter
that a thread may have to wait for.
"""

from __future__ import annotations

import numpy as np

from bpnet.data.digits import (
    DIGITS,
    LENGTH,
    MAX_TOP,
    WITH_POINT,
    WITHOUT_POINT,
    WORDS,
    ZEROS,
    not_digits,
    to_numbers,
    without_point_at,
)
from bpnet.data.powers import scaled
from bpnet.data.words import U64, words_at
from bpnet.nn.arena import Array

_MINUS, _PLUS, _POINT, _ZERO = b"-+.0"

_SAMPLE = 64
"""Cells that are looked at first."""

_SIGN = U64(63)
"""The bit of a float64 that makes it negative."""

_TENS = np.array([10**k for k in range(DIGITS)], U64)


def _masks(count: int) -> Array:
    """Return what leaves the last 0, 1, 2, ... bytes of so many words, words of masks in rows."""
    size = 8 * count
    kept = np.arange(size) >= size - np.arange(size + 1)[:, None]
    return (kept * np.uint8(0xFF)).view("<u8")


_MASKS = {count: _masks(count) for count in range(1, WORDS + 1)}


def parse_alike(
    data: Array, starts: Array, stops: Array, values: Array, unknown: Array
) -> Array | None:
    """Write the values of cells if most of them have their points in the same place.

    Parameters
    ----------
    data, starts, stops
        As `bpnet.data.decimals.parse_decimals` takes them.
    values, unknown
        Where the numbers go, and whether a number can't be told from its neighbours.

    Returns
    -------
    Array or None
        The places of the cells that are left, whose values are of no use; None if all are.
    """
    behind = _place_of_points(data, starts[:_SAMPLE], stops[:_SAMPLE])
    if behind is None:
        return None
    first = data[starts]
    negative = first == _MINUS
    starts = starts + negative
    lengths = stops - starts
    leading = behind < 0
    unlike = data[starts + 1 if leading else stops - (behind + 1)] != _POINT
    if 4 * np.count_nonzero(unlike) > len(unlike):
        return None
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest < max(2, behind + 1):
        unlike |= lengths < max(2, behind + 1)
    if longest > LENGTH:
        unlike |= lengths > LENGTH
        lengths = np.minimum(lengths, LENGTH)
    if leading:
        whole = _behind_first_digit(data, starts, stops, lengths, unlike)
    else:
        whole = _in_words(data, stops, lengths, unlike, behind)
    left = np.flatnonzero(unlike)
    whole[left] = 0
    found, unsure = scaled(whole, 2 - lengths if leading else np.int64(-behind))
    sign = negative.astype(U64)
    sign <<= _SIGN
    np.bitwise_or(found.view(U64), sign, out=values.view(U64))
    unknown[unsure] = True
    values[unsure] = np.nan
    return left


def _place_of_points(data: Array, starts: Array, stops: Array) -> int | None:
    """Return how many characters are behind the point of each of some cells.

    -1 if that differs, but one digit is in front of each; None if neither is so.
    """
    if not len(starts):
        return None
    text = bytes(data[starts[0] : stops[0]][: LENGTH + 1])
    before = text.find(b".")
    first = data[starts]
    if before < 0 or (first == _PLUS).any():
        return None
    behind = len(text) - 1 - before
    if (data[stops - (behind + 1)] == _POINT).all():
        return behind
    return -1 if (data[starts + 1 + (first == _MINUS)] == _POINT).all() else None


def _behind_first_digit(
    data: Array, starts: Array, stops: Array, lengths: Array, unlike: Array
) -> Array:
    """Return the digits of numbers with a point behind the first, as whole numbers."""
    decimals = lengths - 2
    whole = _in_words(data, stops, decimals, unlike)
    first = data[starts]
    first ^= np.uint8(_ZERO)
    unlike |= first > 9
    long = np.flatnonzero(lengths > DIGITS + 1)
    unlike[long] |= first[long] > 0
    tens = _TENS.take(decimals, mode="clip")
    tens *= first
    whole += tens
    return whole


def _in_words(data: Array, stops: Array, lengths: Array, unlike: Array, behind: int = -1) -> Array:
    """Return the last characters of cells as whole numbers, and mark what is none in `unlike`.

    Parameters
    ----------
    data, stops, lengths, unlike
        The text, where each cell is over, how many of its characters are meant, and a mask.
    behind
        How many characters are behind the point, which is left out; -1 if there is none.
    """
    count = min(WORDS, max(1, -(-int(lengths.max()) // 8)))
    words = words_at(data, stops - 8 * count, count)
    words ^= ZEROS
    words &= _MASKS[count].take(lengths, axis=0, mode="clip")
    pointed = count - 1 - behind // 8 if behind >= 0 else -1
    if pointed >= 0:
        words[:, pointed] = without_point_at(words[:, pointed], behind % 8)
    unlike[np.flatnonzero(not_digits(words) != 0) // count] = True
    to_numbers(words)
    if count == WORDS:
        unlike |= words[:, 0] > MAX_TOP
    whole: Array = words[:, 0].copy()
    for place in range(1, count):
        whole *= WITH_POINT if place == pointed else WITHOUT_POINT
        whole += words[:, place]
    return whole
