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

That leaves a whole number w and a power of ten: the value is w * 10**p. If w and 10**-p are both
exact in float64, one division rounds correctly (Clinger, 1990). Otherwise the product is computed
in double-double arithmetic (Dekker, 1971), to 100 bits. If all numbers within the error bound
round to the same float64, that is the value; if not, it is a tie or close to one, and left to
``float``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from bpnet.data.words import U64, drop_front, words_at
from bpnet.nn.arena import Array

EXACT = 2.0**53
"""Beyond this, float64 can't tell neighbouring integers apart."""

WORDS = 3
"""Words of the longest number, without its sign and exponent."""


def _repeated(pattern: bytes) -> np.uint64:
    return U64(int.from_bytes(pattern * (8 // len(pattern)), "little"))


_ZEROS = _repeated(b"0")
_POINT = _repeated(bytes([ord("0") ^ ord(".")]))
_BEYOND_NINE = _repeated(b"\x76")
"""Added to a byte of 10 or more, it sets the byte's highest bit."""
_HIGH, _LOW = _repeated(b"\x80"), _repeated(b"\x01")
_PAIRS, _FOURS = _repeated(b"\xff\0"), _repeated(b"\xff\xff\0\0")
_BYTE = U64(0xFF)
_WEIGHTS = np.array([10**8, 10**7], U64)
"""What a word with, or without, a point multiplies the digits before it by."""

_AT_ONCE = 1 << 16
"""Cells that are read at once: so many that threads which take turns at the interpreter are busy
with a call of NumPy for longer than with waiting for each other, and few enough for the memory."""

_FEW = 16
"""Numbers with an exponent that are not worth the many operations on a short vector."""

_MAX_TOP = 999
"""With 16 digits behind it, a first word beyond this makes more than 19 digits."""

_POWERS = range(-130, 130)
"""Powers of ten that occur: exponents of two digits, less up to 23 decimals."""

_SURE = 2.0**-100
"""Relative error that the double-double product never has: its terms are 2**-103 or less."""


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
        return Decimals(self.values[which], *masks)


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
    return Decimals(values, unknown if unknown.any() else None, rounded if rounded.any() else None)


def _parse_some(
    data: Array, starts: Array, stops: Array, values: Array, unknown: Array, rounded: Array
) -> None:
    """Write the values of some cells, and what is to be said of them."""
    first = data[starts]
    negative = first == ord("-")
    digits = starts + (negative | (first == ord("+")))
    parts = _taken_apart(data, digits, stops)
    plain = parts.sure & ~parts.pointed
    if not parts.sure.all():
        _add_exponents(data, digits, stops, parts)
    values[:] = _scaled(parts)
    if negative.any():
        values *= 1.0 - 2.0 * negative
    if not parts.sure.all():
        np.logical_not(parts.sure, out=unknown)
        values[unknown] = np.nan
    if plain.any() and parts.whole.max() > U64(EXACT):
        nearest = parts.whole.astype(np.float64).astype(U64)
        np.logical_and(plain, nearest != parts.whole, out=rounded)


def _taken_apart(data: Array, starts: Array, stops: Array) -> _Parts:
    """Take apart numbers without sign and exponent."""
    lengths = stops - starts
    longest, shortest = int(lengths.max(initial=0)), int(lengths.min(initial=0))
    count = min(WORDS, max(1, -(-longest // 8)))
    words = words_at(data, stops - 8 * count, count)
    whole: Array = np.zeros(len(starts), U64)
    decimals: Array = np.zeros(len(starts), np.uint8)
    pointed: Array = np.zeros(len(starts), bool)
    sure: Array = lengths <= 8 * WORDS
    for place in range(count):
        word = words[:, place] ^ _ZEROS
        reach = 8 * (count - place)
        if shortest < reach:
            word = drop_front(word, np.maximum(reach - lengths, 0))
        weight: Array | np.uint64 = U64(10**8)
        odd = _not_digits(word) != 0
        if odd.any():
            # Where most cells have a point here, those that have none are not worth leaving out.
            few = 3 * np.count_nonzero(odd) < len(odd)
            which = np.flatnonzero(odd) if few else slice(None)
            closed, behind, found = _without_point(word[which])
            sure[which] &= (_not_digits(closed) == 0) & ~(found & pointed[which])
            pointed[which] |= found
            decimals[which] += found * (behind + np.uint8(reach - 8))
            word[which] = closed
            if place:
                weight = np.full(len(word), weight)
                weight[which] = _WEIGHTS.take(found)
        whole = whole * weight + _eight_digits(word) if place else _eight_digits(word)
        if place == 0 and count == WORDS:
            sure &= whole <= _MAX_TOP
    sure &= lengths > pointed
    return _Parts(whole, -decimals.astype(np.int64), sure, pointed)


def _add_exponents(data: Array, starts: Array, stops: Array, parts: _Parts) -> None:
    """Take apart the numbers that end like ``e-05``, among those that are not sure."""
    which = np.flatnonzero(~parts.sure & (stops - starts > 4))
    which = which[data[stops[which] - 4] | 0x20 == ord("e")]
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


def _not_digits(word: Array) -> Array:
    """Mark the bytes that are no digit's value with their highest bit.

    Above a byte that is marked, marks may be wrong.
    """
    marks: Array = (word + _BEYOND_NINE | word) & _HIGH
    return marks


def _without_point(word: Array) -> tuple[Array, Array, Array]:
    """Close up the first decimal point of each word: the digits before it move behind it.

    Return the words, how many bytes are behind the point, and whether there is one.
    """
    other = word ^ _POINT  # zero where the point is
    marks = (other - _LOW) & ~other & _HIGH
    mark = (marks & (~marks + U64(1))) >> U64(7)  # 1 in the byte of the point
    found = mark != 0
    before = mark - found  # all bits in front of it
    word = word ^ (mark * (_POINT & _BYTE))
    word = word + (word & before) * _BYTE
    behind = np.uint8(7) - (np.bitwise_count(before) >> np.uint8(3))
    return word, behind, found


def _eight_digits(word: Array) -> Array:
    """Return the number of eight digits, the first of them in the lowest byte.

    Each step multiplies what comes first by its weight and adds it to what comes behind it.
    """
    pairs = (word * U64(1 + (10 << 8)) >> U64(8)) & _PAIRS
    fours = (pairs * U64(1 + (100 << 16)) >> U64(16)) & _FOURS
    eight: Array = fours * U64(1 + (10**4 << 32)) >> U64(32)
    return eight


def _scaled(parts: _Parts) -> Array:
    """Return ``whole * 10**power``, correctly rounded; what isn't sure is marked so."""
    whole, power = parts.whole, parts.power
    if not parts.sure.all():
        whole[~parts.sure] = 0
        power[~parts.sure] = 0
    values: Array = whole.astype(np.float64)
    if not len(whole):
        return values
    low, high = int(power.min()), int(power.max())
    if whole.max() <= U64(EXACT) and low >= -22 and high <= 0:
        if low:
            values /= _exact_powers()[-power]
        return values
    rest = (whole - values.astype(U64)).view(np.int64).astype(np.float64)
    values, sure = _product(values, rest, power)
    np.logical_and(parts.sure, sure, out=parts.sure)
    return values


def _product(whole: Array, rest: Array, power: Array) -> tuple[Array, Array]:
    """Return ``(whole + rest) * 10**power`` rounded to float64, and where that is certain.

    The rounding errors of the terms below are each 2**-104 of the product or less, and so is the
    one left out, ``rest * low``.
    """
    place = power - _POWERS.start
    high, low = (table.take(place) for table in _powers())
    upper, lower = _halves(high)
    product = whole * high
    whole_upper, whole_lower = _halves(whole)
    error = whole_upper * upper - product
    error += whole_upper * lower
    error += whole_lower * upper
    error += whole_lower * lower
    error += whole * low + rest * high
    bound = product * _SURE
    value = product + (error - bound)
    return value, value == product + (error + bound)


def _halves(number: Array) -> tuple[Array, Array]:
    """Split float64 into two of 26 bits each, whose products are exact (Veltkamp, 1968)."""
    scaled = number * (2.0**27 + 1)
    upper = scaled - (scaled - number)
    return upper, number - upper


@cache
def _exact_powers() -> Array:
    """Return 10**0 to 10**22, which float64 holds."""
    return np.array([float(10**k) for k in range(23)])


@cache
def _powers() -> tuple[Array, Array]:
    """Return 10**k for each k of `_POWERS` as a sum of two float64."""
    high, low = [], []
    for k in _POWERS:
        numerator, denominator = 10 ** max(k, 0), 10 ** max(-k, 0)
        nearest = numerator / denominator
        over, under = nearest.as_integer_ratio()
        high.append(nearest)
        low.append((numerator * under - over * denominator) / (denominator * under))
    return np.array(high), np.array(low)
