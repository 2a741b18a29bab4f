"""Whole-vector updates in pieces that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bpnet.nn.arena import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

BLOCK = 65_536
"""Numbers in one piece: the fastest of the sizes from 4,096 to 1,048,576 for Adam in float32."""


def blocks(length: int) -> Iterator[slice]:
    """Yield slices of at most `BLOCK` that cover a vector of this length."""
    for start in range(0, length, BLOCK):
        yield slice(start, min(start + BLOCK, length))


def constant(value: float, dtype: DTypeLike) -> Array:
    """Return `value`, at most the largest finite number of the type, as a 0-d array.

    On short vectors a ufunc takes that faster than a Python float, which it must convert.
    """
    return np.array(min(value, float(np.finfo(dtype).max)), dtype)
