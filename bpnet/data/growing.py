"""A vector that grows block by block, in the memory that it needs in the end."""

from __future__ import annotations

import numpy as np

from bpnet.nn.arena import Array

_FIRST, _GROWTH = 4096, 1.25


class Growing:
    """A vector to append to.

    Parameters
    ----------
    dtype
        Of its numbers.
    """

    def __init__(self, dtype: type[np.generic]) -> None:
        self._dtype = dtype
        self._values: Array | None = None
        self._count = 0
        self._owned = False

    def append(self, values: Array) -> None:
        """Add numbers at the end."""
        start, self._count = self._count, self._count + len(values)
        if self._values is None:
            self._values = np.ascontiguousarray(values, self._dtype)  # often there are no others
            return
        if not self._owned:
            self._values, self._owned = self._values.copy(), True
        if self._count > len(self._values):
            # Where it is, if the system can: large vectors are moved without being copied.
            size = max(_FIRST, self._count, int(len(self._values) * _GROWTH))
            self._values.resize(size, refcheck=False)
        self._values[start : self._count] = values

    def finish(self) -> Array:
        """Return all numbers; nothing can be appended any more."""
        values, self._values = self._values, None
        if values is None:
            return np.empty(0, self._dtype)
        if self._owned:
            values.resize(self._count, refcheck=False)
        return values
