"""Dividing rows into training, validation and test.

The rows of each part stay in the file's order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from bpnet.data.columns import Source, chosen_column, row_error
from bpnet.data.table import Column
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


@dataclass
class Split:
    """A way to divide rows; its fields are its YAML options."""

    type: ClassVar[str]
    """The name in `SPLITS`, which sets it."""

    random: ClassVar[bool] = False
    """Whether it draws rows at random, so that classes can keep their shares."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads, which are no inputs."""
        return ()

    def divide(
        self,
        source: Source,
        validation: float,
        test: float,
        rng: np.random.Generator,
        strata: Array | None = None,
    ) -> Parts:
        """Divide the rows of a source.

        Parameters
        ----------
        source
            Where the rows are.
        validation, test
            Fractions of all rows; 0 for no such part.
        rng
            The random stream of splits.
        strata
            The class of each row ``(N,)``, whose shares are kept; None for none.

        Raises
        ------
        OptionError
            If the fractions leave nothing for training, or a column is unknown.
        DataError
            If a part that was asked for would be empty.
        """
        raise NotImplementedError


@dataclass
class RandomSplit(Split):
    """Draw the rows of each part at random."""

    random: ClassVar[bool] = True

    def divide(
        self,
        source: Source,
        validation: float,
        test: float,
        rng: np.random.Generator,
        strata: Array | None = None,
    ) -> Parts:
        return divide_at_random(source, np.arange(source.rows), validation, test, rng, strata)


@dataclass
class TimeSplit(Split):
    """Train on the earliest rows, validate on later ones, test on the latest."""

    column: Annotated[
        str | None,
        "sort by this column, a number or a text such as 2024-05-31; null: the file's order",
    ] = None

    @property
    def columns(self) -> tuple[str, ...]:
        return () if self.column is None else (self.column,)

    def divide(
        self,
        source: Source,
        validation: float,
        test: float,
        rng: np.random.Generator,
        strata: Array | None = None,
    ) -> Parts:
        order = np.arange(source.rows)
        if self.column is not None:
            column = chosen_column(source, self.column, "split", "column")
            if column.missing.any():
                row = int(column.missing.argmax())
                raise row_error(source, row, f"column '{self.column}' has no value to sort by")
            _refuse_unsortable(column)
            order = np.argsort(column.values, kind="stable")
        counts = part_sizes(source, source.rows, validation, test)
        first, second = counts[0], counts[0] + counts[1]
        return Parts(*map(np.sort, (order[:first], order[first:second], order[second:])))


_DATE = re.compile(
    r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?"
)
"""ISO 8601: year first, all parts with leading zeros, so that sorting texts sorts times."""


def _refuse_unsortable(column: Column) -> None:
    """Refuse texts whose alphabetical order is no order in time.

    Raises
    ------
    OptionError
        If the column holds texts that are no dates with the year first, all written alike.
    """
    if column.kind == "number":
        return
    for level in column.levels:
        if not _DATE.fullmatch(level) or len(level) != len(column.levels[0]):
            raise OptionError(
                f"column '{column.name}' can't be sorted by time: {level!r} is no number and no "
                "date such as 2024-05-31 (or 2024-05-31 09:30), written alike in all rows",
                "split",
                "column",
            )


Values = str | int | list[str | int]


@dataclass
class ColumnSplit(Split):
    """Let a column say which part each row belongs to.

    Where it names no row for validation (or test), the fraction of that part is drawn at random
    from its training rows.
    """

    column: Annotated[str, "the column that names the part of each row"]
    train: Annotated[Values, "what it says in training rows"] = "train"
    validation: Annotated[Values, "what it says in validation rows"] = "validation"
    test: Annotated[Values, "what it says in test rows"] = "test"

    random: ClassVar[bool] = True

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def divide(
        self,
        source: Source,
        validation: float,
        test: float,
        rng: np.random.Generator,
        strata: Array | None = None,
    ) -> Parts:
        column = chosen_column(source, self.column, "split", "column").as_category()
        parts: dict[str, str] = {}
        for part, values in (
            ("train", self.train),
            ("validation", self.validation),
            ("test", self.test),
        ):
            for value in values if isinstance(values, list) else [values]:
                if parts.setdefault(str(value), part) != part:
                    raise OptionError(
                        f"'{value}' is there for {parts[str(value)]} too", "split", part
                    )
        named = np.array([*(parts.get(level, "") for level in column.levels), ""])[column.values]
        if (named == "").any():
            row = int((named == "").argmax())
            code = column.values[row]
            said = "nothing" if code < 0 else repr(column.levels[code])
            message = f"column '{self.column}' says {said}; expected one of {', '.join(parts)}"
            raise row_error(source, row, message)
        chosen = {part: np.flatnonzero(named == part) for part in set(parts.values())}
        if not len(chosen["train"]):
            raise DataError(f"column '{self.column}' names no training row", source.source)
        drawn = divide_at_random(
            source,
            chosen["train"],
            0 if len(chosen["validation"]) else validation,
            0 if len(chosen["test"]) else test,
            rng,
            strata,
        )
        return Parts(
            drawn.train,
            chosen["validation"] if len(chosen["validation"]) else drawn.validation,
            chosen["test"] if len(chosen["test"]) else drawn.test,
        )


SPLITS: dict[str, type[Split]] = {
    "random": RandomSplit,
    "time": TimeSplit,
    "column": ColumnSplit,
}

for _name, _split in SPLITS.items():
    _split.type = _name


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
    """Divide some rows at random; see :meth:`Split.divide`.

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
