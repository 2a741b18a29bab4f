"""From the columns of a table to the inputs of a network.

Legend: N rows, F inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bpnet.data.columns import Source, as_number, find_column
from bpnet.data.features.categorical import CategoryColumn
from bpnet.data.features.numeric import NumericColumns
from bpnet.data.preprocessing import (
    CategoricalOptions,
    ColumnOptions,
    NumericOptions,
    categorical_options,
    numeric_options,
)
from bpnet.data.saved import Saved
from bpnet.data.table import Column, Kind, Table
from bpnet.errors import DataError
from bpnet.nn.arena import Array, aligned

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass(frozen=True, slots=True)
class Transformed:
    """Inputs, and what it took to make them.

    Attributes
    ----------
    x
        The inputs ``(N, ...)``, C-ordered.
    kept
        Which rows of the source they come from, ``(N,)``: those asked for, less the dropped.
    filled
        How many missing cells were filled, by column.
    unseen
        How many rows have a category that training never saw, by column and category.
    """

    x: Array
    kept: Array
    filled: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass
class TableFeatures:
    """Inputs from columns: first the numbers, then the categories, each in their given order.

    Attributes
    ----------
    columns
        The columns that are needed, in their given order, and what each holds: what a reader
        must look for.
    numeric, categories
        What is known of them.
    training_rows
        The rows that the features were fitted on; None for features from a model file.
    """

    columns: dict[str, Kind]
    numeric: NumericColumns
    categories: tuple[CategoryColumn, ...]
    training_rows: Array | None = None

    @classmethod
    def fit(
        cls,
        table: Table,
        names: Sequence[str],
        numeric: NumericOptions,
        categorical: CategoricalOptions,
        columns: Mapping[str, ColumnOptions],
        rows: Array,
    ) -> TableFeatures:
        """Fit the columns `names` on the training rows.

        Raises
        ------
        OptionError
            If an exception does not fit its column; its path starts with ``columns``.
        DataError
            If a column can't be fitted.
        """
        exceptions = {name: columns.get(name, ColumnOptions()) for name in names}
        chosen = [_typed(table, name, exceptions[name].type) for name in names]
        numbers = [column for column in chosen if column.kind == "number"]
        others = [column for column in chosen if column.kind == "category"]
        number_options = [numeric_options(c.name, numeric, columns) for c in numbers]
        other_options = [categorical_options(c.name, categorical, columns) for c in others]
        rules = [*(o.missing for o in number_options), *(o.missing for o in other_options)]
        keep = np.ones(len(rows), bool)
        for column, rule in zip([*numbers, *others], rules, strict=True):
            if rule == "drop":
                keep &= ~column.missing[rows]
        complete = rows[keep]
        _check_left(complete, rows, "a missing cell", table)
        fitted, inside = NumericColumns.fit(numbers, number_options, complete, table)
        _check_left(inside, rows, "a missing cell or an outlier", table)
        return cls(
            {column.name: column.kind for column in chosen},
            fitted,
            tuple(
                CategoryColumn.fit(column, options, inside, table, exceptions[column.name].order)
                for column, options in zip(others, other_options, strict=True)
            ),
            inside,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the F inputs."""
        return self.numeric.names + tuple(n for column in self.categories for n in column.names)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input, ``(F,)``."""
        return (len(self.numeric.names) + sum(len(column.names) for column in self.categories),)

    def transform(
        self,
        table: Source,
        rows: Array | None = None,
        *,
        dtype: DTypeLike = "float32",
        training: bool = False,
    ) -> Transformed:
        """Return the inputs of some rows, by default of all.

        Parameters
        ----------
        table
            A table with the same columns, in any order; others are ignored.
        rows
            Indices of rows.
        dtype
            Of the inputs.
        training
            Whether rows with outliers are left out where the options say so.

        Raises
        ------
        DataError
            If a column is missing, or a cell can't become an input.
        """
        if not isinstance(table, Table):
            raise DataError(
                f"holds arrays, but the model was trained on the columns {', '.join(self.columns)}",
                table.source,
            )
        rows = np.arange(table.rows) if rows is None else rows
        numbers = [_wanted(table, name, "number") for name in self.numeric.names]
        others = [_wanted(table, column.name, "category") for column in self.categories]
        keep = self.numeric.complete(numbers, rows)
        if training:
            keep &= self.numeric.without_outliers(numbers, rows)
        codes = []
        for fitted, column in zip(self.categories, others, strict=True):
            codes.append(fitted.codes(column, rows, table))
            keep &= fitted.kept(codes[-1])
        if not keep.all():
            rows, codes = rows[keep], [c[keep] for c in codes]
        x = aligned((len(rows), *self.shape), dtype)
        start = len(self.numeric.names)
        filled = self.numeric.write(numbers, rows, table, x[:, :start])
        unseen = {}
        for fitted, column, code in zip(self.categories, others, codes, strict=True):
            stop = start + len(fitted.names)
            fitted.write(code, x[:, start:stop])
            start = stop
            gaps = int(np.count_nonzero(column.values[rows] < 0))
            if gaps:
                filled[fitted.name] = gaps
            new = fitted.unseen_in(column, rows)
            if new:
                unseen[fitted.name] = new
        return Transformed(x, rows, filled, unseen)

    def to_state(self) -> tuple[dict[str, object], dict[str, Array]]:
        """Return JSON values and arrays from which :meth:`from_state` makes the same again."""
        facts, arrays = self.numeric.to_state()
        categories = [column.to_state() for column in self.categories]
        return {
            "type": "table",
            "columns": list(self.columns),
            "numeric": facts,
            "categories": categories,
        }, arrays

    @classmethod
    def from_state(cls, saved: Saved) -> TableFeatures:
        """Make what :meth:`to_state` described.

        Raises
        ------
        RunError
            If it described nothing of the kind.
        """
        names = saved.texts("columns", distinct=True)
        numeric = NumericColumns.from_state(saved.inner("numeric"))
        categories = tuple(
            CategoryColumn.from_state(inner) for inner in saved.several("categories")
        )
        saved.finish()
        known = [*numeric.names, *(column.name for column in categories)]
        saved.require(sorted(known) == sorted(names) != [], "columns", "those that are described")
        kinds: dict[str, Kind] = {n: "number" if n in numeric.names else "category" for n in names}
        return cls(kinds, numeric, categories)


def _check_left(left: Array, rows: Array, why: str, table: Table) -> None:
    if not len(left):
        raise DataError(
            f"all {len(rows)} training rows have {why} and are dropped; "
            "set `missing` or `outliers` to something else",
            table.source,
        )


def _typed(table: Table, name: str, kind: Kind | None) -> Column:
    """Return the column `name` as the kind that its options give, by default its own."""
    column = find_column(table, name)
    if kind == "category":
        return column.as_category()
    if kind == "number":
        return as_number(column, table, "mend the cell, or set its type to category")
    return column


def _wanted(table: Table, name: str, kind: Kind) -> Column:
    """Return the column `name` as the kind that the model was trained on."""
    column = find_column(table, name, "an input of the model")
    if kind == "category":
        return column.as_category()
    return as_number(column, table, "the model was trained on numbers")
