"""The derivatives of a traced step by differences of its loss: move a number, see the loss move."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bpnet.data.dataset import Dataset
from bpnet.insight.trace.record import Numeric, Trace
from bpnet.nn.arena import Array
from bpnet.nn.differences import derivative
from bpnet.nn.gradcheck import INPUT, Surface
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.watching import shadowed
from bpnet.training.state import TrainingState

SAMPLED = 10
"""Numbers of a large tensor that are estimated."""


class Around:
    """The loss of a traced step around where it was taken.

    To be made before the step: every evaluation finds the running statistics, and draws the random
    numbers, that the step will find and draw.

    Parameters
    ----------
    state
        The training.
    data
        The rows of the step.
    """

    def __init__(self, state: TrainingState, data: Dataset) -> None:
        self._arena = state.network.arena
        self._surface = Surface(
            state.network,
            data.x,
            loss=state.loss,
            target=data.target,
            weight=data.weight,
            penalty=state.regularization,
            noise=state.dropout,
        )

    def loss(self) -> float:
        """Return the loss of the rows with the weights as they are now, without penalties."""
        with self._quietly():
            return self._surface.without_penalties()

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
        arena = self._arena
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
                with shadowed(step.layer, forward=_moved(step.layer, moved)):
                    step.numeric = self._differences(moved, step.dy, limit)
                limit -= moved.size
            first = trace.layers[trace.backward[-1]]
            x = self._surface.places.get(INPUT)
            if x is not None and first.dx is not None and first.dx.shape == x.shape:
                trace.numeric = self._differences(x, first.dx, limit)
        finally:
            for name, value in after.items():
                arena.params[name].value[...] = value

    def _total(self) -> float:
        with self._quietly():
            return self._surface.value()

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let nothing of an evaluation stay behind, and no overflow be heard."""
        kept = self._arena.state.copy()
        with np.errstate(all="ignore"):
            yield
        self._arena.state[:] = kept

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


def _moved(layer: Layer, by: Array) -> Callable[[Array, Pass], Array]:
    """Return the forward pass of a layer with something added to its output."""
    forward = layer.forward

    def moved(x: Array, step: Pass) -> Array:
        return forward(x, step) + by

    return moved
