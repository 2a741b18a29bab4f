"""How many rows each part gets, and which: drawn at random, class by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bpnet.data.columns import Source
from bpnet.errors import DataError, OptionError
from bpnet.nn.arena import Array


@dataclass(frozen=True, slots=True)
class Parts:
    """Indices of the rows of each part, ascending; empty where no part was asked for."""

    train: Array
    validation: Array
    test: Array

    def __iter__(self) -> Iterator[tuple[str, Array]]:
        yield from (("train", self.train), ("validation", self.validation), ("test", self.test))


def part_sizes(source: Source, rows: int, validation: float, test: float) -> list[int]:
    """Return how many rows training, validation and test get, by largest remainder.

    Raises
    ------
    OptionError
        If the fractions leave nothing for training.
    DataError
        If rounding leaves a part without a row.
    """
    if validation + test >= 1:
        raise OptionError(
            f"validation ({validation:g}) and test ({test:g}) leave nothing for training",
            "validation",
        )
    fractions = np.array([1 - validation - test, validation, test])
    sizes = _round_to_sum(fractions * rows, rows)
    _refuse_empty(source, sizes, fractions)
    return sizes


def divide_at_random(
    source: Source,
    rows: Array,
    validation: float,
    test: float,
    rng: np.random.Generator,
    strata: Array | None = None,
) -> Parts:
    """Divide some rows at random; see `bpnet.data.splits.Split.divide`.

    With `strata`, the class of every row of the source, each class is divided by itself: its
    parts differ from its exact shares by less than a row where that can be, and add up to the
    same sizes as without. A class with few rows goes to training first.
    """
    sizes = part_sizes(source, len(rows), validation, test)
    fractions = np.array([1 - validation - test, validation, test])
    shuffled = rng.permutation(rows)
    if strata is None:
        bounds = np.cumsum(sizes)
        return Parts(*map(np.sort, np.split(shuffled, bounds[:2])))
    _, classes, members = np.unique(strata[shuffled], return_inverse=True, return_counts=True)
    counts = allocate(members, fractions, sizes)
    _refuse_empty(source, counts.sum(axis=0).tolist(), fractions)
    part = np.empty(len(shuffled), np.int8)
    part[np.argsort(classes, kind="stable")] = np.repeat(
        np.tile([0, 1, 2], len(members)), counts.ravel()
    )
    return Parts(*(np.sort(shuffled[part == p]) for p in range(3)))


def allocate(members: Array, fractions: Array, sizes: list[int]) -> Array:
    """Return how many members of each class go into each part, ``(C, 3)``.

    Each class gets the whole rows of its shares, and training at least one. The rows left over
    go where a class is not represented yet, then by the largest remainder, as long as a part has
    room.

    Parameters
    ----------
    members
        Rows of each class, ``(C,)``.
    fractions, sizes
        Of the parts; the sizes add up to all rows.
    """
    shares = members[:, None] * fractions
    counts = np.floor(shares + 1e-9).astype(np.int64)
    counts[:, 0] = np.maximum(counts[:, 0], 1)
    left = members - counts.sum(axis=1)
    room = np.maximum(np.array(sizes) - counts.sum(axis=0), 0)
    wanting = np.where(fractions > 0, shares - counts, -np.inf)
    order = np.lexsort((-wanting.ravel(), counts.ravel() > 0))
    for place in order.tolist():
        which, part = divmod(place, 3)
        if left[which] > 0 and room[part] > 0 and fractions[part] > 0:
            counts[which, part] += 1
            left[which] -= 1
            room[part] -= 1
    for which in np.flatnonzero(left).tolist():  # what no room was left for above
        for part in np.argsort(-room, kind="stable").tolist():
            moved = min(int(left[which]), int(room[part]))
            counts[which, part] += moved
            left[which] -= moved
            room[part] -= moved
        counts[which, 0] += left[which]
    return counts


def _round_to_sum(shares: Array, total: int) -> list[int]:
    """Round shares to whole numbers that add up to `total`, by largest remainder."""
    floors = np.floor(shares + 1e-9).astype(np.int64)
    for part in np.argsort(floors - shares, kind="stable")[: total - int(floors.sum())]:
        floors[part] += 1
    counts: list[int] = floors.tolist()
    return counts


def _refuse_empty(source: Source, sizes: list[int], fractions: Array) -> None:
    if any(size == 0 and fraction > 0 for size, fraction in zip(sizes, fractions, strict=True)):
        shown = ", ".join(
            f"{name} {size}"
            for name, size in zip(("train", "validation", "test"), sizes, strict=True)
        )
        raise DataError(
            f"too few rows ({sum(sizes)}) for these fractions ({shown}); "
            "raise data.validation or data.test, or set it to 0",
            source.source,
        )
