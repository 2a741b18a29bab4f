"""Where the numbers of the normalizations come from."""

from __future__ import annotations

import numpy as np

from bpnet.insight.trace.arithmetic import Derivation, Term, add_up, arg, num, place, times
from bpnet.insight.trace.record import LayerStep, Trace
from bpnet.insight.trace.steps import Steps, of_row
from bpnet.nn.arena import Array


class NormSteps(Steps):
    """Of a normalization: what is the same over the batch and over each row."""

    across: int
    """The axis that the means are taken over."""

    def __init__(self, trace: Trace, step: LayerStep) -> None:
        super().__init__(trace, step)
        named = {tensor.short: tensor.before for tensor in step.tensors}
        ones = np.ones(self.x.shape[1:])
        self.gamma, self.beta = named.get("gamma", ones), named.get("beta", 0 * ones)
        self.mean, self.variance = self._moments()
        self.deviation = np.sqrt(self.variance + self.layer.epsilon)
        self.normal = (self.x - self.mean) / self.deviation

    def _moments(self) -> tuple[Array, Array]:
        """Return mean and variance of each number, shaped like x."""
        mean = self.x.mean(axis=self.across, keepdims=True)
        variance = ((self.x - mean) ** 2).mean(axis=self.across, keepdims=True)
        return np.broadcast_to(mean, self.x.shape), np.broadcast_to(variance, self.x.shape)

    @property
    def constant(self) -> bool:
        """Whether mean and variance do not depend on x."""
        return False

    def output(self, n: int, j: int) -> Derivation:
        x, mean = float(self.x[n, j]), float(self.mean[n, j])
        variance = float(self.variance[n, j])
        letters = f"gamma{place(j)} (x{place(j)} - mean) / √(variance + epsilon) + beta{place(j)}"
        numbers = (
            f"{arg(self.gamma[j])} · ({num(x)} - {arg(mean)}) / "
            f"√({num(variance)} + {num(self.layer.epsilon)}) + {arg(self.beta[j])}"
        )
        value = self.gamma[j] * self.normal[n, j] + self.beta[j]
        remark = "with the running averages" if self.constant else ""
        return Derivation(f"y{place(j)}", letters, numbers, float(value), remark)

    def input(self, n: int, i: int) -> Derivation:
        g = self.gamma * self.dy
        own, scale = float(g[n, i]), float(self.deviation[n, i])
        if self.constant:
            return Derivation(
                f"dx{place(i)}",
                f"gamma{place(i)} dy{place(i)} / √(variance + epsilon)",
                f"{times(float(self.gamma[i]), float(self.dy[n, i]))} / {num(scale)}",
                own / scale,
                "with the running averages, which don't depend on x",
            )
        mean, weighted = (
            float(np.broadcast_to(v.mean(axis=self.across, keepdims=True), g.shape)[n, i])
            for v in (g, g * self.normal)
        )
        normal = float(self.normal[n, i])
        return Derivation(
            f"dx{place(i)}",
            f"(g{place(i)} - mean of g - x̂{place(i)} mean of g x̂) / √(variance + epsilon)",
            f"({num(own)} - {arg(mean)} - {times(normal, weighted)}) / {num(scale)}",
            (own - mean - normal * weighted) / scale,
            "g = gamma dy",
        )

    def gradient(self, short: str, index: tuple[int, ...]) -> Derivation:
        (j,) = index
        rows, dy = self.trace.rows, self.dy[:, j].tolist()
        if short == "beta":
            terms = [Term(f"dy{place(j)}{of_row(rows, n)}", arg(v), v) for n, v in enumerate(dy)]
            return add_up(f"dbeta{place(j)}", terms)
        normal = self.normal[:, j].tolist()
        terms = [
            Term(f"dy{place(j)} x̂{place(j)}{of_row(rows, n)}", times(v, x), v * x)
            for n, (v, x) in enumerate(zip(dy, normal, strict=True))
        ]
        return add_up(f"dgamma{place(j)}", terms)


class BatchNormSteps(NormSteps):
    """Of a batch norm."""

    across = 0

    @property
    def constant(self) -> bool:
        return len(self.x) == 1 or self.layer.frozen

    def _moments(self) -> tuple[Array, Array]:
        if not self.constant:
            return super()._moments()
        running = self.step.statistics
        mean, variance = running["running_mean"], running["running_variance"]
        return np.broadcast_to(mean, self.x.shape), np.broadcast_to(variance, self.x.shape)


class LayerNormSteps(NormSteps):
    """Of a layer norm."""

    across = 1
