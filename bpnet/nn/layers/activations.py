"""Activations: functions of each number alone, and softmax, a function of each row.

NumPy's `maximum` and `minimum` with a number take 2 to 6 times as long as its arithmetic, masked
copies more yet (see benchmarks/layers.py), so choices are written as arithmetic: min(x, 0) is
(x - |x|) / 2, which is exact, or a product with a factor of 0 and 1. All of them pass NaN on, so
that a diverging network shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from bpnet.nn.arena import Array, Scope, Shape
from bpnet.nn.layers.base import Layer, Pass, number
from bpnet.options import Fraction, Positive


def second_moment_gain(f: Callable[[float], float]) -> float:
    """Return 1 / √E[f(z)²] for a standard normal z: with this gain `f` keeps the second moment.

    For relu and leaky_relu this is He's √2 and √(2 / (1 + slope²)), which PyTorch's
    ``calculate_gain`` uses too. The integral is a sum over -8, -7.9, ..., 8.
    """
    points = [i / 10 for i in range(-80, 81)]
    total = sum(f(z) * f(z) * math.exp(-z * z / 2) for z in points)
    return 1 / math.sqrt(total / 10 / math.sqrt(2 * math.pi))


@dataclass
class Activation(Layer):
    """A function with an output of its input's shape."""

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.scratch = scope.scratch()
        self.shape = in_shape
        self.zero, self.half, self.one = (number(value, scope) for value in (0.0, 0.5, 1.0))
        return in_shape

    def prepare(self, n: int) -> None:
        self.rows = n
        self.dx = self.scratch("dx", (n, *self.shape))
        if not self.inplace:
            self.y = self.scratch("y", (n, *self.shape))

    def output_for(self, x: Array) -> Array:
        """Return where the output for `x` goes, and keep it as `self.y`."""
        if len(x) != self.rows:
            self.prepare(len(x))
        if self.inplace:
            self.y = x
        return self.y


@dataclass
class Relu(Activation):
    """y = max(x, 0).

    Computed as y = f x with f = 1 where x > 0, else 0; dx = f dy.
    """

    reads_output = False
    can_overwrite = True

    def prepare(self, n: int) -> None:
        super().prepare(n)
        self.positive = self.scratch("positive", (n, *self.shape), np.bool_)
        self.factor = self.scratch("factor", (n, *self.shape))

    def fill_factor(self, x: Array) -> None:
        """Set `factor` to the slope at `x`."""
        np.greater(x, self.zero, self.positive)
        np.copyto(self.factor, self.positive)

    def forward(self, x: Array, step: Pass) -> Array:
        y = self.output_for(x)
        self.fill_factor(x)
        return np.multiply(x, self.factor, y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        return np.multiply(dy, self.factor, self.dx) if need_dx else None

    def gain(self) -> float | None:
        return math.sqrt(2.0)


@dataclass
class LeakyRelu(Relu):
    """y = x where x > 0, else slope x.

    dx = f dy with f = 1 where x > 0, else slope. Maas et al., "Rectifier nonlinearities improve
    neural network acoustic models" (2013).
    """

    slope: Annotated[Fraction, "slope below 0"] = 0.01

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.low = np.array(self.slope, scope.dtype)
        self.rise = np.subtract(1, self.low, dtype=scope.dtype)  # low + rise is 1 exactly
        return super().build(scope, in_shape)

    def fill_factor(self, x: Array) -> None:
        super().fill_factor(x)
        np.multiply(self.factor, self.rise, self.factor)
        np.add(self.factor, self.low, self.factor)

    def gain(self) -> float | None:
        return math.sqrt(2.0 / (1.0 + self.slope**2))


@dataclass
class Elu(Activation):
    """y = x where x > 0, else alpha (exp(x) - 1).

    dx = dy where x > 0, else alpha exp(x) dy. Clevert et al. (2016), arXiv:1511.07289.
    """

    alpha: Annotated[Positive, "what it approaches far below 0, with its sign turned"] = 1.0

    can_overwrite = True

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.low = number(self.alpha, scope, "alpha")
        self.rise = number(1 - self.alpha, scope, "alpha")
        return super().build(scope, in_shape)

    def prepare(self, n: int) -> None:
        super().prepare(n)
        self.negative = self.scratch("negative", (n, *self.shape))
        self.work = self.scratch("work", (n, *self.shape))
        self.positive = self.scratch("positive", (n, *self.shape), np.bool_)

    def forward(self, x: Array, step: Pass) -> Array:
        y = self.output_for(x)
        negative = self.negative
        np.abs(x, negative)
        np.subtract(x, negative, negative)
        np.multiply(negative, self.half, negative)
        np.subtract(x, negative, y)
        np.expm1(negative, negative)
        np.multiply(negative, self.low, negative)
        return np.add(y, negative, y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        dx = np.add(self.negative, self.low, self.dx)
        if self.alpha != 1.0:
            np.greater(self.y, self.zero, self.positive)
            np.copyto(self.work, self.positive)
            np.multiply(self.work, self.rise, self.work)
            np.add(dx, self.work, dx)
        return np.multiply(dx, dy, dx)

    def gain(self) -> float | None:
        return second_moment_gain(lambda z: z if z > 0 else self.alpha * math.expm1(z))


def logistic(x: Array, half_scale: Array, half: Array, out: Array) -> Array:
    """Write 1 / (1 + exp(-scale x)) to `out`, as (1 + tanh(scale x / 2)) / 2: no overflow."""
    np.multiply(x, half_scale, out)
    np.tanh(out, out)
    np.multiply(out, half, out)
    return np.add(out, half, out)


@dataclass
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x)).

    dx = y (1 - y) dy.
    """

    can_overwrite = True

    def forward(self, x: Array, step: Pass) -> Array:
        return logistic(x, self.half, self.half, self.output_for(x))

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        dx = np.multiply(self.y, self.y, self.dx)
        np.subtract(self.y, dx, dx)
        return np.multiply(dx, dy, dx)


@dataclass
class Tanh(Activation):
    """y = tanh(x).

    dx = (1 - y²) dy.
    """

    can_overwrite = True

    def forward(self, x: Array, step: Pass) -> Array:
        return np.tanh(x, self.output_for(x))

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        dx = np.multiply(self.y, self.y, self.dx)
        np.subtract(self.one, dx, dx)
        return np.multiply(dx, dy, dx)

    def gain(self) -> float | None:
        return 5.0 / 3.0


@dataclass
class Softplus(Activation):
    """y = log(1 + exp(beta x)) / beta.

    Computed as max(x, 0) + log(1 + exp(-beta |x|)) / beta, which can't overflow;
    dx = dy / (1 + exp(-beta x)) = (1 - exp(-beta y)) dy. Dugas et al. (2001).
    """

    beta: Annotated[Positive, "sharpness of the bend at 0"] = 1.0

    can_overwrite = True

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.minus_beta = number(-self.beta, scope, "beta")
        self.over_beta = number(1 / self.beta, scope, "beta")
        return super().build(scope, in_shape)

    def prepare(self, n: int) -> None:
        super().prepare(n)
        self.size = self.scratch("size", (n, *self.shape))

    def forward(self, x: Array, step: Pass) -> Array:
        y, size = self.output_for(x), self.size
        np.abs(x, size)
        np.add(x, size, y)
        np.multiply(y, self.half, y)
        np.multiply(size, self.minus_beta, size)
        np.exp(size, size)
        np.log1p(size, size)
        np.multiply(size, self.over_beta, size)
        return np.add(y, size, y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        dx = np.multiply(self.y, self.minus_beta, self.dx)
        np.expm1(dx, dx)
        np.negative(dx, dx)
        return np.multiply(dx, dy, dx)

    def gain(self) -> float | None:
        return second_moment_gain(
            lambda z: max(z, 0) + math.log1p(math.exp(-self.beta * abs(z))) / self.beta
        )


@dataclass
class Softmax(Activation):
    """y = exp(x) / sum of exp(x), over the last axis.

    dx = y (dy - sum of y dy). For the inside of a network: the loss cross_entropy has a softmax of
    its own and takes what would enter it.
    """

    can_overwrite = True

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.ones = np.ones(in_shape[-1], scope.dtype)
        return super().build(scope, in_shape)

    def prepare(self, n: int) -> None:
        super().prepare(n)
        self.column = self.scratch("column", (n, *self.shape[:-1], 1))
        self.per_row = self.column[..., 0]

    def forward(self, x: Array, step: Pass) -> Array:
        y = self.output_for(x)
        np.maximum.reduce(x, -1, None, self.column, keepdims=True)
        np.subtract(x, self.column, y)
        np.exp(y, y)
        np.vecdot(y, self.ones, self.per_row)
        return np.divide(y, self.column, y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        np.vecdot(dy, self.y, self.per_row)
        dx = np.subtract(dy, self.column, self.dx)
        return np.multiply(dx, self.y, dx)


@dataclass
class Identity(Layer):
    """y = x: a place holder, for instance in a search over activations."""

    fresh_output = False

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        return in_shape

    def forward(self, x: Array, step: Pass) -> Array:
        return x

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        return dy if need_dx else None

    def gain(self) -> float | None:
        return None
