"""From images and other arrays to the inputs of a network.

Legend: N examples, C channels (the last axis), H W height and width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bpnet.data.columns import Source, row_error
from bpnet.data.features.tables import Transformed
from bpnet.data.preprocessing import ImageOptions
from bpnet.data.saved import Saved
from bpnet.data.table import Kind, Tensor
from bpnet.errors import DataError
from bpnet.nn.arena import Array, aligned

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

BLOCK = 1 << 20
"""Numbers in a block of examples: 8 MiB in float64."""

_WHOLE = ("uint8", "uint16", "int8", "int16", "int32", "int64", "uint32", "uint64", "bool")


@dataclass
class TensorFeatures:
    """Inputs of the same shape as the examples, shifted and scaled by channel.

    Attributes
    ----------
    shape
        The shape of one example: ``(H, W, C)`` of an image.
    stored
        What the training examples were stored as: ``uint8``, ..., or ``float``. Others would
        need another scale.
    center, scale
        By channel, float64 ``(C,)``: an input is ``(x - center) / scale``; a channel with a
        scale of 0, constant in training, gives 0.
    training_rows
        The examples that the features were fitted on; None for features from a model file.
    """

    shape: tuple[int, ...]
    stored: str
    center: Array
    scale: Array
    training_rows: Array | None = None

    @classmethod
    def fit(cls, tensor: Tensor, options: ImageOptions, rows: Array) -> TensorFeatures:
        """Fit the channels on the training examples.

        Raises
        ------
        DataError
            If an example has a number that isn't finite, or numbers are too large.
        """
        shape, stored = tensor.x.shape[1:], _stored(tensor.x)
        channels = shape[-1] if shape else 1
        center, scale = np.zeros(channels), np.ones(channels)
        how: Literal["unit", "standard", "none"]
        if options.scale == "auto":
            how = "standard" if stored in ("float", "bool") else "unit"
        else:
            how = options.scale
        if how == "unit" and stored == "float":
            raise DataError(
                "data.images.scale: unit is for whole numbers, and these are fractions; "
                "use standard or none",
                tensor.source,
            )
        if how == "unit":
            scale[:] = 1 if stored == "bool" else np.iinfo(stored).max
        elif how == "standard":
            center, scale = _mean_and_deviation(tensor, rows, channels)
        return cls(shape, stored, center, scale, rows)

    @property
    def columns(self) -> dict[str, Kind]:
        """Nothing: an array has no columns."""
        return {}

    @property
    def names(self) -> tuple[str, ...]:
        """Nothing: the numbers of an array have no names."""
        return ()

    def transform(
        self,
        tensor: Source,
        rows: Array | None = None,
        *,
        dtype: DTypeLike = "float32",
        training: bool = False,
    ) -> Transformed:
        """Return the inputs of some examples, by default of all; none is ever dropped.

        Raises
        ------
        DataError
            If the examples have another shape or type than those of the training, or a number
            that can't become an input.
        """
        if not isinstance(tensor, Tensor):
            raise DataError(
                f"holds a table, but the model was trained on arrays of {_sides(self.shape)}",
                tensor.source,
            )
        if tensor.x.shape[1:] != self.shape:
            raise DataError(
                f"the examples are {_sides(tensor.x.shape[1:])}, but the model was trained on "
                f"{_sides(self.shape)}",
                tensor.source,
            )
        if _stored(tensor.x) != self.stored:
            raise DataError(
                f"the examples are stored as {_stored(tensor.x)}, but the model was trained on "
                f"{self.stored}; convert them, as they would be scaled wrongly",
                tensor.source,
            )
        rows = np.arange(len(tensor.x)) if rows is None else rows
        x = aligned((len(rows), *self.shape), dtype)
        divisor = np.where(self.scale > 0, self.scale, np.inf)
        height = max(1, BLOCK // max(1, x[:1].size))
        for start in range(0, len(rows), height):
            chosen = rows[start : start + height]
            with np.errstate(over="ignore", invalid="ignore"):  # checked below
                into = x[start : start + height]
                into[...] = (tensor.x[chosen] - self.center) / divisor
            if not np.isfinite(into).all():
                bad = int(chosen[np.isfinite(into).reshape(len(into), -1).all(axis=1).argmin()])
                message = f"has a number that is missing, infinite or too large for {x.dtype}"
                raise row_error(tensor, bad, message)
        return Transformed(x, rows)

    def to_state(self) -> tuple[dict[str, object], dict[str, Array]]:
        """Return JSON values and arrays from which :meth:`from_state` makes the same again."""
        facts: dict[str, object] = {
            "type": "tensor",
            "shape": list(self.shape),
            "stored": self.stored,
        }
        return facts, {"center": self.center, "scale": self.scale}

    @classmethod
    def from_state(cls, saved: Saved) -> TensorFeatures:
        """Make what :meth:`to_state` described.

        Raises
        ------
        RunError
            If it described nothing of the kind.
        """
        shape = saved.wholes("shape", 1)
        stored = saved.text("stored", ("float", *_WHOLE))
        channels = (shape[-1],) if shape else (1,)
        center, scale = saved.array("center", channels), saved.array("scale", channels)
        saved.require(bool((scale >= 0).all()), "scale", "numbers of 0 or more")
        saved.finish()
        return cls(shape, stored, center, scale)


def _stored(x: Array) -> str:
    return "float" if x.dtype.kind == "f" else x.dtype.name


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "single numbers"


def _mean_and_deviation(tensor: Tensor, rows: Array, channels: int) -> tuple[Array, Array]:
    """Return the mean and standard deviation of each channel, block by block.

    Blocks are merged as in Chan, Golub & LeVeque (1979), so nothing large is subtracted.
    """
    count, mean, squares = 0, np.zeros(channels), np.zeros(channels)
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    height = max(1, BLOCK // max(1, tensor.x[:1].size))
    for start in range(0, len(rows), height):
        chosen = rows[start : start + height]
        block = tensor.x[chosen].astype(np.float64).reshape(-1, channels)
        if not np.isfinite(block).all():
            finite = np.isfinite(block).reshape(len(chosen), -1).all(axis=1)
            message = "has a number that is missing or infinite"
            raise row_error(tensor, int(chosen[finite.argmin()]), message)
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            block_mean = block.mean(axis=0)
            off = block_mean - mean
            both = count + len(block)
            block -= block_mean
            squares += np.square(block).sum(axis=0) + off * off * (count * len(block) / both)
            mean += off * (len(block) / both)
        count = both
    deviation = np.where(high > low, np.sqrt(squares / count), 0.0)
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise DataError(
            f"numbers from {low.min():g} to {high.max():g} are too far apart to scale",
            tensor.source,
        )
    return mean, deviation
