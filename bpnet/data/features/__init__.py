"""The inputs of a network, fitted on the training rows of a table or of an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from bpnet.data.columns import Source, chosen_column
from bpnet.data.features.tables import TableFeatures, Transformed
from bpnet.data.features.tensors import TensorFeatures
from bpnet.data.preprocessing import (
    CategoricalOptions,
    ColumnOptions,
    ImageOptions,
    NumericOptions,
)
from bpnet.data.saved import Saved
from bpnet.data.table import Table
from bpnet.errors import DataError, OptionError
from bpnet.nn.arena import Array

__all__ = [
    "Features",
    "TableFeatures",
    "TensorFeatures",
    "Transformed",
    "feature_names",
    "features_from_state",
    "fit_features",
]

Features = TableFeatures | TensorFeatures


def feature_names(
    table: Table,
    features: Literal["all"] | Sequence[str] = "all",
    exclude: Sequence[str] = (),
    others: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the names of the input columns.

    Parameters
    ----------
    table
        Where they are.
    features
        All columns, in the file's order, or those that are listed.
    exclude
        Columns that are no inputs.
    others
        Columns with another part, which are no inputs either, and that part: ``the target``.

    Raises
    ------
    OptionError
        If a name is unknown, twice there, or has another part; or if no column is left.
    """
    others = others or {}
    for i, name in enumerate(exclude):
        chosen_column(table, name, "exclude", i)
    if features == "all":
        names = [n for n in table.columns if n not in others and n not in exclude]
        if not names:
            raise OptionError(
                f"{table.source} has no column left for inputs besides {', '.join(others)}",
                "exclude" if exclude else "features",
            )
        return names
    for i, name in enumerate(features):
        chosen_column(table, name, "features", i)
        if name in others:
            raise OptionError(f"'{name}' is {others[name]}, so it can't be an input", "features", i)
        if name in exclude:
            raise OptionError(f"'{name}' is also in exclude; drop one of them", "features", i)
        if name in features[:i]:
            raise OptionError(f"'{name}' is there twice; drop one", "features", i)
    if not features:
        raise OptionError("expected 'all' or at least one column", "features")
    return list(features)


def fit_features(
    source: Source,
    names: Sequence[str],
    rows: Array,
    *,
    numeric: NumericOptions | None = None,
    categorical: CategoricalOptions | None = None,
    columns: Mapping[str, ColumnOptions] | None = None,
    images: ImageOptions | None = None,
) -> Features:
    """Fit the inputs on the training rows.

    Parameters
    ----------
    source
        A table, or an array, of which only `images` is used.
    names
        The input columns of a table, see :func:`feature_names`.
    rows
        Indices of the training rows.
    numeric, categorical, columns, images
        The options, by default all defaults.

    Raises
    ------
    OptionError
        If an exception in `columns` does not fit its column.
    DataError
        If the rows can't be fitted.
    """
    if not len(rows):
        raise DataError("there are no training rows", source.source)
    if not isinstance(source, Table):
        return TensorFeatures.fit(source, images or ImageOptions(), rows)
    columns = columns or {}
    for name, options in columns.items():
        chosen_column(source, name, "columns", name)
        if name not in names and replace(options, type=None) != ColumnOptions():
            raise OptionError(f"'{name}' is no input, so only its type can be set", "columns", name)
    return TableFeatures.fit(
        source,
        names,
        numeric or NumericOptions(),
        categorical or CategoricalOptions(),
        columns,
        rows,
    )


def features_from_state(facts: object, arrays: Mapping[str, Array]) -> Features:
    """Make the features whose ``to_state`` gave these facts and arrays.

    Raises
    ------
    RunError
        If no features gave them.
    """
    saved = Saved(facts, arrays, "preprocessing")
    if saved.text("type", ("table", "tensor")) == "table":
        return TableFeatures.from_state(saved)
    return TensorFeatures.from_state(saved)
