"""Decimal numbers from text, many at once, each rounded correctly.

`parse_decimals` gives what Python's ``float`` gives, to the bit, or says that it can't tell. It
knows numbers such as ``12``, ``-0.5``, ``.5``, ``7.`` and ``1.25e-03``, of up to 24 characters
and 19 digits behind leading zeros.

How
---
The characters of a cell are taken eight at a time, as the bytes of a word, from its end; what the
last of them holds from in front of the cell is set to zero. A decimal point is closed up, its
place remembered, and eight digits become a number by three multiplications, which make pairs,
pairs of pairs, and all of it (Langdale & Lemire, 2019, "Parsing gigabytes of JSON per second").
That leaves a whole number and a power of ten, whose product `bpnet.data.powers` rounds.

Where most cells have their points in the same place, `bpnet.data.alike` reads them with fewer
operations, and leaves the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bpnet.data.alike import parse_alike
from bpnet.data.digits import (
    LENGTH,
    MAX_TOP,
    WITH_POINT,
    WITHOUT_POINT,
    WORDS,
    ZEROS,
    not_digits,
    to_numbers,
    without_point,
)
from bpnet.data.powers import EXACT, scaled
from bpnet.data.words import U64, drop_front, words_at
from bpnet.nn.arena import Array

_AT_ONCE = 1 << 16
"""Cells that are read at once: so many that threads which take turns at the interpreter are busy
with a call of NumPy for longer than with waiting for each other, and few enough for the memory."""

_FEW = 16
"""Numbers with an exponent that are not worth the many operations on a short vector."""


@dataclass(frozen=True, slots=True)
class Decimals:
    """What `parse_decimals` found.

    Attributes
    ----------
    values
        float64 ``(N,)``; NaN where it can't tell.
    unknown
        Where it can't tell, bool ``(N,)``; None if it could everywhere.
    rounded
        Where a whole number, written without a point, is one that float64 can't hold, bool
        ``(N,)``; None if that is nowhere.
    """

    values: Array
    unknown: Array | None = None
    rounded: Array | None = None

    def take(self, which: slice) -> Decimals:
        """Return what was found in some of the cells."""
        masks = (None if m is None else m[which] for m in (self.unknown, self.rounded))
        return Decimals(self.values[which], *map(_unless_empty, masks))


class _Parts(NamedTuple):
    """Numbers taken apart: ``whole`` uint64, ``power`` int64 of ten, and whether that is sure."""

    whole: Array
    power: Array
    sure: Array
    pointed: Array


def parse_decimals(data: Array, starts: Array, stops: Array) -> Decimals:
    """Read the numbers in some cells of a text.

    Parameters
    ----------
    data
        The text, as `words_at` takes it.
    starts, stops
        Where each cell begins, and where it is over, int64 ``(N,)``.
    """
    count = len(starts)
    values = np.empty(count)
    unknown, rounded = np.zeros((2, count), bool)
    for first in range(0, count, _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        _parse_some(data, starts[part], stops[part], values[part], unknown[part], rounded[part])
    return Decimals(values, _unless_empty(unknown), _unless_empty(rounded))


def _unless_empty(mask: Array | None) -> Array | None:
    return mask if mask is not None and mask.any() else None


def _parse_some(
    data: Array, starts: Array, stops: Array, values: Array, unknown: Array, rounded: Array
) -> None:
    """Write the values of some cells, and what is to be said of them."""
    left = parse_alike(data, starts, stops, values, unknown)
    if left is None:
        _parse_any(data, starts, stops, values, unknown, rounded)
        return
    if len(left) < _FEW:  # then too few of them have exponents
        exponents = _have_exponents(data, starts[left], stops[left])
        values[left[exponents]], unknown[left[exponents]] = np.nan, True
        left = left[~exponents]
    if len(left):
        found, masks = np.empty(len(left)), np.zeros((2, len(left)), bool)
        _parse_any(data, starts[left], stops[left], found, *masks)
        values[left], unknown[left], rounded[left] = found, *masks


def _parse_any(
    data: Array, starts: Array, stops: Array, values: Array, unknown: Array, rounded: Array
) -> None:
    """Do the same, whatever the cells are."""
    first = data[starts]
    negative = first == ord("-")
    digits = starts + (negative | (first == ord("+")))
    whole, power, sure, pointed = parts = _taken_apart(data, digits, stops)
    plain = sure & ~pointed
    if not sure.all():
        _add_exponents(data, digits, stops, parts)
        whole[~sure] = 0
        power[~sure] = 0
    values[:], unsure = scaled(whole, power)
    sure[unsure] = False
    if negative.any():
        values *= 1.0 - 2.0 * negative
    if not sure.all():
        np.logical_not(sure, out=unknown)
        values[unknown] = np.nan
    if plain.any() and whole.max() > U64(EXACT):
        nearest = whole.astype(np.float64).astype(U64)
        np.logical_and(plain, nearest != whole, out=rounded)


def _taken_apart(data: Array, starts: Array, stops: Array) -> _Parts:
    """Take apart numbers without sign and exponent."""
    lengths = stops - starts
    longest, shortest = int(lengths.max(initial=0)), int(lengths.min(initial=0))
    count = min(WORDS, max(1, -(-longest // 8)))
    words = words_at(data, stops - 8 * count, count)
    whole: Array = np.zeros(len(starts), U64)
    decimals: Array = np.zeros(len(starts), np.uint8)
    pointed: Array = np.zeros(len(starts), bool)
    sure: Array = lengths <= LENGTH
    for place in range(count):
        word = words[:, place] ^ ZEROS
        reach = 8 * (count - place)
        if shortest < reach:
            word = drop_front(word, np.maximum(reach - lengths, 0))
        weight: Array | np.uint64 = WITHOUT_POINT
        odd = not_digits(word) != 0
        if odd.any():
            # Where most cells have a point here, those that have none are not worth leaving out.
            few = 3 * np.count_nonzero(odd) < len(odd)
            which = np.flatnonzero(odd) if few else slice(None)
            closed, behind, found = without_point(word[which])
            sure[which] &= (not_digits(closed) == 0) & ~(found & pointed[which])
            pointed[which] |= found
            decimals[which] += found * (behind + np.uint8(reach - 8))
            word[which] = closed
            if place:
                weight = np.full(len(word), weight)
                weight[which] = np.where(found, WITH_POINT, WITHOUT_POINT)
        to_numbers(word)
        whole = whole * weight + word if place else word
        if place == 0 and count == WORDS:
            sure &= whole <= MAX_TOP
    sure &= lengths > pointed
    return _Parts(whole, -decimals.astype(np.int64), sure, pointed)


def _have_exponents(data: Array, starts: Array, stops: Array) -> Array:
    """Return which cells have an ``e`` where that of an exponent of two digits is."""
    found: Array = (data[stops - 4] | 0x20 == ord("e")) & (stops - starts > 4)
    return found


def _add_exponents(data: Array, starts: Array, stops: Array, parts: _Parts) -> None:
    """Take apart the numbers that end like ``e-05``, among those that are not sure."""
    which = np.flatnonzero(~parts.sure)
    which = which[_have_exponents(data, starts[which], stops[which])]
    if len(which) < _FEW:
        return
    ends = stops[which]
    sign, tens, ones = (data[ends - back] for back in (3, 2, 1))
    tens, ones = tens - np.uint8(ord("0")), ones - np.uint8(ord("0"))
    exponent = (tens * np.uint8(10) + ones).astype(np.int64)
    np.negative(exponent, out=exponent, where=sign == ord("-"))
    found = _taken_apart(data, starts[which], ends - 4)
    signed = (sign == ord("-")) | (sign == ord("+"))
    parts.whole[which] = found.whole
    parts.power[which] = found.power + exponent
    parts.sure[which] = found.sure & signed & (tens <= 9) & (ones <= 9)
