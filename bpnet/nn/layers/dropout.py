"""Dropout: noise that keeps units from relying on each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from bpnet.nn.arena import Array, Scope, Shape
from bpnet.nn.layers.base import Layer, Pass
from bpnet.options import Fraction


@dataclass
class Dropout(Layer):
    """Set a random part of the inputs to 0 while training, and scale the rest up for it.

    y = f x and dx = f dy, with f = 0 at probability `rate`, else 1 / (1 - rate), drawn anew for
    every number and step; outside training y = x. Srivastava et al. (2014); scaled while
    training ("inverted"), so that prediction is left alone.
    """

    rate: Annotated[Fraction, "fraction of the inputs that are set to 0"] = 0.5

    random = True
    fresh_output = False

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.scratch = scope.scratch()
        self.shape = in_shape
        self.threshold = np.array(self.rate, scope.dtype)
        self.scale = np.array(1 / (1 - self.rate), scope.dtype)
        return in_shape

    def prepare(self, n: int) -> None:
        self.rows = n
        shape = (n, *self.shape)
        self.y = self.scratch("y", shape)
        self.dx = self.scratch("dx", shape)
        self.factor = self.scratch("factor", shape)
        self.kept = self.scratch("kept", shape, np.bool_)

    def forward(self, x: Array, step: Pass) -> Array:
        self.drops = step.train and self.rate > 0
        if not self.drops:
            return x
        if step.rng is None:
            raise ValueError("dropout draws while training, so the pass needs a random stream")
        if len(x) != self.rows:
            self.prepare(len(x))
        step.rng.random(None, self.factor.dtype, self.factor)
        return self.apply(x)

    def apply(self, x: Array) -> Array:
        """Turn what was drawn into factors, and return their product with `x`."""
        factor = self.factor
        np.greater_equal(factor, self.threshold, self.kept)
        np.copyto(factor, self.kept)
        np.multiply(factor, self.scale, factor)
        return np.multiply(x, factor, self.y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not need_dx:
            return None
        return np.multiply(dy, self.factor, self.dx) if self.drops else dy

    def gain(self) -> float | None:
        return None
