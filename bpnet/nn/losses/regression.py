"""Losses for numbers: means over all N*K residuals d = z - target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.losses.base import Loss, check_shapes, sum_of_products
from bpnet.options import Positive

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass
class Regression(Loss):
    """A mean over all residuals of f(d) = slope(d) * height(d), whose derivative is factor * slope.

    L = 1/(S K) sum_ik s_i f(d_ik). A subclass says what slope and height are.
    """

    target = "number"

    factor = 1.0

    def prepare(self, n: int) -> None:
        self.rows = n
        shape = (n, self.outputs)
        self.residual = self.scratch("residual", shape)
        self.slope = self.height = self.residual
        self.weighted = self.scratch("weighted", shape)
        self.dz = self.scratch("dz", shape)

    def split(self) -> None:
        """Fill `slope` and `height` from `residual`."""

    def forward(
        self, z: Array, target: Array, weight: Array | None = None, total: float | None = None
    ) -> float:
        check_shapes(z, target)
        if len(z) != self.rows:
            self.prepare(len(z))
        np.subtract(z, target, self.residual)
        self.split()
        self.pull = self.slope
        if weight is not None:
            self.pull = np.multiply(self.slope, weight[:, None], self.weighted)
        divisor = (self.total(target, weight) if total is None else total) * self.outputs
        mean = 1 / divisor if divisor else 0.0
        self.scale.fill(self.factor * mean)
        return mean * sum_of_products(self.pull.reshape(-1), self.height.reshape(-1))

    def backward(self) -> Array:
        return np.multiply(self.pull, self.scale, self.dz)

    def predict(self, z: Array) -> Array:
        return z


@dataclass
class MeanSquaredError(Regression):
    """Average the squared residuals: f = d^2, f' = 2 d."""

    factor = 2.0


@dataclass
class MeanAbsoluteError(Regression):
    """Average the absolute residuals: f = |d|, f' = sign(d), with 0 at d = 0."""

    def prepare(self, n: int) -> None:
        super().prepare(n)
        self.slope = self.scratch("slope", self.residual.shape)

    def split(self) -> None:
        np.sign(self.residual, self.slope)


@dataclass
class Huber(Regression):
    """Average a square near 0 that goes on as a straight line: outliers pull no harder than delta.

    f = d^2/2 where |d| <= delta, else delta (|d| - delta/2). With c = d clipped to +-delta this
    is f = c (d - c/2), f' = c (Huber, 1964, Robust estimation of a location parameter).
    """

    delta: Annotated[Positive, "residual from which the loss grows linearly"] = 1.0

    low: Array = field(init=False, repr=False, compare=False)
    high: Array = field(init=False, repr=False, compare=False)

    def build(
        self,
        outputs: int,
        *,
        dtype: DTypeLike = "float32",
        class_counts: Array | None = None,
        class_names: tuple[str, ...] = (),
    ) -> None:
        super().build(outputs, dtype=dtype)
        delta = min(self.delta, float(np.finfo(dtype).max))
        self.low, self.high = np.array(-delta, dtype), np.array(delta, dtype)
        self.half = np.array(0.5, dtype)

    def prepare(self, n: int) -> None:
        super().prepare(n)
        self.slope = self.scratch("slope", self.residual.shape)
        self.height = self.scratch("height", self.residual.shape)

    def split(self) -> None:
        np.maximum(self.residual, self.low, out=self.slope)
        np.minimum(self.slope, self.high, out=self.slope)
        np.multiply(self.slope, self.half, self.height)
        np.subtract(self.residual, self.height, self.height)
