"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from bpnet.nn.arena import Arena, Array
from bpnet.optim.blocks import constant
from bpnet.optim.optimizers.base import Buffers, LearningRate, Optimizer
from bpnet.options import Fraction


@dataclass
class Sgd(Optimizer):
    """Step against the gradient: theta -= lr g."""

    learning_rate: LearningRate = 0.01

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        self.descend(theta, g, *buffers)


@dataclass
class Rolling(Optimizer):
    """Keep a velocity v = momentum v + g."""

    learning_rate: LearningRate = 0.01
    momentum: Annotated[Fraction, "part of the velocity that is kept"] = 0.9

    def kept(self) -> tuple[str, ...]:
        return ("velocity",)

    def bind(self, arena: Arena) -> None:
        super().bind(arena)
        self.inertia = constant(self.momentum, arena.dtype)

    def roll(self, v: Array, g: Array) -> None:
        """Update the velocity."""
        np.multiply(v, self.inertia, v)
        np.add(v, g, v)


@dataclass
class Momentum(Rolling):
    """Roll like a heavy ball: v = momentum v + (1 - dampening) g, theta -= lr v; first, v = g.

    Polyak (1964), in PyTorch's form: the learning rate stands outside the velocity.
    """

    dampening: Annotated[Fraction, "part of the gradient that is left out, but for step 1"] = 0

    def prepare(self, lr: float) -> None:
        self.rate.fill(lr * (1 - self.dampening))

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        v, t = buffers  # v is kept without the factor 1 - dampening
        if self.count == 1:
            np.divide(g, 1 - self.dampening, v)
        else:
            self.roll(v, g)
        self.descend(theta, v, t)


@dataclass
class Nesterov(Rolling):
    """Use the gradient where momentum leads: v = momentum v + g, theta -= lr (g + momentum v).

    Nesterov (1983), in the form of PyTorch (Sutskever et al., 2013).
    """

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        v, t = buffers
        self.roll(v, g)
        np.multiply(v, self.inertia, t)
        np.add(t, g, t)
        self.descend(theta, t, t)
