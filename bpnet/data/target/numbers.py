"""Numbers: one column or several, scaled inside and told in their own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bpnet.data.columns import Source, as_number, row_error
from bpnet.data.saved import Saved
from bpnet.data.scaling import SCALES
from bpnet.data.target.base import Target, TargetScale, target_column
from bpnet.errors import DataError
from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass
class NumberTarget(Target):
    """Columns of numbers; inside, a target is ``(value - center) / scale``.

    Attributes
    ----------
    center, scale
        By column, float64 ``(K,)``; the scale of a column that is constant in training is 1.
    """

    type: ClassVar[str] = "number"
    kind: ClassVar[TargetKind] = "number"

    center: Array
    scale: Array

    @classmethod
    def fit(
        cls, source: Source, names: tuple[str, ...], rows: Array, scale: TargetScale
    ) -> NumberTarget:
        """Fit centre and scale on the training rows.

        Raises
        ------
        DataError
            If a column holds something else than numbers, or numbers that are too large.
        """
        values = _values(source, names, rows)
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            center, factor = SCALES[scale](np.ascontiguousarray(values.T))
        for name, c, f in zip(names, center.tolist(), factor.tolist(), strict=True):
            if not (np.isfinite(c) and np.isfinite(f)):
                raise DataError(
                    f"target '{name}' has numbers too far apart to scale", source.source
                )
        return cls(names, center, np.where(factor > 0, factor, 1.0))

    @property
    def outputs(self) -> int:
        return len(self.columns)

    def encode(
        self, source: Source, rows: Array | None = None, *, dtype: DTypeLike = "float32"
    ) -> Array:
        rows = np.arange(source.rows) if rows is None else rows
        values = _values(source, self.columns, rows)
        with np.errstate(over="ignore"):  # checked below
            encoded: Array = ((values - self.center) / self.scale).astype(dtype)
        fits = np.isfinite(encoded)
        if not fits.all():
            row, k = np.argwhere(~fits)[0]
            message = (
                f"target '{self.columns[k]}': {values[row, k]:g} is too large for {encoded.dtype}"
            )
            raise row_error(source, int(rows[row]), message)
        return encoded

    def truth(self, source: Source, rows: Array) -> Array:
        return _values(source, self.columns, rows)

    def to_units(self, values: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):  # outputs of a diverging network
            units: Array = values * self.scale + self.center
        return units

    def labels(self, output: Array) -> Array:
        return output[:, 0] if self.outputs == 1 else output

    def to_state(self) -> tuple[dict[str, object], dict[str, Array]]:
        facts: dict[str, object] = {"type": self.type, "columns": list(self.columns)}
        return facts, {"center": self.center, "scale": self.scale}

    @classmethod
    def from_state(cls, saved: Saved) -> NumberTarget:
        """Make what :meth:`to_state` described."""
        columns = saved.texts("columns", distinct=True)
        saved.require(len(columns) >= 1, "columns", "one or more")
        center = saved.array("center", (len(columns),))
        scale = saved.array("scale", (len(columns),))
        saved.require(bool((scale > 0).all()), "scale", "numbers above 0")
        return cls(columns, center, scale)


def _values(source: Source, names: tuple[str, ...], rows: Array) -> Array:
    """Return the numbers of the target columns, float64 ``(N, K)``."""
    values = np.empty((len(rows), len(names)))
    for k, name in enumerate(names):
        column = target_column(source, name, rows)
        remedy = "for classes use a loss such as cross_entropy"
        values[:, k] = as_number(column, source, remedy).values[rows]
    return values
