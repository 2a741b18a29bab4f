"""Columns of numbers, fitted and scaled in blocks of columns or rows that stay in cache.

Legend: N rows, C columns of numbers. Statistics are computed and applied in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bpnet.data.columns import Source, places, row_error
from bpnet.data.preprocessing import NumericOptions
from bpnet.data.saved import Saved
from bpnet.data.scaling import FILLS, SCALES
from bpnet.data.table import Column
from bpnet.errors import DataError
from bpnet.nn.arena import Array

BLOCK = 1 << 18
"""Numbers in a block: 2 MiB."""

UNBOUNDED = np.finfo(np.float64).max
"""The bound where there is none: saved arrays hold no infinity."""


@dataclass
class NumericColumns:
    """What is known of the columns of numbers: how each becomes an input.

    An input is ``(clip(cell, low, high) - center) / scale``, where a missing cell counts as
    `fill`; a column with a scale of 0, constant in training, gives 0.

    Attributes
    ----------
    names
        The columns.
    missing
        What a missing cell does: ``fill``, ``drop`` (its row is left out), ``error``.
    outliers
        What a number beyond `low` and `high` does: ``none``, ``clip``, ``drop`` (its row is
        left out of the training).
    fill, low, high, center, scale
        By column, float64 ``(C,)``.
    """

    names: tuple[str, ...]
    missing: tuple[str, ...]
    outliers: tuple[str, ...]
    fill: Array
    low: Array
    high: Array
    center: Array
    scale: Array

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column],
        options: Sequence[NumericOptions],
        rows: Array,
        source: Source,
    ) -> tuple[NumericColumns, Array]:
        """Fit the columns on some rows; also return those of them without a dropped outlier.

        Raises
        ------
        DataError
            If a column has nothing to fit, a missing cell is refused, or numbers are too large.
        """
        count = len(columns)
        fitted = cls(
            tuple(column.name for column in columns),
            tuple(_missing_rule(o) for o in options),
            tuple(o.outliers.type for o in options),
            np.zeros(count),
            np.full(count, -UNBOUNDED),
            np.full(count, UNBOUNDED),
            np.zeros(count),
            np.ones(count),
        )
        with np.errstate(over="ignore", invalid="ignore"):  # found as inf and NaN by the check
            for i, column in enumerate(columns):
                if fitted.outliers[i] == "drop":
                    values = column.values[rows]
                    fitted._bound([i], values[~np.isnan(values)][None], options[i], source)
            rows = rows[fitted.without_outliers(columns, rows)]
            for which, block in _column_blocks(columns, options, rows):
                fitted._fit_block(which, block, options[which[0]], rows, source)
        return fitted, rows

    def _fit_block(
        self, which: list[int], block: Array, options: NumericOptions, rows: Array, source: Source
    ) -> None:
        """Fit columns with the same options from their values ``(len(which), N)``."""
        gaps = np.isnan(block)
        for part, values in _without_gaps(block, gaps):
            chosen = [which[i] for i in part]
            name = self.names[chosen[0]]
            if len(part) == 1 and gaps[part[0]].any() and options.missing == "error":
                bad = rows[gaps[part[0]]]
                message = (
                    f"column '{name}' has no value{places(source, bad)}; "
                    "set `missing` of data.numeric or of the column, or drop the rows"
                )
                raise row_error(source, int(bad[0]), message)
            if not values.shape[1]:
                if options.missing != "constant":
                    raise DataError(
                        f"column '{name}' has no value in any of the {len(rows)} training rows; "
                        "add it to data.exclude",
                        source.source,
                    )
            elif self.outliers[chosen[0]] == "clip":
                self._bound(chosen, values, options, source)
                values = np.clip(values, self.low[chosen, None], self.high[chosen, None])
            self.fill[chosen] = FILLS[options.missing](values, options)
            self._refuse_span(chosen, values, np.isfinite(self.fill[chosen]), source)
        if options.outliers.type == "clip":
            np.clip(block, self.low[which, None], self.high[which, None], out=block)
        np.copyto(block, self.fill[which, None], where=gaps)
        if block.size:
            self.center[which], self.scale[which] = SCALES[options.scale](block)
        fits = np.isfinite(self.center[which]) & np.isfinite(self.scale[which])
        self._refuse_span(which, block, fits, source)

    def _refuse_span(self, which: list[int], values: Array, fits: Array, source: Source) -> None:
        """Refuse columns whose figures overflowed."""
        if not fits.all():
            bad = int(fits.argmin())
            raise DataError(
                f"column '{self.names[which[bad]]}' has values from {values[bad].min():g} to "
                f"{values[bad].max():g}, too large to work with; rescale it or leave it out",
                source.source,
            )

    def _bound(
        self, which: list[int], values: Array, options: NumericOptions, source: Source
    ) -> None:
        if values.size:
            low, high = options.outliers.bounds(values)
            self._refuse_span(which, values, ~(np.isnan(low) | np.isnan(high)), source)
            self.low[which] = np.clip(low, -UNBOUNDED, UNBOUNDED)
            self.high[which] = np.clip(high, -UNBOUNDED, UNBOUNDED)

    def complete(self, columns: Sequence[Column], rows: Array) -> Array:
        """Say which of the rows lack no cell for which rows are dropped, bool."""
        keep = np.ones(len(rows), bool)
        for rule, column in zip(self.missing, columns, strict=True):
            if rule == "drop":
                keep &= ~np.isnan(column.values[rows])
        return keep

    def without_outliers(self, columns: Sequence[Column], rows: Array) -> Array:
        """Say which of the rows have no outlier for which training rows are dropped, bool."""
        keep = np.ones(len(rows), bool)
        for i, column in enumerate(columns):
            if self.outliers[i] == "drop":
                values = column.values[rows]
                keep &= ~((values < self.low[i]) | (values > self.high[i]))
        return keep

    def write(
        self, columns: Sequence[Column], rows: Array, source: Source, out: Array
    ) -> dict[str, int]:
        """Write the inputs of some rows into `out` ``(len(rows), C)``.

        Returns
        -------
        dict
            How many missing cells were filled, for each column that had some.

        Raises
        ------
        DataError
            At a missing cell that is refused, or a number that `out` can't hold.
        """
        count = len(columns)
        if not count:
            return {}
        height = max(1, BLOCK // count)
        clips = any(rule == "clip" for rule in self.outliers)
        clipped = np.array([rule == "clip" for rule in self.outliers], bool)[:, None]
        low = np.where(clipped, self.low[:, None], -UNBOUNDED)
        high = np.where(clipped, self.high[:, None], UNBOUNDED)
        divisor = np.where(self.scale > 0, self.scale, np.inf)[:, None]
        center = self.center[:, None]
        filled = np.zeros(count, np.int64)
        buffer = np.empty((count, min(height, len(rows))))
        for start in range(0, len(rows), height):
            chosen = rows[start : start + height]
            block = buffer[:, : len(chosen)]
            for i, column in enumerate(columns):
                block[i] = column.values[chosen]
            gaps = np.isnan(block)
            with np.errstate(over="ignore", invalid="ignore"):  # checked below
                if clips:
                    np.clip(block, low, high, out=block)
                if gaps.any():
                    self._refuse_gaps(gaps, chosen, source)
                    filled += np.count_nonzero(gaps, axis=1)
                    np.copyto(block, self.fill[:, None], where=gaps)
                np.subtract(block, center, out=block)
                np.divide(block, divisor, out=block)
                into = out[start : start + height]
                into[...] = block.T
            if not np.isfinite(into).all():
                self._refuse_size(columns, chosen, source, into)
        return {name: n for name, n in zip(self.names, filled.tolist(), strict=True) if n}

    def _refuse_gaps(self, gaps: Array, rows: Array, source: Source) -> None:
        for i, rule in enumerate(self.missing):
            if rule == "error" and gaps[i].any():
                bad = rows[gaps[i]]
                raise row_error(source, int(bad[0]), f"column '{self.names[i]}' has no value")

    def _refuse_size(
        self, columns: Sequence[Column], rows: Array, source: Source, out: Array
    ) -> None:
        row, column = np.argwhere(~np.isfinite(out))[0]
        value = columns[column].values[rows[row]]
        message = (
            f"column '{self.names[column]}': {value:g}, once scaled, is too large for {out.dtype}"
        )
        raise row_error(source, int(rows[row]), message)

    def to_state(self) -> tuple[dict[str, object], dict[str, Array]]:
        """Return JSON values and arrays from which :meth:`from_state` makes the same again."""
        facts: dict[str, object] = {
            "names": list(self.names),
            "missing": list(self.missing),
            "outliers": list(self.outliers),
        }
        arrays = {key: getattr(self, key) for key in ("fill", "low", "high", "center", "scale")}
        return facts, arrays

    @classmethod
    def from_state(cls, saved: Saved) -> NumericColumns:
        """Make what :meth:`to_state` described.

        Raises
        ------
        RunError
            If it described nothing of the kind.
        """
        names = saved.texts("names", distinct=True)
        count = len(names)
        missing = saved.texts("missing", count, ("fill", "drop", "error"))
        outliers = saved.texts("outliers", count, ("none", "clip", "drop"))
        fill, center = saved.array("fill", (count,)), saved.array("center", (count,))
        low, high = saved.array("low", (count,)), saved.array("high", (count,))
        scale = saved.array("scale", (count,))
        saved.finish()
        saved.require(bool((low <= high).all()), "low", "numbers up to those of 'high'")
        saved.require(bool((scale >= 0).all()), "scale", "numbers of 0 or more")
        return cls(names, missing, outliers, fill, low, high, center, scale)


def _missing_rule(options: NumericOptions) -> str:
    return options.missing if options.missing in ("drop", "error") else "fill"


def _column_blocks(
    columns: Sequence[Column], options: Sequence[NumericOptions], rows: Array
) -> Iterator[tuple[list[int], Array]]:
    """Yield columns with the same options together, as many as make up a block ``(., N)``."""
    width = max(1, BLOCK // max(1, len(rows)))
    groups: list[list[int]] = []
    for i, option in enumerate(options):
        group = next((g for g in groups if options[g[0]] == option), None)
        groups.append([i]) if group is None else group.append(i)
    for group in groups:
        buffer = np.empty((min(width, len(group)), len(rows)))
        for start in range(0, len(group), width):
            which = group[start : start + width]
            for i, column in enumerate(which):
                buffer[i] = columns[column].values[rows]
            yield which, buffer[: len(which)]


def _without_gaps(block: Array, gaps: Array) -> Iterator[tuple[list[int], Array]]:
    """Yield rows of a block that have no NaN together, then each other one, less its NaNs."""
    gappy = gaps.any(axis=1)
    if not gappy.any():
        yield list(range(len(block))), block
        return
    whole = np.flatnonzero(~gappy)
    if len(whole):
        yield whole.tolist(), block[whole]
    for i in np.flatnonzero(gappy).tolist():
        yield [i], block[i][~gaps[i]][None]
