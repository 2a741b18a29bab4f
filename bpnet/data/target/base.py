"""What a network learns to say, and how that is said to people.

The loss decides what a column is: a class of several, yes or no, or a number.

Legend: N rows, K outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from bpnet.data.columns import Source, find_column, places, row_error
from bpnet.data.table import Column
from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

TargetScale = Literal["standard", "minmax", "none"]
"""How numbers to predict are scaled inside: mean 0 and standard deviation 1, 0 to 1, or not."""


@dataclass
class Target:
    """The columns to predict, fitted on the training rows.

    Attributes
    ----------
    columns
        Their names.
    """

    type: ClassVar[str]
    """The name in model files."""

    kind: ClassVar[TargetKind]
    """What the loss sees."""

    columns: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """K, the number of outputs that a network needs."""
        raise NotImplementedError

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes or labels by name; empty for numbers."""
        return ()

    @property
    def class_counts(self) -> Array | None:
        """Training rows of each of the :attr:`class_names`; None for numbers.

        Of several labels: the rows with no and with yes of each, ``(2, K)``.
        """
        return None

    def encode(
        self, source: Source, rows: Array | None = None, *, dtype: DTypeLike = "float32"
    ) -> Array:
        """Return what the loss compares with, for some rows, by default all.

        Returns
        -------
        Array
            int64 classes ``(N,)``, or numbers of type `dtype` ``(N, K)``.

        Raises
        ------
        DataError
            If a column or a cell is missing, or a cell is nothing that the target can be.
        """
        raise NotImplementedError

    def truth(self, source: Source, rows: Array) -> Array | None:
        """Return the target of some rows in its own units ``(N, K)``; None if `encode` does."""
        return None

    def to_units(self, values: Array) -> Array:
        """Return targets or outputs in the user's units, where those differ."""
        return values

    def labels(self, output: Array) -> Array:
        """Return the answer for each row ``(N,)``, or for each row and column ``(N, K)``.

        Classes are whole numbers or texts, as in the data.

        Parameters
        ----------
        output
            Probabilities, or numbers in the user's units, ``(N, K)``.
        """
        raise NotImplementedError

    def probabilities(self, output: Array) -> Array:
        """Return the probability of each of the :attr:`class_names`, ``(N, names)``."""
        return output

    def to_state(self) -> tuple[dict[str, object], dict[str, Array]]:
        """Return JSON values and arrays from which `target_from_state` makes the same again."""
        raise NotImplementedError


def target_column(source: Source, name: str, rows: Array) -> Column:
    """Return a target column, which must have a value in all of the rows.

    Raises
    ------
    DataError
        If it has none in some.
    """
    column = find_column(source, name, "the target")
    missing = rows[column.missing[rows]]
    if len(missing):
        message = (
            f"target '{name}' has no value{places(source, missing)} "
            f"({len(missing)} of {len(rows)} rows); remove these rows"
        )
        raise row_error(source, int(missing[0]), message)
    return column


def labels_as_values(names: tuple[str, ...]) -> Array:
    """Return class names as the values that people expect: whole numbers, or texts."""
    if all(name.lstrip("-").isdecimal() and str(int(name)) == name for name in names):
        return np.array([int(name) for name in names])
    return np.array(names, dtype=object)
