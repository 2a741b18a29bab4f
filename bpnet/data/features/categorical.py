"""Columns of categories: one input for each category, or one number for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bpnet.data.columns import Source, codes_of, in_order, places, row_error
from bpnet.data.preprocessing import CategoricalOptions, Encode, Unseen
from bpnet.data.saved import Saved
from bpnet.data.table import Column
from bpnet.errors import DataError, did_you_mean
from bpnet.nn.arena import Array

_NONE, _DROP, _REFUSE = -1, -2, -3
"""Codes of cells that are no category: all inputs 0, the row is left out, an error."""


@dataclass
class CategoryColumn:
    """What is known of one column of categories: how it becomes inputs.

    Attributes
    ----------
    name
        The column.
    levels
        Its categories, in the order of their codes.
    encode, unseen
        As in :class:`CategoricalOptions`.
    missing
        What a missing cell does: ``fill``, ``drop`` (its row is left out), ``error``.
    fill
        The code that a missing cell gets: of a level, ``len(levels)`` where missing cells are a
        category of their own, or -1 where training had none.
    """

    name: str
    levels: tuple[str, ...]
    encode: Encode
    unseen: Unseen
    missing: Literal["fill", "drop", "error"]
    fill: int = _NONE

    @classmethod
    def fit(
        cls,
        column: Column,
        options: CategoricalOptions,
        rows: Array,
        source: Source,
        order: Sequence[str] | None = None,
    ) -> CategoryColumn:
        """Find the categories among some rows.

        Raises
        ------
        DataError
            If there is none, there are too many, one is not in `order`, or a missing cell is
            refused.
        """
        codes = column.values[rows]
        counts = np.bincount(codes + 1, minlength=len(column.levels) + 1)
        gaps, counts = int(counts[0]), counts[1:]
        seen = {level: n for level, n in zip(column.levels, counts.tolist(), strict=True) if n}
        if len(seen) > options.max_levels:
            raise DataError(
                f"column '{column.name}' has {len(seen)} categories in {len(rows)} training rows; "
                f"leave it out (`exclude: [{column.name}]`) or raise data.categorical.max_levels",
                source.source,
            )
        rule = options.missing
        if gaps and rule == "error":
            bad = rows[codes < 0]
            message = (
                f"column '{column.name}' has no value{places(source, bad)}; set `missing` of "
                "data.categorical or of the column, or drop the rows"
            )
            raise row_error(source, int(bad[0]), message)
        if not seen and (not gaps or rule not in ("category", "constant")):
            raise DataError(
                f"column '{column.name}' has no value in any of the {len(rows)} training rows; "
                "add it to data.exclude",
                source.source,
            )
        filler = {
            "most_frequent": max(seen, key=seen.__getitem__, default=""),
            "constant": options.fill,
        }
        if gaps and rule == "constant":
            seen.setdefault(options.fill, gaps)
        levels = in_order(seen)
        if order is not None:
            _check_order(column, levels, order, rows, source)
            levels = tuple(order)
        fill = _NONE
        if rule == "category" and gaps:
            fill = len(levels)
        elif filler.get(rule) in levels:
            fill = levels.index(filler[rule])
        missing: Literal["fill", "drop", "error"] = (
            "drop" if rule == "drop" else "error" if rule == "error" else "fill"
        )
        return cls(column.name, levels, options.encode, options.unseen, missing, fill)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs: ``island=Dream``, or ``island`` where there is one for all."""
        if self.encode == "ordinal":
            return (self.name,)
        gap = ("(missing)",) if self.fill == len(self.levels) else ()
        return tuple(f"{self.name}={level}" for level in (*self.levels, *gap))

    def codes(self, column: Column, rows: Array, source: Source) -> Array:
        """Return the code of each row, ``(len(rows),)``; see :meth:`kept` and :meth:`write`.

        Raises
        ------
        DataError
            At a missing cell or an unseen category that is refused.
        """
        missing = {"fill": self.fill, "drop": _DROP, "error": _REFUSE}[self.missing]
        unseen = {"ignore": _NONE, "missing": missing, "error": _REFUSE}[self.unseen]
        codes: Array = codes_of(column, self.levels, missing, unseen)[column.values[rows]]
        if (codes == _REFUSE).any():
            row = int(rows[(codes == _REFUSE).argmax()])
            code = int(column.values[row])
            what = "has no value"
            if code >= 0:
                text = column.levels[code]
                known = ", ".join(self.levels[:8]) + (", ..." if len(self.levels) > 8 else "")
                near = did_you_mean(text, self.levels) or f"; known: {known}"
                what = f"has {text!r}, which training never saw{near}"
            raise row_error(source, row, f"column '{self.name}' {what}")
        return codes

    def kept(self, codes: Array) -> Array:
        """Say which rows are not left out, bool."""
        kept: Array = codes != _DROP
        return kept

    def write(self, codes: Array, out: Array) -> None:
        """Write the inputs into `out` ``(len(codes), len(names))``."""
        if self.encode == "ordinal":
            out[:, 0] = codes
            return
        out.fill(0)
        rows = np.flatnonzero(codes >= 0)
        out[rows, codes[rows]] = 1

    def unseen_in(self, column: Column, rows: Array) -> dict[str, int]:
        """Count the rows of each category that training never saw."""
        new = set(column.levels).difference(self.levels)
        if not new:
            return {}
        codes = column.values[rows]
        counts = np.bincount(codes[codes >= 0], minlength=len(column.levels)).tolist()
        return {
            level: n for level, n in zip(column.levels, counts, strict=True) if n and level in new
        }

    def to_state(self) -> dict[str, object]:
        """Return JSON values from which :meth:`from_state` makes the same again."""
        return {**vars(self), "levels": list(self.levels)}

    @classmethod
    def from_state(cls, saved: Saved) -> CategoryColumn:
        """Make what :meth:`to_state` described.

        Raises
        ------
        RunError
            If it described nothing of the kind.
        """
        levels = saved.texts("levels", distinct=True)
        column = cls(
            saved.text("name"),
            levels,
            saved.text("encode", ("one_hot", "ordinal")),  # type: ignore[arg-type]
            saved.text("unseen", ("ignore", "missing", "error")),  # type: ignore[arg-type]
            saved.text("missing", ("fill", "drop", "error")),  # type: ignore[arg-type]
            saved.whole("fill", _NONE, len(levels)),
        )
        saved.finish()
        return column


def _check_order(
    column: Column, levels: Sequence[str], order: Sequence[str], rows: Array, source: Source
) -> None:
    for level in levels:
        if level not in order:
            message = (
                f"column '{column.name}' has {level!r}, which is not in "
                f"data.columns.{column.name}.order{did_you_mean(level, order)}"
            )
            if level not in column.levels:
                raise DataError(message, source.source)
            row = rows[(column.values[rows] == column.levels.index(level)).argmax()]
            raise row_error(source, int(row), message)
