"""Where the loss and its derivative by each output come from.

`OUTCOMES` has an entry for every loss.

Legend: n a row, k an output; s the weight of a row (1 without weights), S what the sum over the
rows is divided by, N the rows, K the outputs.
"""

from __future__ import annotations

import math

import numpy as np

from bpnet.insight.trace.arithmetic import Derivation, Term, add_up, arg, num
from bpnet.insight.trace.entropies import BinaryOutcome, CrossEntropyOutcome
from bpnet.insight.trace.outcome import Outcome
from bpnet.insight.trace.record import Trace


class RegressionOutcome(Outcome):
    """Of a loss for numbers: a mean over all residuals d = z - t."""

    def height(self, d: float) -> tuple[str, str, float]:
        """Return the loss of one residual in letters, in numbers and as a result."""
        raise NotImplementedError

    def slope(self, d: float) -> tuple[str, str, float]:
        """Return its slope likewise."""
        raise NotImplementedError

    def _residual(self, n: int, k: int) -> float:
        return float(self.z[n, k] - self.target[n, k])

    def of_row(self, n: int) -> Derivation:
        outputs = self.z.shape[1]
        terms = [Term(*self.height(self._residual(n, k))) for k in range(outputs)]
        whole = add_up(f"L of row {self.rows[n]}", terms)
        residuals = ", ".join(
            f"{num(self.z[n, k])} - {arg(self.target[n, k])} = {num(self._residual(n, k))}"
            for k in range(min(outputs, 4))
        )
        if outputs == 1:
            return Derivation(
                whole.symbol, whole.formula, whole.numbers, whole.value, f"d = z - t = {residuals}"
            )
        return Derivation(
            whole.symbol,
            f"({whole.formula}) / K",
            f"({whole.numbers}) / {outputs}",
            whole.value / outputs,
            f"d = z - t: {residuals}",
        )

    def gradient(self, n: int, k: int) -> Derivation:
        d = self._residual(n, k)
        return self.shared(n, k, self.slope(d), remark=f"d = z - t = {num(d)}")


class SquaredOutcome(RegressionOutcome):
    """Of the mean squared error."""

    def height(self, d: float) -> tuple[str, str, float]:
        return "d²", f"{arg(d)}²", d * d

    def slope(self, d: float) -> tuple[str, str, float]:
        return "2 d", f"2 · {arg(d)}", 2 * d


class AbsoluteOutcome(RegressionOutcome):
    """Of the mean absolute error."""

    def height(self, d: float) -> tuple[str, str, float]:
        return "|d|", num(abs(d)), abs(d)

    def slope(self, d: float) -> tuple[str, str, float]:
        sign = float(np.sign(d))
        return "sign(d)", arg(sign), sign


class HuberOutcome(RegressionOutcome):
    """Of Huber's loss."""

    def height(self, d: float) -> tuple[str, str, float]:
        delta = float(self.loss.delta)
        if abs(d) <= delta:
            return "d² / 2", f"{arg(d)}² / 2", d * d / 2
        numbers = f"{num(delta)} · ({num(abs(d))} - {num(delta)} / 2)"
        return "delta (|d| - delta / 2)", numbers, delta * (abs(d) - delta / 2)

    def slope(self, d: float) -> tuple[str, str, float]:
        delta = float(self.loss.delta)
        if abs(d) <= delta:
            return "d", arg(d), d
        clipped = math.copysign(delta, d)
        return "(delta with the sign of d)", arg(clipped), clipped


OUTCOMES: dict[str, type[Outcome]] = {
    "cross_entropy": CrossEntropyOutcome,
    "binary_cross_entropy": BinaryOutcome,
    "mse": SquaredOutcome,
    "mae": AbsoluteOutcome,
    "huber": HuberOutcome,
}
"""Of every loss, by its name in `LOSSES`."""


def outcome_of(trace: Trace) -> Outcome:
    """Return how the loss of a trace comes about, as far as that can be written out."""
    return OUTCOMES.get(trace.loss.loss.type, Outcome)(trace)
