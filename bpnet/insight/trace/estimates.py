"""The derivatives of a traced step by differences of its loss: move a number, see the loss move."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bpnet.data.dataset import Dataset
from bpnet.insight.trace.record import Numeric, Trace
from bpnet.nn.arena import Array
from bpnet.nn.differences import derivative
from bpnet.nn.layers.base import Layer, Pass
from bpnet.training.state import TrainingState

SAMPLED = 10
"""Numbers of a large tensor that are estimated."""


class Around:
    """The loss of a traced step around where it was taken.

    Parameters
    ----------
    state
        The training, after the step.
    data
        The rows of the step.
    statistics
        The running statistics before it.
    noise
        The state of the random stream before it; None if nothing is random.
    """

    def __init__(
        self,
        state: TrainingState,
        data: Dataset,
        statistics: Array,
        noise: Mapping[str, Any] | None,
    ) -> None:
        self._state, self._data = state, data
        self._statistics, self._noise = statistics, noise

    def loss(self) -> float:
        """Return the loss of the rows with the weights as they are now, without penalties."""
        state, data = self._state, self._data
        arena = state.network.arena
        kept = arena.state.copy()
        arena.state[:] = self._statistics
        rng = None
        if self._noise is not None:
            bits = np.random.PCG64()
            known: Any = self._noise
            bits.state = known
            rng = np.random.Generator(bits)
        with np.errstate(all="ignore"):
            z = state.network.forward(data.x, Pass(train=True, rng=rng))
            value = state.loss.forward(z, data.target, data.weight)
        arena.state[:] = kept
        return value

    def estimate(self, trace: Trace, limit: int) -> None:
        """Fill the numeric derivatives of a trace: of the parameters, then of the outputs.

        The gradients of parameters include the penalties of `regularization`, as in the step.

        Parameters
        ----------
        trace
            The trace.
        limit
            How many in all at most; of a tensor that would exceed it only those numbers whose
            gradients are the largest, `SAMPLED` of them.
        """
        arena = self._state.network.arena
        after = {name: param.value.copy() for name, param in arena.params.items()}
        for tensor in trace.tensors:
            arena.params[tensor.name].value[...] = tensor.before
        try:
            for tensor in trace.tensors:
                if tensor.gradient is not None and tensor.of_loss is not None:
                    place = arena.params[tensor.name].value
                    tensor.numeric = self._differences(place, tensor.gradient, limit)
                    limit -= place.size
            for name in trace.forward:
                step = trace.layers[name]
                if step.dy is None:
                    continue
                moved = np.zeros_like(step.y)
                with _moved(step.layer, moved):
                    step.numeric = self._differences(moved, step.dy, limit)
                limit -= moved.size
            first = trace.layers[trace.backward[-1]]
            if first.dx is not None and first.dx.shape == self._data.x.shape:
                trace.numeric = self._differences(self._data.x, first.dx, limit)
        finally:
            for name, value in after.items():
                arena.params[name].value[...] = value

    def _total(self) -> float:
        return self.loss() + self._state.regularization.penalty(self._state.network.arena)

    def _differences(self, place: Array, gradient: Array, limit: int) -> Numeric:
        """Estimate the derivatives by the numbers of an array, all or the largest of them."""
        shape = place.shape
        chosen = range(place.size)
        if place.size > max(limit, SAMPLED):
            chosen = np.sort(np.argsort(-np.abs(gradient), axis=None)[:SAMPLED]).tolist()
        empty = [np.full(shape, np.nan) for _ in range(4)]
        found = Numeric(empty[0], np.zeros(shape, bool), *empty[1:])
        start = self._total()
        for flat in chosen:
            index = np.unravel_index(flat, shape)
            middle = float(place[index])

            def value(distance: float, index: Any = index, middle: float = middle) -> float:
                place[index] = middle + distance
                return self._total()

            slope, kink = derivative(value, start)
            place[index] = middle
            found.values[index], found.kinks[index] = slope.slope, kink
            found.below[index], found.above[index] = slope.below, slope.above
            found.step[index] = slope.step
        return found


@contextlib.contextmanager
def _moved(layer: Layer, by: Array) -> Iterator[None]:
    """Let a layer add something to its output for a while."""
    forward = layer.forward

    def moved(x: Array, step: Pass) -> Array:
        return forward(x, step) + by

    vars(layer)["forward"] = moved
    try:
        yield
    finally:
        del vars(layer)["forward"]
