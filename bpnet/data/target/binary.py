"""Yes or no: one column with two values, or several such columns (labels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bpnet.data.columns import Source, codes_of, in_order, is_number
from bpnet.data.saved import Saved
from bpnet.data.target.base import Target, labels_as_values, target_column
from bpnet.data.target.classes import label_column, refuse_unseen
from bpnet.errors import DataError
from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass
class BinaryTarget(Target):
    """Columns with two values each: the first in sorted order is no (0), the second yes (1).

    So 1, true, yes, positive and spam are yes where 0, false, no, negative and ham are the
    other value; upper and lower case make no difference.

    Attributes
    ----------
    no, yes
        The values of each column.
    counts
        Training rows with each value: of each column no and yes, ``(K, 2)``.
    """

    type: ClassVar[str] = "binary"
    kind: ClassVar[TargetKind] = "binary"

    no: tuple[str, ...]
    yes: tuple[str, ...]
    counts: tuple[tuple[int, int], ...]

    @classmethod
    def fit(cls, source: Source, names: tuple[str, ...], rows: Array) -> BinaryTarget:
        """Find the two values of each column among the training rows.

        Raises
        ------
        DataError
            If there are more or less than two; of several labels, one of 0 and 1 is enough.
        """
        found = [_two_values(source, name, rows, alone=len(names) == 1) for name in names]
        no, yes, counts = zip(*found, strict=True)
        return cls(names, no, yes, counts)

    @property
    def outputs(self) -> int:
        return len(self.columns)

    @property
    def class_names(self) -> tuple[str, ...]:
        """No and yes of a single column; else the names of the columns."""
        return self.columns if self.outputs > 1 else (self.no[0], self.yes[0])

    @property
    def class_counts(self) -> Array:
        """Training rows with no and with yes: ``(2,)`` of a single column, else ``(2, K)``."""
        counts = np.array(self.counts)
        chosen: Array = counts.T if self.outputs > 1 else counts[0]
        return chosen

    def encode(
        self, source: Source, rows: Array | None = None, *, dtype: DTypeLike = "float32"
    ) -> Array:
        rows = np.arange(source.rows) if rows is None else rows
        encoded = np.empty((len(rows), self.outputs), dtype)
        for k, name in enumerate(self.columns):
            column = target_column(source, name, rows).as_category()
            pair = (self.no[k], self.yes[k])
            codes = codes_of(column, pair, -1, -1)[column.values[rows]]
            refuse_unseen(source, column, pair, rows, codes)
            encoded[:, k] = codes
        return encoded

    def labels(self, output: Array) -> Array:
        said = [
            labels_as_values(pair)[(output[:, k] > 0.5).astype(np.intp)]
            for k, pair in enumerate(zip(self.no, self.yes, strict=True))
        ]
        return said[0] if len(said) == 1 else np.stack(said, axis=1)

    def probabilities(self, output: Array) -> Array:
        return output if self.outputs > 1 else np.hstack((1 - output, output))

    def to_state(self) -> tuple[dict[str, object], dict[str, Array]]:
        return {
            "type": self.type,
            "columns": list(self.columns),
            "no": list(self.no),
            "yes": list(self.yes),
            "counts": [n for pair in self.counts for n in pair],
        }, {}

    @classmethod
    def from_state(cls, saved: Saved) -> BinaryTarget:
        """Make what :meth:`to_state` described."""
        columns = saved.texts("columns", distinct=True)
        saved.require(len(columns) >= 1, "columns", "one or more")
        no, yes = saved.texts("no", len(columns)), saved.texts("yes", len(columns))
        differ = all(a != b for a, b in zip(no, yes, strict=True))
        saved.require(differ, "yes", "other than 'no'")
        counts = saved.wholes("counts", 0)
        saved.require(len(counts) == 2 * len(columns), "counts", "two for each column")
        return cls(columns, no, yes, tuple(zip(counts[::2], counts[1::2], strict=True)))


def _two_values(
    source: Source, name: str, rows: Array, *, alone: bool
) -> tuple[str, str, tuple[int, int]]:
    """Return the value for no, the value for yes, and how many rows have each."""
    column = label_column(source, name, rows)
    counts = np.bincount(column.values[rows], minlength=len(column.levels)).tolist()
    seen = {level: n for level, n in zip(column.levels, counts, strict=True) if n}
    if not alone and set(seen) <= {"0", "1"}:
        seen = {"0": 0, "1": 0} | seen
    if len(seen) == 1:
        (only,) = seen
        raise DataError(
            f"target '{name}' is {only!r} in all {len(rows)} training rows; "
            "yes and no are both needed",
            source.source,
        )
    if len(seen) > 2:
        shown = ", ".join(in_order(seen)[:5]) + (", ..." if len(seen) > 5 else "")
        remedy = "for one class of several use cross_entropy"
        if not alone:
            remedy = "several targets with a loss for yes or no have two values each"
        raise DataError(
            f"target '{name}' has {len(seen)} values ({shown}), but yes or no are two; {remedy}",
            source.source,
        )
    no, yes = in_order(seen)
    if not is_number(no) and no.casefold() > yes.casefold():
        no, yes = yes, no
    return no, yes, (seen[no], seen[yes])
