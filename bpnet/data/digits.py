"""Digits in words: eight characters of every cell in one uint64, the first in its lowest byte.

A digit is a byte with its value here, 0 to 9, as ``character ^ ord("0")`` gives it.
"""

from __future__ import annotations

import numpy as np

from bpnet.data.words import U64
from bpnet.nn.arena import Array


def _repeated(pattern: bytes) -> np.uint64:
    return U64(int.from_bytes(pattern * (8 // len(pattern)), "little"))


ZEROS = _repeated(b"0")
_POINT = _repeated(bytes([ord("0") ^ ord(".")]))
_BEYOND_NINE = _repeated(b"\x76")
"""Added to a byte of 10 or more, it sets the byte's highest bit."""
_HIGH, _LOW = _repeated(b"\x80"), _repeated(b"\x01")
_PAIRS, _FOURS = _repeated(b"\xff\0"), _repeated(b"\xff\xff\0\0")
_BYTE = U64(0xFF)

WORDS = 3
"""Words of the longest number, without its sign and exponent."""

LENGTH = 8 * WORDS
DIGITS = 19
"""So many, behind leading zeros, are in a uint64 whatever they are."""

MAX_TOP = U64(999)
"""With 16 digits behind it, a first word beyond this makes more than 19 digits."""

WITHOUT_POINT, WITH_POINT = U64(10**8), U64(10**7)
"""What a word multiplies the digits before it by."""


def not_digits(word: Array) -> Array:
    """Mark the bytes that are no digit's value with their highest bit.

    Above a byte that is marked, marks may be wrong.
    """
    marks: Array = word + _BEYOND_NINE
    marks |= word
    marks &= _HIGH
    return marks


def without_point(word: Array) -> tuple[Array, Array, Array]:
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


def without_point_at(word: Array, behind: int) -> Array:
    """Close up what stands `behind` bytes from the end of each word: those before it move there."""
    up_to_point = U64((1 << 8 * (8 - behind)) - 1)
    closed: Array = word << U64(8)
    closed &= up_to_point
    closed |= word & ~up_to_point
    return closed


def to_numbers(words: Array) -> None:
    """Turn eight digits, the first of them in the lowest byte, into their number, in place.

    Each step multiplies what comes first by its weight and adds it to what comes behind it.
    """
    words *= U64(1 + (10 << 8))
    words >>= U64(8)
    words &= _PAIRS
    words *= U64(1 + (100 << 16))
    words >>= U64(16)
    words &= _FOURS
    words *= U64(1 + (10**4 << 32))
    words >>= U64(32)
