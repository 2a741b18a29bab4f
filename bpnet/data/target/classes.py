"""One class of several: a column of labels, or a column of probabilities for each class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bpnet.data.columns import (
    Source,
    as_number,
    codes_of,
    different,
    in_order,
    places,
    row_error,
)
from bpnet.data.saved import Saved
from bpnet.data.table import Column
from bpnet.data.target.base import Target, labels_as_values, target_column
from bpnet.errors import DataError, did_you_mean
from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

FRACTIONAL_CLASSES = 20
"""A column with more different numbers than this, some not whole, is no column of classes."""


@dataclass
class ClassTarget(Target):
    """A column of labels; class names are sorted, numbers by their value.

    Attributes
    ----------
    names
        The classes.
    counts
        Training rows of each.
    """

    type: ClassVar[str] = "class"
    kind: ClassVar[TargetKind] = "class"

    names: tuple[str, ...]
    counts: tuple[int, ...]
    values: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.values = labels_as_values(self.names)

    @classmethod
    def fit(cls, source: Source, name: str, rows: Array) -> ClassTarget:
        """Find the classes among the training rows.

        Raises
        ------
        DataError
            If there is only one, or the column holds no classes.
        """
        column = label_column(source, name, rows)
        counts = np.bincount(column.values[rows], minlength=len(column.levels)).tolist()
        seen = {level: n for level, n in zip(column.levels, counts, strict=True) if n}
        if len(seen) < 2:
            only = next(iter(seen), "")
            raise DataError(
                f"target '{name}' has only one class ({only!r}) in the {len(rows)} training rows; "
                "at least two are needed",
                source.source,
            )
        names = in_order(seen)
        return cls((name,), names, tuple(seen[level] for level in names))

    @property
    def outputs(self) -> int:
        return len(self.names)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.names

    @property
    def class_counts(self) -> Array:
        return np.array(self.counts)

    def encode(
        self, source: Source, rows: Array | None = None, *, dtype: DTypeLike = "float32"
    ) -> Array:
        rows = np.arange(source.rows) if rows is None else rows
        column = target_column(source, self.columns[0], rows).as_category()
        codes: Array = codes_of(column, self.names, -1, -1)[column.values[rows]]
        refuse_unseen(source, column, self.names, rows, codes)
        return codes

    def labels(self, output: Array) -> Array:
        labels: Array = self.values[output.argmax(axis=1)]
        return labels

    def to_state(self) -> tuple[dict[str, object], dict[str, Array]]:
        return {
            "type": self.type,
            "columns": list(self.columns),
            "names": list(self.names),
            "counts": list(self.counts),
        }, {}

    @classmethod
    def from_state(cls, saved: Saved) -> ClassTarget:
        """Make what :meth:`to_state` described."""
        names = saved.texts("names", distinct=True)
        counts = saved.wholes("counts", 1)
        saved.require(len(names) >= 2 and len(counts) == len(names), "names", "as long as counts")
        return cls(saved.texts("columns", 1), names, counts)


@dataclass
class SharesTarget(Target):
    """A column of probabilities for each class, which sum to 1 in every row.

    Attributes
    ----------
    counts
        Sum of each class over the training rows.
    """

    type: ClassVar[str] = "shares"
    kind: ClassVar[TargetKind] = "class"

    counts: Array

    @classmethod
    def fit(cls, source: Source, names: tuple[str, ...], rows: Array) -> SharesTarget:
        """Sum up the training rows.

        Raises
        ------
        DataError
            If a row holds no probabilities.
        """
        counts = _shares(source, names, rows).sum(axis=0)
        return cls(names, counts)

    @property
    def outputs(self) -> int:
        return len(self.columns)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.columns

    @property
    def class_counts(self) -> Array:
        return self.counts

    def encode(
        self, source: Source, rows: Array | None = None, *, dtype: DTypeLike = "float32"
    ) -> Array:
        rows = np.arange(source.rows) if rows is None else rows
        return _shares(source, self.columns, rows).astype(dtype)

    def labels(self, output: Array) -> Array:
        labels: Array = np.array(self.columns, dtype=object)[output.argmax(axis=1)]
        return labels

    def to_state(self) -> tuple[dict[str, object], dict[str, Array]]:
        return {"type": self.type, "columns": list(self.columns)}, {"counts": self.counts}

    @classmethod
    def from_state(cls, saved: Saved) -> SharesTarget:
        """Make what :meth:`to_state` described."""
        columns = saved.texts("columns", distinct=True)
        saved.require(len(columns) >= 2, "columns", "two or more")
        return cls(columns, saved.array("counts", (len(columns),)))


def label_column(source: Source, name: str, rows: Array) -> Column:
    """Return a target column as categories, if it can be one of classes.

    Raises
    ------
    DataError
        If it looks like a number to predict, or like a name for each row.
    """
    column = target_column(source, name, rows)
    found = different(column.values[rows])
    if column.kind == "number" and len(found) > FRACTIONAL_CLASSES:
        fraction = found[found != np.floor(found)]
        if len(fraction):
            raise DataError(
                f"target '{name}' has {len(found)} different values such as {fraction[0]:g}, "
                "so it looks like a number, not a class; use a loss for numbers, such as mse",
                source.source,
            )
    if len(found) > max(50, len(rows) / 2):
        raise DataError(
            f"target '{name}' has {len(found)} different values in {len(rows)} rows, too many "
            "for classes; "
            + (
                "use a loss for numbers, such as mse"
                if column.kind == "number"
                else "choose another target"
            ),
            source.source,
        )
    return column.as_category()


def refuse_unseen(
    source: Source, column: Column, names: tuple[str, ...], rows: Array, codes: Array
) -> None:
    """Refuse rows with a code of -1: a label that no training row has.

    Raises
    ------
    DataError
        If there is one; it names the labels and the rows.
    """
    bad = rows[codes < 0]
    if not len(bad):
        return
    new = [column.levels[code] for code in np.unique(column.values[bad]).tolist()]
    shown = ", ".join(map(repr, new[:5])) + (f" and {len(new) - 5} more" if len(new) > 5 else "")
    known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    message = (
        f"target '{column.name}' is {shown} in {len(bad)} of {len(rows)} rows"
        f"{places(source, bad).replace(' in ', ', ', 1)}, which no training row has"
        f"{did_you_mean(new[0], names) or f' (known: {known})'}; "
        "add such rows to the training, or remove these"
    )
    raise row_error(source, int(bad[0]), message)


def _shares(source: Source, names: tuple[str, ...], rows: Array) -> Array:
    """Return the probabilities ``(N, K)``, each row divided by its sum, which is 1 or nearly."""
    shares: Array = np.empty((len(rows), len(names)))
    remedy = "several targets with a loss for classes are their probabilities"
    for k, name in enumerate(names):
        column = as_number(target_column(source, name, rows), source, remedy)
        shares[:, k] = column.values[rows]
    with np.errstate(over="ignore", invalid="ignore"):  # huge numbers are no probabilities
        sums = shares.sum(axis=1)
        wrong = (shares < 0).any(axis=1) | ~(np.abs(sums - 1) <= 1e-3)
    if wrong.any():
        row = int(wrong.argmax())
        numbers = ", ".join(f"{v:g}" for v in shares[row].tolist()[:6])
        message = (
            f"expected probabilities that sum to 1 in the targets {', '.join(names)}, received "
            f"{numbers}{', ...' if len(names) > 6 else ''} (sum {sums[row]:g}); use "
            "binary_cross_entropy if each is a yes or no, mse if each is a number"
        )
        raise row_error(source, int(rows[row]), message)
    shares /= sums[:, None]
    return shares
