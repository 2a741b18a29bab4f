"""Named tensors in one flat vector: where each lies, also in a vector from a file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register."""


def padded(size: int, dtype: np.dtype[Any]) -> int:
    """Round a number of elements up to whole alignments."""
    step = ALIGNMENT // dtype.itemsize
    return -(-size // step) * step


def views(flat: Array, shapes: Iterable[tuple[str, Iterable[int]]]) -> dict[str, Array]:
    """Return the tensors of a vector by name, as views of it.

    Parameters
    ----------
    flat
        The vector, ``(P,)``.
    shapes
        Name and shape of every tensor, in the order of the vector.

    Raises
    ------
    ValueError
        If this is not how such a vector is laid out: a name that occurs twice, a side that is no
        size, or tensors that do not fill the vector to its end.
    """
    named: dict[str, Array] = {}
    start = 0
    for name, sides in shapes:
        shape = tuple(sides)
        if name in named:
            raise ValueError(f"two tensors are named {name!r}")
        if any(type(side) is not int or not 0 <= side < 1 << 40 for side in shape):
            raise ValueError(f"{name!r} can't be of shape {shape}")
        size = math.prod(shape)
        if start + size > len(flat):
            raise ValueError(f"{name!r} lies outside of its vector")
        named[name] = flat[start : start + size].reshape(shape)
        start += padded(size, flat.dtype)
    if start != len(flat):
        raise ValueError(f"the tensors take {start} numbers of a vector of {len(flat)}")
    return named


def first_not_finite(named: Mapping[str, Array]) -> str | None:
    """Return the first name whose array holds NaN or infinity, or None."""
    return next((name for name, array in named.items() if not np.isfinite(array).all()), None)
