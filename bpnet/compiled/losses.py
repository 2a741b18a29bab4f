"""Losses with compiled loops."""

from __future__ import annotations

from bpnet.compiled import loss_loops as loops
from bpnet.nn.arena import Array
from bpnet.nn.losses import Loss
from bpnet.nn.losses.cross_entropy import CrossEntropy


class CompiledCrossEntropy(CrossEntropy):
    """Cross-entropy with one class a row, all of the same weight, in one pass each way.

    Everything else is computed by NumPy.
    """

    def forward(
        self, z: Array, target: Array, weight: Array | None = None, total: float | None = None
    ) -> float:
        self.plain = (
            target.ndim == 1
            and not self.label_smoothing
            and self.weights is None
            and weight is None
        )
        if not self.plain:
            return super().forward(z, target, weight, total)
        if len(z) != self.rows:
            self.prepare(len(z))
        self.right = target
        total = float(self.rows) if total is None else total
        mean = 1 / total if total else 0.0
        self.scale.fill(mean)
        value: float = loops.cross_entropy(z, target, self.p, self.sums)
        return mean * value

    def backward(self) -> Array:
        if not self.plain:
            return super().backward()
        loops.cross_entropy_backward(self.p, self.sums, self.right, self.scale[()], self.dz)
        return self.dz


COMPILED: dict[type[Loss], type[Loss]] = {CrossEntropy: CompiledCrossEntropy}
