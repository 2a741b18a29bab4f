"""Dividing rows into training, validation and test.

The rows of each part stay in the file's order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from bpnet.data.columns import Source, chosen_column, row_error
from bpnet.data.division import Parts, divide_at_random, part_sizes
from bpnet.data.table import Column
from bpnet.errors import DataError, OptionError
from bpnet.nn.arena import Array
from bpnet.options import Range


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


@dataclass
class FoldSplit(Split):
    """Cross-validation: set the test rows aside, divide the others into folds, validate on one.

    The test rows are those of a random split with the same seed and fraction, in every fold
    alike. How much `validation` asks for plays no part.
    """

    folds: Annotated[int, Range(ge=2), "how many folds"] = 5
    fold: Annotated[int, Range(ge=0), "which of them validates, from 0"] = 0

    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.fold >= self.folds:
            raise OptionError(
                f"expected a number below folds ({self.folds}), received {self.fold}", "fold"
            )

    def divide(
        self,
        source: Source,
        validation: float,
        test: float,
        rng: np.random.Generator,
        strata: Array | None = None,
    ) -> Parts:
        if not validation:
            raise OptionError(
                "folds take the validation rows from train, each in turn; leave it out",
                "validation",
            )
        drawn = divide_at_random(source, np.arange(source.rows), 0, test, rng, strata)
        rows = rng.permutation(drawn.train)
        if len(rows) < self.folds:
            raise DataError(
                f"{len(rows)} rows can't be divided into {self.folds} folds", source.source
            )
        if strata is not None:  # dealt out class by class: shares differ by less than a row
            rows = rows[np.argsort(strata[rows], kind="stable")]
        validates = np.arange(len(rows)) % self.folds == self.fold
        return Parts(np.sort(rows[~validates]), np.sort(rows[validates]), drawn.test)


SPLITS: dict[str, type[Split]] = {
    "random": RandomSplit,
    "time": TimeSplit,
    "column": ColumnSplit,
    "folds": FoldSplit,
}

for _name, _split in SPLITS.items():
    _split.type = _name
