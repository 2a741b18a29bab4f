"""A part of the data as arrays: what a network learns from, or is judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bpnet.data.columns import Source, as_number, find_column, row_error
from bpnet.data.features import Features
from bpnet.data.target import Target
from bpnet.errors import DataError
from bpnet.nn.arena import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows as arrays.

    Attributes
    ----------
    x
        Inputs ``(N, ...)``.
    target
        What the loss compares with: int64 ``(N,)``, or numbers ``(N, K)``.
    weight
        Weight of each row ``(N,)``; None where all count alike.
    truth
        The target in its own units ``(N, K)``, float64, where `target` is scaled; None where
        `target` is the truth itself.
    rows
        Which rows of the source they are, ``(N,)``.
    filled
        How many missing cells were filled, by column.
    unseen
        How many rows have a category that training never saw, by column and category.
    """

    x: Array
    target: Array
    weight: Array | None = None
    rows: Array = field(default_factory=lambda: np.empty(0, np.int64))
    filled: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)
    truth: Array | None = None

    def __len__(self) -> int:
        return len(self.x)


def make_dataset(
    source: Source,
    features: Features,
    target: Target,
    rows: Array | None = None,
    *,
    weight: str | None = None,
    dtype: DTypeLike = "float32",
    training: bool = False,
) -> Dataset:
    """Turn rows of a source, by default all, into arrays.

    Parameters
    ----------
    source
        Where the rows are.
    features, target
        Fitted on the training rows.
    rows
        Indices of rows.
    weight
        The column of the rows' weights.
    dtype
        Of all numbers.
    training
        Whether rows with outliers are left out where the options say so.

    Raises
    ------
    DataError
        If a row can't be used, or none is left.
    """
    inputs = features.transform(source, rows, dtype=dtype, training=training)
    if not len(inputs.kept):
        raise DataError("no row is left", source.source)
    return Dataset(
        inputs.x,
        target.encode(source, inputs.kept, dtype=dtype),
        None if weight is None else row_weights(source, weight, inputs.kept, dtype),
        inputs.kept,
        inputs.filled,
        inputs.unseen,
        target.truth(source, inputs.kept),
    )


def row_weights(source: Source, name: str, rows: Array, dtype: DTypeLike = "float32") -> Array:
    """Return the weights of some rows, ``(N,)``, from the column `name`.

    Raises
    ------
    DataError
        If one is missing or below 0, or all are 0.
    """
    column = as_number(find_column(source, name, "the weight"), source, "a weight is a number")
    weights = column.values[rows]
    wrong = ~(weights >= 0)
    if wrong.any():
        row = int(wrong.argmax())
        received = "nothing" if np.isnan(weights[row]) else f"{weights[row]:g}"
        message = f"weight '{name}': expected a number of 0 or more, received {received}"
        raise row_error(source, int(rows[row]), message)
    if not weights.any():
        raise DataError(f"weight '{name}' is 0 in all {len(rows)} rows", source.source)
    with np.errstate(over="ignore"):  # checked below
        weights = weights.astype(dtype)
    if not np.isfinite(weights).all():
        row = int(np.isinf(weights).argmax())
        raise row_error(source, int(rows[row]), f"weight '{name}' is too large for {weights.dtype}")
    return weights
