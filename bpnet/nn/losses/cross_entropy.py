"""Cross-entropy over classes, from logits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.arena import Array
from bpnet.nn.losses import class_weights
from bpnet.nn.losses.base import Loss, check_shapes, sum_of_products
from bpnet.options import Fraction, NonNegative

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass
class CrossEntropy(Loss):
    """Compare the softmax of the logits with the right class, or with a distribution over classes.

    L = -1/S sum_i s_i sum_k c_k q_ik log p_ik, with p = softmax(z) and c_k the weight of class k.
    For integer labels y, q_ik = 1 where k = y_i, and S = sum_i s_i c_{y_i}. For soft labels q is
    the target itself, and S = sum_i s_i sum_k c_k q_ik where classes are weighted, else
    sum_i s_i; so one-hot rows give what their integers give. Smoothing by e replaces q by
    (1 - e) q + e/K, but not in S. All this is PyTorch's, except that PyTorch divides by N where
    classes are weighted and labels are soft.

    Gradient: dz_ik = s_i/S (p_ik sum_j c_j q_ij - c_k q_ik).
    """

    target = "class"

    label_smoothing: Annotated[
        Fraction, "part of the target that is spread evenly over all classes"
    ] = 0
    class_weight: Annotated[
        Literal["balanced"] | list[NonNegative] | dict[str, NonNegative] | None,
        "how much each class counts: a list, {NAME: weight} (others: 1), "
        "or balanced: in inverse proportion to its training rows",
    ] = None

    weights: Array | None = field(init=False, repr=False, compare=False, default=None)
    """c, ``(K,)``; None if all are 1."""

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
            weights = self._class_weights(outputs, class_counts, class_names)
        except OptionError as error:
            raise error.within("class_weight") from None
        self.weights = None if weights is None else weights.astype(dtype)
        # The smoothed one-hot row of class y: `floor` everywhere, `peaks[y]` in column y.
        counted = np.ones(outputs) if weights is None else weights
        self.floor = (self.label_smoothing / outputs * counted).astype(dtype)
        self.peaks = ((1 - self.label_smoothing) * counted).astype(dtype) + self.floor
        self.keep = np.array(1 - self.label_smoothing, dtype)
        self.spread = np.array(self.label_smoothing / outputs, dtype)
        self.ones = np.ones(outputs, dtype)
        self.offsets = np.empty(0, np.intp)

    def _class_weights(
        self, outputs: int, counts: Array | None, names: tuple[str, ...]
    ) -> Array | None:
        option = self.class_weight
        if option is None:
            return None
        if option == "balanced":
            return class_weights.balanced(counts, names)
        if isinstance(option, dict):
            weights = class_weights.named(option, names)
        else:
            weights = class_weights.listed(option, names, outputs)
        if not weights.any():
            raise OptionError("at least one class must weigh more than 0")
        return weights

    def prepare(self, n: int) -> None:
        self.rows = n
        k = self.outputs
        if len(self.offsets) < n:
            self.offsets = np.arange(n) * k
        self.starts = self.offsets[:n]
        self.highest = self.scratch("highest", (n,), np.intp)
        self.flat = self.scratch("flat", (n,), np.intp)
        self.shifted = self.scratch("shifted", (n, k))
        self.p = self.scratch("p", (n, k))
        self.q = self.scratch("q", (n, k))
        self.dz = self.scratch("dz", (n, k))
        self.peak = self.scratch("peak", (n,))
        self.sums = self.scratch("sums", (n,))
        self.logs = self.scratch("logs", (n,))
        self.mass = self.scratch("mass", (n,))
        self.picked = self.scratch("picked", (n,))
        self.row = self.scratch("row", (n,))

    def total(self, target: Array, weight: Array | None = None) -> float:
        rows = self._row_weights(target, weight, "total")
        return float(len(target)) if rows is None else float(np.add.reduce(rows))

    def _row_weights(self, target: Array, weight: Array | None, buffer: str) -> Array | None:
        """Return s_i times the weight of row i's class or classes ``(N,)``; None if all are 1."""
        if self.weights is None:
            return weight
        rows = self.scratch(buffer, (len(target),))
        if target.ndim == 1:
            self.weights.take(target, None, rows, "clip")
        else:
            product = np.multiply(target, self.weights, self.scratch("weighted", target.shape))
            np.add.reduce(product, 1, out=rows)
        return rows if weight is None else np.multiply(rows, weight, rows)

    def forward(
        self, z: Array, target: Array, weight: Array | None = None, total: float | None = None
    ) -> float:
        if len(z) != self.rows:
            self.prepare(len(z))
        # The highest logit of each row: argmax and take are faster than a maximum over rows.
        z.argmax(1, self.highest)
        np.add(self.highest, self.starts, self.highest)
        z.reshape(-1).take(self.highest, None, self.peak, "clip")
        np.subtract(z, self.peak[:, None], self.shifted)
        np.exp(self.shifted, self.p)
        np.dot(self.p, self.ones, self.sums)
        np.log(self.sums, self.logs)  # log p = shifted - logs, finite for any finite z
        self.hard = target.ndim == 1 and not self.label_smoothing
        rows = (
            self._row_weights(target, weight, "row weights") if total is None or self.hard else None
        )
        if total is None:
            total = float(self.rows) if rows is None else float(np.add.reduce(rows))
        mean = 1 / total if total else 0.0
        self.scale.fill(mean)
        if self.hard:
            return mean * self._hard(target, rows)
        return mean * self._soft(target, weight)

    def _hard(self, target: Array, rows: Array | None) -> float:
        """Return the sum of -log p of the rows' classes, each times its row's weight."""
        self.row_weights = rows
        np.add(target, self.starts, self.flat)
        self.shifted.reshape(-1).take(self.flat, None, self.picked, "clip")
        np.subtract(self.logs, self.picked, self.row)
        if rows is None:
            return float(np.add.reduce(self.row))
        return sum_of_products(self.row, rows)

    def _soft(self, target: Array, weight: Array | None) -> float:
        """Return -sum_ik q_ik log p_ik, with all weights and the smoothing inside q."""
        q = self.q
        if target.ndim == 1:
            np.copyto(q, self.floor)
            np.add(target, self.starts, self.flat)
            self.peaks.take(target, None, self.picked, "clip")
            q.reshape(-1).put(self.flat, self.picked, "clip")
        else:
            check_shapes(q, target)
            np.multiply(target, self.keep, q)
            np.add(q, self.spread, q)
            if self.weights is not None:
                np.multiply(q, self.weights, q)
        if weight is not None:
            np.multiply(q, weight[:, None], q)
        np.dot(q, self.ones, self.mass)
        far = sum_of_products(q.reshape(-1), self.shifted.reshape(-1))
        return sum_of_products(self.mass, self.logs) - far

    def backward(self) -> Array:
        if not self.hard:
            np.divide(self.mass, self.sums, self.row)
            np.multiply(self.p, self.row[:, None], self.dz)
            np.subtract(self.dz, self.q, self.dz)
            return np.multiply(self.dz, self.scale, self.dz)
        share: Array = self.scale
        if self.row_weights is not None:
            share = np.multiply(self.row_weights, self.scale, self.row)
        np.divide(share, self.sums, self.picked)
        np.multiply(self.p, self.picked[:, None], self.dz)
        dz = self.dz.reshape(-1)
        dz.take(self.flat, None, self.picked, "clip")
        np.subtract(self.picked, share, self.picked)
        dz.put(self.flat, self.picked, "clip")
        return self.dz

    def predict(self, z: Array) -> Array:
        p: Array = z - z.max(axis=1, keepdims=True)
        np.exp(p, p)
        p /= p.sum(axis=1, keepdims=True)
        return p
