"""Adam and its family."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from bpnet.errors import RunError
from bpnet.nn.arena import Arena, Array
from bpnet.optim.blocks import constant
from bpnet.optim.optimizers.adaptive import Adaptive
from bpnet.optim.optimizers.base import Buffers, LearningRate, WeightDecay
from bpnet.options import Fraction, NonNegative


@dataclass
class Adam(Adaptive):
    """Divide a running mean of the gradient by its running root mean square, both bias-corrected.

    m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
    theta -= lr m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + epsilon)
    (Kingma and Ba, 2015, arXiv:1412.6980, algorithm 1). What is kept, and saved, is
    m / (1 - beta1) and v / (1 - beta2).
    """

    learning_rate: LearningRate = 0.001
    beta1: Annotated[Fraction, "part of the mean of the gradient that is kept"] = 0.9
    beta2: Annotated[Fraction, "part of the mean of its square that is kept"] = 0.999

    def kept(self) -> tuple[str, ...]:
        return ("m", "v")

    def bind(self, arena: Arena) -> None:
        super().bind(arena)
        self.keep_m = constant(self.beta1, arena.dtype)
        self.keep_v = constant(self.beta2, arena.dtype)

    def prepare(self, lr: float) -> None:
        # Kept is V = v / (1 - beta2), and so
        # sqrt(v / (1 - beta2^n)) + epsilon = root (sqrt(V) + epsilon / root).
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**self.count))
        self.floor.fill(self.epsilon / root)
        self.rate.fill(lr * self.gain() / root)

    def gain(self) -> float:
        """Return the factor of the numerator that `update` leaves out."""
        return (1 - self.beta1) / (1 - self.beta1**self.count)

    def average(self, m: Array, v: Array, g: Array, t: Array) -> None:
        """Update the moments."""
        np.multiply(m, self.keep_m, m)
        np.add(m, g, m)
        self.square(v, self.keep_v, g, t)

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        m, v, t = buffers
        self.average(m, v, g, t)
        np.sqrt(v, t)
        self.quotient(m, t)
        self.descend(theta, t, t)


@dataclass
class AmsGrad(Adam):
    """Be Adam, but divide by the largest mean square so far, so that rates never grow again.

    Reddi, Kale and Kumar (2018, arXiv:1904.09237), with Adam's bias correction.
    """

    def kept(self) -> tuple[str, ...]:
        return (*super().kept(), "largest_v")

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        m, v, largest, t = buffers
        self.average(m, v, g, t)
        np.maximum(largest, v, out=largest)
        np.sqrt(largest, t)
        self.quotient(m, t)
        self.descend(theta, t, t)


@dataclass
class NAdam(Adam):
    """Be Adam with Nesterov's look ahead.

    With mu_n = beta1 (1 - 0.96^(n momentum_decay) / 2) and c_n = mu_1 ... mu_n, the numerator is
    mu_(n+1) / (1 - c_(n+1)) m + (1 - mu_n) / (1 - c_n) g (Dozat, 2016). PyTorch computes c_n in
    float32 unless its default type is float64; here it is float64 always.
    """

    learning_rate: LearningRate = 0.002
    momentum_decay: Annotated[NonNegative, "how fast the momentum rises from beta1/2 to beta1"] = (
        0.004
    )

    temporaries = 2

    product: float = field(default=1.0, init=False, repr=False, compare=False)
    """c_n."""

    def bind(self, arena: Arena) -> None:
        super().bind(arena)
        self.product = 1.0
        self.ratio = constant(0, arena.dtype)

    def gain(self) -> float:
        now, following = self._momentum(self.count), self._momentum(self.count + 1)
        self.product *= now
        of_g = (1 - now) / (1 - self.product)
        of_m = following / (1 - self.product * following)
        self.ratio.fill(of_m * (1 - self.beta1) / of_g)
        return of_g

    def _momentum(self, n: int) -> float:
        return self.beta1 * (1 - 0.5 * math.pow(0.96, n * self.momentum_decay))

    def update(self, theta: Array, g: Array, buffers: Buffers) -> None:
        m, v, t, top = buffers
        self.average(m, v, g, t)
        np.sqrt(v, t)
        np.multiply(m, self.ratio, top)
        np.add(top, g, top)
        self.quotient(top, t)
        self.descend(theta, t, t)

    def state(self) -> dict[str, Array]:
        return {**super().state(), "momentum_product": np.array([self.product])}

    def restore(self, state: dict[str, Array]) -> None:
        super().restore(state)
        product = float(state["momentum_product"][0])
        if not 0 <= product <= 1:
            raise RunError(f"the optimizer's 'momentum_product' can't be {product:g}")
        self.product = product


@dataclass
class AdamW(Adam):
    """Be Adam, with weight decay apart from the gradient: theta -= lr weight_decay theta.

    Loshchilov and Hutter (2019, arXiv:1711.05101, algorithm 2), without their schedule factor.
    """

    weight_decay: WeightDecay = 0.01
    decoupled_weight_decay: bool = field(default=True, init=False)
