"""Whole numbers times powers of ten, each rounded correctly to float64.

`scaled` gives what exact arithmetic rounds to, or says that it can't tell. It takes the cheapest
way that all numbers at hand allow:

- If w and 10**-k are both exact in float64, one division rounds correctly (Clinger, 1990).
- A quotient of the rounded w is off by less than two units in its last place. How much it is off
  follows exactly from integers of 64 bits, whatever overflows from the two products that are
  subtracted, and is added. For d of up to 19 decimals that decides every case in which the last
  place of the quotient is worth 2**-d or less, which is nearly every one.
- Otherwise the product is computed in double-double arithmetic (Dekker, 1971), to 100 bits. If all
  numbers within the error bound round to the same float64, that is the value; if not, it is a tie
  or close to one.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from bpnet.data.words import U64
from bpnet.nn.arena import Array

EXACT = 2.0**53
"""Beyond this, float64 can't tell neighbouring integers apart."""

_POWERS = range(-130, 130)
"""Powers of ten that occur: exponents of two digits, less up to 23 decimals."""

_SURE = 2.0**-100
"""Relative error that the double-double product never has: its terms are 2**-103 or less."""

_MAX_CORRECTED = 19
"""Decimals of a quotient that is corrected: a tie is then further off than the correction errs."""

_FRACTION_BITS = U64(52)
_FRACTION = U64(2**52 - 1)
_LEADING_ONE = U64(2**52)
"""The bit of a float64 that is not written down."""


def scaled(whole: Array, power: Array | np.int64) -> tuple[Array, Array]:
    """Return ``whole * 10**power``, correctly rounded, and the places of those that aren't sure.

    Parameters
    ----------
    whole
        uint64 ``(N,)``, below 10**19.
    power
        int64 ``(N,)``, or one for all.
    """
    nowhere = np.empty(0, np.intp)
    if not len(whole):
        return np.empty(0), nowhere
    if whole.max() <= U64(EXACT):
        low, high = int(np.min(power)), int(np.max(power))
        if low >= -22 and high <= 0:
            values: Array = whole.view(np.int64).astype(np.float64)
            if low < 0:
                values /= _exact_powers().take(-power)
            return values, nowhere
    values, certain = _corrected_quotient(whole, power)
    if certain.all():
        return values, nowhere
    rest = np.flatnonzero(~certain)
    values[rest], sure = _product(whole[rest], np.broadcast_to(power, whole.shape)[rest])
    return values, rest[~sure]


class _Divisors(NamedTuple):
    """What it takes to divide by ``10**-k``, for each k of `_POWERS`.

    Attributes
    ----------
    ten, five
        ``10**-k``, float64, and ``5**-k``, uint64.
    unit
        ``2**-52 / 5**-k``, float64.
    shift
        How far numbers with the exponent bits 0 are to be shifted, int64; where k is not
        among the powers that quotients are corrected for, it is negative.
    """

    ten: Array
    five: Array
    unit: Array
    shift: Array


def _corrected_quotient(whole: Array, power: Array | np.int64) -> tuple[Array, Array]:
    """Return ``whole * 10**power`` rounded to float64, and where that is certain.

    The quotient is q * 2**e with an integer q. For d decimals and s = -(e + d), what is left is
    ``whole * 2**s - q * 5**d`` in units of 2**e / 5**d, and small; so it is right though both
    products are known only modulo 2**64. A tie would be at an odd number of quarters or halves of
    5**d, which is odd: what is left is at least a quarter of a unit away from it.
    """
    place = power - _POWERS.start
    divisors = _divisors()
    values: Array = whole.astype(np.float64)
    values /= divisors.ten.take(place)
    bits = values.view(U64)
    shift = divisors.shift.take(place) - (bits >> _FRACTION_BITS).view(np.int64)
    quotient = bits & _FRACTION
    quotient |= _LEADING_ONE
    quotient *= divisors.five.take(place)
    left = whole << shift.view(U64)  # NumPy shifts by 64 and more as one expects
    left -= quotient
    unit = (bits & ~_FRACTION).view(np.float64) * divisors.unit.take(place)
    unit *= left.view(np.int64)
    values += unit
    return values, shift >= 0


def _product(whole: Array, power: Array) -> tuple[Array, Array]:
    """Return ``whole * 10**power`` rounded to float64, and where that is certain.

    The rounding errors of the terms below are each 2**-104 of the product or less, and so is the
    one left out, ``rest * low``.
    """
    nearest = whole.astype(np.float64)
    rest = (whole - nearest.astype(U64)).view(np.int64).astype(np.float64)
    place = power - _POWERS.start
    high, low = (table.take(place) for table in _powers())
    upper, lower = _halves(high)
    product = nearest * high
    whole_upper, whole_lower = _halves(nearest)
    error = whole_upper * upper - product
    error += whole_upper * lower
    error += whole_lower * upper
    error += whole_lower * lower
    error += nearest * low + rest * high
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
def _divisors() -> _Divisors:
    ten, five = np.ones(len(_POWERS)), np.ones(len(_POWERS), U64)
    unit, shift = np.ones(len(_POWERS)), np.full(len(_POWERS), -1)
    for decimals in range(_MAX_CORRECTED + 1):
        place = -decimals - _POWERS.start
        ten[place], five[place] = 10**decimals, 5**decimals
        unit[place], shift[place] = 2.0**-52 / 5**decimals, 1075 - decimals
    return _Divisors(ten, five, unit, shift)


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
