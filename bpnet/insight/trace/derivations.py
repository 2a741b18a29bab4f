"""Where each number of a layer comes from, for layers between rows of numbers.

`DERIVATIONS` has an entry for every layer; each says how one output came about (forwards), how the
derivative by one input did (backwards), and those by its parameters.

Legend: n a row, i an input, j an output; x (N, F), y (N, U).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bpnet.insight.trace.arithmetic import Derivation, Term, add_up, arg, num, place, times
from bpnet.insight.trace.curves import CURVES, curve_steps
from bpnet.insight.trace.norms import BatchNormSteps, LayerNormSteps
from bpnet.insight.trace.record import LayerStep, Trace
from bpnet.insight.trace.steps import Steps, of_row


class DenseSteps(Steps):
    """Of a dense layer."""

    def __init__(self, trace: Trace, step: LayerStep) -> None:
        super().__init__(trace, step)
        named = {tensor.short: tensor.before for tensor in step.tensors}
        self.W, self.b = named["W"], named.get("b")

    def output(self, n: int, j: int) -> Derivation:
        terms = [
            Term(f"x{place(i)} W{place(i, j)}", times(x, w), x * w)
            for i, (x, w) in enumerate(zip(self.x[n], self.W[:, j], strict=True))
        ]
        last = None
        if self.b is not None:
            last = Term(f"b{place(j)}", arg(self.b[j]), float(self.b[j]))
        return add_up(f"y{place(j)}", terms, last)

    def input(self, n: int, i: int) -> Derivation:
        terms = [
            Term(f"dy{place(j)} W{place(i, j)}", times(dy, w), dy * w)
            for j, (dy, w) in enumerate(zip(self.dy[n], self.W[i], strict=True))
        ]
        return add_up(f"dx{place(i)}", terms)

    def gradient(self, short: str, index: tuple[int, ...]) -> Derivation:
        rows = self.trace.rows
        if short == "b":
            (j,) = index
            dy = self.dy[:, j]
            return add_up(
                f"db{place(j)}",
                [Term(f"dy{place(j)}{of_row(rows, n)}", arg(v), v) for n, v in enumerate(dy)],
            )
        i, j = index
        pairs = zip(self.x[:, i], self.dy[:, j], strict=True)
        terms = [
            Term(f"x{place(i)} dy{place(j)}{of_row(rows, n)}", times(x, dy), x * dy)
            for n, (x, dy) in enumerate(pairs)
        ]
        return add_up(f"dW{place(i, j)}", terms)


class DropoutSteps(Steps):
    """Of a dropout layer."""

    def _factor(self, n: int, j: int) -> float:
        return 1.0 if self.step.factor is None else float(self.step.factor[n, j])

    def _why(self, n: int, j: int) -> str:
        if self.step.factor is None:
            return "nothing is dropped"
        return "" if self._factor(n, j) else "dropped in this step"

    def output(self, n: int, j: int) -> Derivation:
        f, x = self._factor(n, j), float(self.x[n, j])
        letters = f"f{place(j)} x{place(j)}"
        return Derivation(f"y{place(j)}", letters, times(f, x), f * x, self._why(n, j))

    def input(self, n: int, i: int) -> Derivation:
        f, dy = self._factor(n, i), float(self.dy[n, i])
        letters = f"f{place(i)} dy{place(i)}"
        return Derivation(f"dx{place(i)}", letters, times(f, dy), f * dy, self._why(n, i))


class SoftmaxSteps(Steps):
    """Of a softmax layer."""

    def output(self, n: int, j: int) -> Derivation:
        peak = float(self.x[n].max())  # taken off all of them: nothing overflows
        terms = [
            Term(f"exp(x{place(k)})", f"exp({num(x - peak)})", math.exp(x - peak))
            for k, x in enumerate(self.x[n].tolist())
        ]
        below = add_up("", terms)
        top = terms[j]
        remark = f"the largest x of the row, {num(peak)}, is taken off all of them first"
        return Derivation(
            f"y{place(j)}",
            f"{top.letters} / ({below.formula})",
            f"{top.numbers} / ({below.numbers})",
            top.value / below.value,
            remark,
        )

    def input(self, n: int, i: int) -> Derivation:
        pairs = zip(self.y[n].tolist(), self.dy[n].tolist(), strict=True)
        terms = [
            Term(f"y{place(k)} dy{place(k)}", times(y, dy), y * dy)
            for k, (y, dy) in enumerate(pairs)
        ]
        mean = add_up("", terms)
        y, dy = float(self.y[n, i]), float(self.dy[n, i])
        return Derivation(
            f"dx{place(i)}",
            f"y{place(i)} (dy{place(i)} - ({mean.formula}))",
            f"{arg(y)} · ({num(dy)} - ({mean.numbers}))",
            y * (dy - mean.value),
        )


class ResidualSteps(Steps):
    """Of a residual block."""

    def __init__(self, trace: Trace, step: LayerStep) -> None:
        super().__init__(trace, step)
        self.branch = [trace.layers[f"{step.name}.{layer.name}"] for layer in self.layer.layers]
        projection = self.layer.projection
        self.skip = trace.layers[f"{step.name}.{projection.name}"] if projection else None

    def output(self, n: int, j: int) -> Derivation:
        branch = float(self.branch[-1].y[n, j])
        skip = float((self.skip.y if self.skip else self.x)[n, j])
        way = "projection" if self.skip else "x"
        return Derivation(
            f"y{place(j)}",
            f"branch{place(j)} + {way}{place(j)}",
            f"{num(branch)} + {arg(skip)}",
            branch + skip,
        )

    def input(self, n: int, i: int) -> Derivation:
        whole = float(self.dx[n, i])
        through = self.skip.dx if self.skip else self.dy
        assert through is not None
        skip = float(through[n, i])
        first = self.branch[0].dx
        branch = float(first[n, i]) if first is not None else whole - skip
        return Derivation(
            f"dx{place(i)}",
            f"dx{place(i)} of the branch + dx{place(i)} of the skip",
            f"{num(branch)} + {arg(skip)}",
            branch + skip,
        )


class MovedSteps(Steps):
    """Of a layer that only moves numbers; between two rows they keep their places."""

    def output(self, n: int, j: int) -> Derivation:
        x = float(self.x[n, j])
        return Derivation(f"y{place(j)}", f"x{place(j)}", num(x), x)

    def input(self, n: int, i: int) -> Derivation:
        dy = float(self.dy[n, i])
        return Derivation(f"dx{place(i)}", f"dy{place(i)}", num(dy), dy)


DERIVATIONS: dict[str, type[Steps]] = {
    "dense": DenseSteps,
    **{name: curve_steps(curve) for name, curve in CURVES.items()},
    "dropout": DropoutSteps,
    "softmax": SoftmaxSteps,
    "batch_norm": BatchNormSteps,
    "layer_norm": LayerNormSteps,
    "residual": ResidualSteps,
    "flatten": MovedSteps,
    "reshape": MovedSteps,
}
"""Of every layer, by its name in `LAYERS`."""


def steps_of(trace: Trace, step: LayerStep) -> Steps:
    """Return how a layer's numbers come about, as far as that can be written out."""
    if step.x.ndim != 2 or step.y.ndim != 2:
        return Steps(trace, step)
    return DERIVATIONS.get(step.type, Steps)(trace, step)


def all_derivations(trace: Trace) -> Iterator[tuple[Derivation, float]]:
    """Yield every derivation of a trace's layers, with the number that the step itself had."""
    for step in trace.layers.values():
        steps = steps_of(trace, step)
        for n in range(len(step.x)):
            yield from _of_row(steps, n)
        for tensor in step.tensors:
            if tensor.of_loss is None:
                continue
            for index in np.ndindex(tensor.shape):
                found = steps.gradient(tensor.short, index)
                if found is not None:
                    yield found, float(tensor.of_loss[index])


def _of_row(steps: Steps, n: int) -> Iterator[tuple[Derivation, float]]:
    step = steps.step
    if step.x.ndim != 2 or step.y.ndim != 2:
        return
    for j in range(step.y.shape[1]):
        output = steps.output(n, j)
        if output is not None:
            yield output, float(step.y[n, j])
    if step.dx is None or step.dy is None:
        return
    for i in range(step.x.shape[1]):
        given = steps.input(n, i)
        if given is not None:
            yield given, float(step.dx[n, i])
