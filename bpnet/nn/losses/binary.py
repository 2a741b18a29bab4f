"""Binary cross-entropy, from logits: one yes or no, or several at once (multi-label)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.arena import Array
from bpnet.nn.losses import class_weights
from bpnet.nn.losses.base import Loss, check_shapes, sum_of_products
from bpnet.options import Fraction, Positive

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass
class BinaryCrossEntropy(Loss):
    """Compare the sigmoid of each logit with yes (1) or no (0), or with a probability of yes.

    L = 1/(S K) sum_ik s_i (a_k t_ik log(1 + e^-z_ik) + b_k (1 - t_ik) log(1 + e^z_ik)), with
    S = sum_i s_i, where a weighs yes and b weighs no. A number or list as `class_weight` is a
    (PyTorch's ``pos_weight``), with b = 1; ``balanced`` is scikit-learn's rule N / (2 rows) for yes
    and no of each output. Smoothing by e moves the target t to (1 - e) t + e/2.

    Gradient: dz = s_i/(S K) (b (1 - t) sigmoid(z) - a t sigmoid(-z)).
    """

    target = "binary"

    label_smoothing: Annotated[Fraction, "how far targets move from 0 and 1 towards 1/2"] = 0
    class_weight: Annotated[
        Literal["balanced"] | Positive | list[Positive] | dict[str, Positive] | None,
        "how much yes counts against no: a number, a list with one number per output, "
        "{NAME: weight} (one output: names of no and yes; several: names of outputs), "
        "or balanced: in inverse proportion to the training rows",
    ] = None

    def build(
        self,
        outputs: int,
        *,
        dtype: DTypeLike = "float32",
        class_counts: Array | None = None,
        class_names: tuple[str, ...] = (),
    ) -> None:
        super().build(outputs, dtype=dtype)
        try:
            no, yes = self._class_weights(outputs, class_counts, class_names)
        except OptionError as error:
            raise error.within("class_weight") from None
        self.yes_weight = None if (yes == 1).all() else yes.astype(dtype)
        self.no_weight = None if (no == 1).all() else no.astype(dtype)
        self.zero, self.one = np.array(0, dtype), np.array(1, dtype)
        self.keep = np.array(1 - self.label_smoothing, dtype)
        self.spread = np.array(self.label_smoothing / 2, dtype)

    def _class_weights(
        self, outputs: int, counts: Array | None, names: tuple[str, ...]
    ) -> tuple[Array, Array]:
        """Return the weights of no and of yes, each ``(K,)``."""
        option = self.class_weight
        ones = np.ones(outputs)
        if option is None:
            return ones, ones
        if option == "balanced":
            sides = None if counts is None else np.reshape(counts, (2, outputs))
            no, yes = class_weights.balanced(sides, names)
            return no, yes
        if isinstance(option, dict):
            weights = class_weights.named(option, names)
            return (weights[:1], weights[1:]) if outputs == 1 else (ones, weights)
        if isinstance(option, list):
            return ones, class_weights.listed(option, names, outputs)
        return ones, ones * option

    def prepare(self, n: int) -> None:
        self.rows = n
        shape = (n, self.outputs)
        self.up = self.scratch("up", shape)  # log(1 + e^z)
        self.down = self.scratch("down", shape)  # log(1 + e^-z)
        self.yes = self.scratch("yes", shape)  # s a t
        self.no = self.scratch("no", shape)  # s b (1 - t)
        self.work = self.scratch("work", shape)
        self.dz = self.scratch("dz", shape)

    def forward(
        self, z: Array, target: Array, weight: Array | None = None, total: float | None = None
    ) -> float:
        check_shapes(z, target)
        if len(z) != self.rows:
            self.prepare(len(z))
        self._targets(target, weight)
        up, down, work = self.up, self.down, self.work
        # log(1 + e^z) = max(z, 0) + log(1 + e^-|z|): nothing overflows, nothing cancels.
        np.abs(z, work)
        np.negative(work, work)
        np.exp(work, work)
        np.log1p(work, work)
        np.maximum(z, self.zero, out=up)
        np.subtract(up, z, down)
        np.add(up, work, up)
        np.add(down, work, down)
        divisor = (self.total(target, weight) if total is None else total) * self.outputs
        mean = 1 / divisor if divisor else 0.0
        self.scale.fill(mean)
        return mean * (
            sum_of_products(self.yes.reshape(-1), down.reshape(-1))
            + sum_of_products(self.no.reshape(-1), up.reshape(-1))
        )

    def _targets(self, target: Array, weight: Array | None) -> None:
        """Fill `yes` and `no`."""
        yes, no = self.yes, self.no
        np.multiply(target, self.keep, yes)
        if self.label_smoothing:
            np.add(yes, self.spread, yes)
        np.subtract(self.one, yes, no)
        if self.yes_weight is not None:
            np.multiply(yes, self.yes_weight, yes)
        if self.no_weight is not None:
            np.multiply(no, self.no_weight, no)
        if weight is not None:
            np.multiply(yes, weight[:, None], yes)
            np.multiply(no, weight[:, None], no)

    def backward(self) -> Array:
        work, dz = self.work, self.dz
        np.negative(self.down, work)
        np.exp(work, work)  # sigmoid(z)
        np.multiply(self.no, work, dz)
        np.negative(self.up, work)
        np.exp(work, work)  # sigmoid(-z)
        np.multiply(self.yes, work, work)
        np.subtract(dz, work, dz)
        return np.multiply(dz, self.scale, dz)

    def predict(self, z: Array) -> Array:
        small = np.exp(-np.abs(z))
        top: Array = np.maximum(small, z >= 0)
        top /= 1 + small
        return top
