"""Reading back what a fitted part wrote into a model file, and refusing anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from bpnet.data.lines import quoted
from bpnet.errors import RunError
from bpnet.nn.arena import Array


class Saved:
    """JSON values and arrays from a model file, each read once and checked as it is read.

    Parameters
    ----------
    facts, arrays
        What the file holds.
    place
        What the facts are, for errors: ``features``.

    Raises
    ------
    RunError
        From every method, if the file holds something else.
    """

    def __init__(self, facts: object, arrays: Mapping[str, Array], place: str) -> None:
        self.place = place
        if not isinstance(facts, dict):
            raise RunError(f"damaged model: its {place} is no set of named values")
        self._facts: dict[str, Any] = dict(facts)
        self._arrays = dict(arrays)

    def require(self, holds: bool, key: str, expected: str) -> None:
        """Refuse the file unless a condition on `key` holds."""
        if not holds:
            raise RunError(f"damaged model: {quoted(key)} of its {self.place} is not {expected}")

    def _take(self, key: str) -> Any:
        self.require(key in self._facts, key, "there")
        return self._facts.pop(key)

    def text(self, key: str, known: tuple[str, ...] | None = None) -> str:
        """Take a text, one of those that are known."""
        value = self._take(key)
        self.require(isinstance(value, str), key, "a text")
        self.require(known is None or value in known, key, f"one of {known}")
        return str(value)

    def texts(
        self,
        key: str,
        count: int | None = None,
        known: tuple[str, ...] | None = None,
        *,
        distinct: bool = False,
    ) -> tuple[str, ...]:
        """Take a list of `count` texts, each one of those that are known."""
        value = self._take(key)
        self.require(
            isinstance(value, list) and all(isinstance(v, str) for v in value),
            key,
            "a list of texts",
        )
        self.require(count is None or len(value) == count, key, f"of length {count}")
        self.require(known is None or all(v in known for v in value), key, f"of {known}")
        self.require(not distinct or len(set(value)) == len(value), key, "a list without doubles")
        return tuple(value)

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self._take(key)
        self.require(isinstance(value, bool), key, "true or false")
        return bool(value)

    def whole(self, key: str, low: int, high: int) -> int:
        """Take a whole number from `low` to `high`."""
        value = self._take(key)
        whole = isinstance(value, int) and not isinstance(value, bool)
        self.require(whole and low <= value <= high, key, f"a whole number from {low} to {high}")
        return int(value)

    def wholes(self, key: str, low: int) -> tuple[int, ...]:
        """Take a list of whole numbers of `low` or more."""
        value = self._take(key)
        fits = isinstance(value, list) and all(
            isinstance(v, int) and not isinstance(v, bool) and v >= low for v in value
        )
        self.require(fits, key, f"a list of whole numbers of {low} or more")
        return tuple(value)

    def array(self, key: str, shape: tuple[int, ...]) -> Array:
        """Take a float64 array of this shape, all finite."""
        self.require(key in self._arrays, key, "there")
        array = self._arrays.pop(key)
        self.require(array.dtype == np.float64, key, "float64")
        self.require(array.shape == shape, key, f"of shape {shape}")
        self.require(bool(np.isfinite(array).all()), key, "finite")
        return array

    def inner(self, key: str) -> Self:
        """Take named values, and with them all arrays."""
        arrays, self._arrays = self._arrays, {}
        return type(self)(self._take(key), arrays, f"{self.place} ({key})")

    def several(self, key: str) -> list[Self]:
        """Take a list of named values."""
        value = self._take(key)
        self.require(isinstance(value, list), key, "a list")
        return [type(self)(v, {}, f"{self.place} ({key} {i})") for i, v in enumerate(value)]

    def finish(self) -> None:
        """Refuse values and arrays that nobody has taken."""
        for key in [*self._facts, *self._arrays]:
            self.require(False, key, "known")
