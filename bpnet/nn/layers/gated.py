"""Activations that weigh each number by a curve from 0 to 1 of the number itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from bpnet.nn.arena import Array, Scope, Shape
from bpnet.nn.layers.activations import Activation, logistic, second_moment_gain
from bpnet.nn.layers.base import Pass, number
from bpnet.nn.normal_curve import NormalCurve, TanhCurve
from bpnet.options import Positive


@dataclass
class Gelu(Activation):
    """y = x Φ(x), with Φ the distribution function of the standard normal distribution.

    dx = (Φ(x) + x φ(x)) dy, with φ = Φ'. Hendrycks & Gimpel, "Gaussian error linear units" (2016),
    arXiv:1606.08415.
    """

    reads_output = False

    approximate: Annotated[
        Literal["none", "tanh"], "none: the exact function; tanh: its approximation, as in GPT-2"
    ] = "none"

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.curve = (NormalCurve if self.approximate == "none" else TanhCurve)(scope.dtype)
        return super().build(scope, in_shape)

    def prepare(self, n: int) -> None:
        super().prepare(n)
        self.cdf = self.scratch("cdf", (n, *self.shape))
        self.pdf = self.scratch("pdf", (n, *self.shape))
        self.positive = self.scratch("positive", (n, *self.shape), np.bool_)

    def forward(self, x: Array, step: Pass) -> Array:
        y = self.output_for(x)
        self.x = x
        self.curve(x, self.cdf, self.pdf, y, self.positive)
        return np.multiply(x, self.cdf, y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        dx = np.multiply(self.x, self.pdf, self.dx)
        np.add(dx, self.cdf, dx)
        return np.multiply(dx, dy, dx)

    def gain(self) -> float | None:
        return second_moment_gain(lambda z: z * math.erfc(-z / math.sqrt(2)) / 2)


@dataclass
class Swish(Activation):
    """y = x / (1 + exp(-beta x)); with beta = 1 it is SiLU.

    dx = (s + beta y (1 - s)) dy, with s = y / x. Ramachandran et al. (2017), arXiv:1710.05941.
    """

    beta: Annotated[Positive, "steepness of the sigmoid inside"] = 1.0

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.steepness = number(self.beta, scope, "beta")
        self.half_steepness = number(self.beta / 2, scope, "beta")
        return super().build(scope, in_shape)

    def prepare(self, n: int) -> None:
        super().prepare(n)
        self.s = self.scratch("s", (n, *self.shape))

    def forward(self, x: Array, step: Pass) -> Array:
        y = self.output_for(x)
        logistic(x, self.half_steepness, self.half, self.s)
        return np.multiply(x, self.s, y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        dx = np.subtract(self.one, self.s, self.dx)
        np.multiply(dx, self.y, dx)
        np.multiply(dx, self.steepness, dx)
        np.add(dx, self.s, dx)
        return np.multiply(dx, dy, dx)

    def gain(self) -> float | None:
        return second_moment_gain(lambda z: z * (1 + math.tanh(self.beta * z / 2)) / 2)
