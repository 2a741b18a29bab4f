"""Optimizers that give each parameter a rate of its own: what they share, Adagrad and RMSprop.

Averages are kept unnormalized: PyTorch's a = beta a + (1 - beta) g is A = beta A + g with
a = (1 - beta) A. That is one pass over the vector less, and the factor joins the learning rate
and the bias correction in numbers that are computed once per step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.arena import Arena, Array
from bpnet.optim.blocks import constant
from bpnet.optim.optimizers.base import Buffers, LearningRate, Optimizer
from bpnet.options import Fraction, NonNegative, Positive, Range

Epsilon = Annotated[Positive, "added to the divisor, against division by 0"]


@dataclass
class Adaptive(Optimizer):
    """Give each parameter a rate of its own, from the squares of its gradients."""

    epsilon: Epsilon = 1e-8

    def bind(self, arena: Arena) -> None:
        super().bind(arena)
        self.floor = constant(self.epsilon, arena.dtype)
        if not self.floor:  # 0/0 where a gradient is 0
            raise OptionError(
                f"{self.epsilon:g} is 0 in {arena.dtype}; give a larger number", "epsilon"
            )

    def square(self, s: Array, keep: Array, g: Array, t: Array) -> None:
        """Update a running sum: s = keep s + g^2."""
        np.multiply(g, g, t)
        np.multiply(s, keep, s)
        np.add(s, t, s)

    def quotient(self, top: Array, t: Array) -> None:
        """Put top / (t + floor) into t."""
        np.add(t, self.floor, t)
        np.divide(top, t, t)


@dataclass
class Adagrad(Adaptive):
    """Let each parameter's rate shrink as its squared gradients add up.

    s += g^2, theta -= lr / (1 + (n - 1) learning_rate_decay) g / (sqrt(s) + epsilon)
    (Duchi, Hazan and Singer, 2011).
    """

    learning_rate: LearningRate = 0.01
    epsilon: Epsilon = 1e-10
    learning_rate_decay: Annotated[NonNegative, "shrinks the learning rate with every step"] = 0
    initial_accumulator_value: Annotated[
        float, Range(ge=0, le=1e30), "where the sum of squares starts"
    ] = 0

    def kept(self) -> tuple[str, ...]:
        return ("sum_of_squares",)

    def bind(self, arena: Arena) -> None:
        super().bind(arena)
        self.vectors["sum_of_squares"].fill(self.initial_accumulator_value)

    def prepare(self, lr: float) -> None:
        self.rate.fill(lr / (1 + (self.count - 1) * self.learning_rate_decay))

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        s, t = buffers
        np.multiply(g, g, t)
        np.add(s, t, s)
        np.sqrt(s, t)
        self.quotient(g, t)
        self.descend(theta, t, t)


@dataclass
class RmsProp(Adaptive):
    """Divide the gradient by a running root mean square of its past.

    s = alpha s + (1 - alpha) g^2, theta -= lr g / (sqrt(s) + epsilon) (Hinton, 2012). Centered,
    the variance s - m^2 takes the place of s, with m = alpha m + (1 - alpha) g (Graves, 2013,
    arXiv:1308.0850, eq. 38-41). With momentum, the quotient feeds a velocity that theta follows.
    """

    learning_rate: LearningRate = 0.01
    alpha: Annotated[Fraction, "part of the running averages that is kept"] = 0.99
    momentum: Annotated[Fraction, "part of the velocity that is kept; 0: no velocity"] = 0
    centered: Annotated[bool, "divide by the standard deviation of the gradient"] = False

    def kept(self) -> tuple[str, ...]:
        return (
            "square_average",
            *(["gradient_average"] if self.centered else []),
            *(["velocity"] if self.momentum else []),
        )

    def bind(self, arena: Arena) -> None:
        super().bind(arena)
        # Kept are S and M with s = (1 - alpha) S, m = (1 - alpha) M, and so
        # sqrt(s - m^2) + epsilon = root (sqrt(S - (1 - alpha) M^2) + epsilon / root).
        self.root = math.sqrt(1 - self.alpha)
        self.floor.fill(self.epsilon / self.root)
        self.keep = constant(self.alpha, arena.dtype)
        self.rest = constant(1 - self.alpha, arena.dtype)
        self.inertia = constant(self.momentum, arena.dtype)
        self.zero = constant(0, arena.dtype)

    def prepare(self, lr: float) -> None:
        self.rate.fill(lr / self.root)

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        s, *others, t = buffers
        self.square(s, self.keep, g, t)
        if self.centered:
            m = others[0]
            np.multiply(m, self.keep, m)
            np.add(m, g, m)
            np.multiply(m, m, t)
            np.multiply(t, self.rest, t)
            np.subtract(s, t, t)
            np.maximum(t, self.zero, out=t)  # rounding can take a variance of 0 below 0
            np.sqrt(t, t)
        else:
            np.sqrt(s, t)
        self.quotient(g, t)
        if self.momentum:
            velocity = others[-1]
            np.multiply(velocity, self.inertia, velocity)
            np.add(velocity, t, velocity)
            self.descend(theta, velocity, t)
        else:
            self.descend(theta, t, t)
