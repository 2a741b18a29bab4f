"""One step of a training, looked at tensor by tensor in the order in which they are computed."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.watching import shadowed, tensors_of
from bpnet.training.gradient import fill_gradient

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState

Part = Literal[
    "weights", "input", "target", "weight", "output", "state", "loss", "dz", "dx", "gradient", "sum"
]
"""What an observation is of: a parameter; the batch; a layer's output or running statistics; the
loss, and its derivative by the outputs; what a layer hands down; a parameter's gradient, of one
batch or at the end, with all batches and penalties added up."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one tensor of a step looked like.

    Attributes
    ----------
    part
        What it is.
    layer, tensor
        The layer's dotted name and, where it is one of its own, the tensor's: ``W``.
    batch
        Which of the accumulated batches, from 0.
    shape
        Its shape.
    low, high, size
        Least, largest and mean absolute value of its finite numbers; NaN if there are none.
    nans, infs
        How many of its numbers are NaN, and how many infinite.
    rows
        The rows of the batch that have such numbers; empty for a tensor without rows.
    fed
        Largest absolute value of the finite numbers that the layer was given.
    """

    part: Part
    layer: str
    tensor: str
    batch: int
    shape: tuple[int, ...]
    low: float
    high: float
    size: float
    nans: int
    infs: int
    rows: tuple[int, ...] = ()
    fed: float = math.nan

    @property
    def finite(self) -> bool:
        """Whether all of its numbers are finite."""
        return not (self.nans or self.infs)

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def name(self) -> str:
        """The layer's and the tensor's name together."""
        return ".".join(filter(None, (self.layer, self.tensor)))


def largest(values: Array) -> float:
    """Return the largest absolute value of the finite numbers in an array; 0 if there are none."""
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max()) if finite.size else 0.0


def examine(state: TrainingState, group: list[Array], step: Pass) -> list[Observation]:
    """Compute the gradient of a step, and watch; the arithmetic is that of the training.

    Parameters
    ----------
    state
        The training, as it stood before the step.
    group, step
        As for `fill_gradient`.
    """
    watch = _Watch()
    params = [(*name.rpartition(".")[::2], p) for name, p in state.network.arena.params.items()]
    with np.errstate(all="ignore"):
        for layer, tensor, param in params:
            watch.see("weights", param.value, layer, tensor)
        for watch.batch, rows in enumerate(group):
            batch = state.batches.gather(rows)
            watch.see("input", batch.x, by_row=True)
            watch.see("target", batch.target, by_row=True)
            if batch.weight is not None:
                watch.see("weight", batch.weight, by_row=True)
        watch.batch = -1  # each batch starts with a forward of the first layer
        with contextlib.ExitStack() as watched:
            for name, inner, _ in state.network.walk():
                watched.enter_context(_watched_layer(state, watch, name, inner))
            watched.enter_context(_watched_loss(state, watch))
            fill_gradient(state, group, step)
        watch.batch = 0
        for layer, tensor, param in params:
            watch.see("sum", param.grad, layer, tensor)
    return watch.seen


class _Watch:
    """Collects observations."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self.batch = 0

    def see(
        self,
        part: Part,
        values: Array,
        layer: str = "",
        tensor: str = "",
        *,
        by_row: bool = False,
        fed: float = math.nan,
    ) -> None:
        """Take down what a tensor looks like now."""
        if not values.size:
            return
        bad = ~np.isfinite(values)
        count = int(bad.sum())
        nans = int(np.isnan(values).sum()) if count else 0
        good = values[~bad] if count else values
        low = high = size = math.nan
        if good.size:
            low, high = float(good.min()), float(good.max())
            size = float(np.abs(good).mean(dtype=np.float64))
        rows: tuple[int, ...] = ()
        if by_row and count:
            rows = tuple(np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)).tolist())
        shape, infs = values.shape, count - nans
        self.seen.append(
            Observation(
                part, layer, tensor, self.batch, shape, low, high, size, nans, infs, rows, fed
            )
        )


def _watched_layer(
    state: TrainingState, watch: _Watch, name: str, layer: Layer
) -> contextlib.AbstractContextManager[None]:
    """Watch what a layer returns, and what it does to tensors of its own."""
    arena = state.network.arena
    forward, backward = layer.forward, layer.backward
    params, states = tensors_of(name, arena.params), tensors_of(name, arena.states)
    is_first = layer is state.network.layers[0]

    def watched_forward(x: Array, step: Pass) -> Array:
        if is_first:
            watch.batch += 1
        fed = largest(x)  # now, as the layer may write over it
        y = forward(x, step)
        watch.see("output", y, name, by_row=True, fed=fed)
        for tensor, param in states.items():
            watch.see("state", param.value, name, tensor, fed=fed)
        return y

    def watched_backward(dy: Array, *, need_dx: bool = True) -> Array | None:
        fed = largest(dy)
        dx = backward(dy, need_dx=need_dx)
        for tensor, param in params.items():
            watch.see("gradient", param.grad, name, tensor, fed=fed)
        if dx is not None:
            watch.see("dx", dx, name, by_row=True, fed=fed)
        return dx

    return shadowed(layer, forward=watched_forward, backward=watched_backward)


def _watched_loss(state: TrainingState, watch: _Watch) -> contextlib.AbstractContextManager[None]:
    """Watch the loss and its derivative."""
    forward, backward = state.loss.forward, state.loss.backward

    def watched_forward(z: Array, *rest: Any) -> float:
        fed = largest(z)
        value = forward(z, *rest)
        watch.see("loss", np.array(value), fed=fed)
        return value

    def watched_backward() -> Array:
        dz = backward()
        watch.see("dz", dz, by_row=True)
        return dz

    return shadowed(state.loss, forward=watched_forward, backward=watched_backward)
