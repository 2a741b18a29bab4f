"""Statistics of activations, gradients and updates, taken without changing a training."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.insight.doctor.evidence import LayerLook, Look
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.rules import Batch
from bpnet.nn.watching import shadowed, tensors_of

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState

ROWS = 1024
"""Rows that are looked at, at most."""

FEWEST, MOST = 32, 256
"""Rows in a batch that is looked at: that of the training, within these bounds."""

FLAT = 0.05
"""Part of its steepest slope below which a sigmoid or tanh counts as saturated: it passes less
than a twentieth of the gradient on. That is |y| > 0.975 for tanh, and y < 0.0127 or y > 0.9873 for
sigmoid."""

_STEEP = {"tanh": lambda y: 1 - y * y, "sigmoid": lambda y: 4 * y * (1 - y)}


def look(state: TrainingState) -> Look:
    """Run some training rows through a network, forward and backward, and watch every layer.

    Running statistics, random streams and weights stay as they are.
    """
    network, loss, arena = state.network, state.loss, state.network.arena
    batches = list(_batches(state))
    running = arena.state.copy()
    watches = [_Watch(name, layer, _is_weighted(state, name)) for name, layer, _ in network.walk()]
    step = Pass(train=True, rng=np.random.default_rng(0))
    value = squares = 0.0
    try:
        with contextlib.ExitStack() as stack, np.errstate(all="ignore"):
            for watch in watches:
                stack.enter_context(watch.open())
            for batch in batches:
                part = len(batch.x)
                squares += float(np.square(batch.x, dtype=np.float64).sum())
                z = network.forward(batch.x, step)
                value += loss.forward(z, batch.target, batch.weight) * part
                network.backward(loss.backward())
    finally:
        arena.state[:] = running
    rows = sum(len(batch.x) for batch in batches)
    numbers = rows * math.prod(network.in_shape)
    return Look(
        rows=rows,
        input_size=math.sqrt(squares / numbers) if numbers else math.nan,
        loss=value / rows,
        layers=[watch.result() for watch in watches],
        twins=_twins(state),
    )


def _batches(state: TrainingState) -> Iterator[Batch]:
    data, size = state.batches.data, min(max(state.batches.batch_size, FEWEST), MOST)
    chosen = np.sort(np.random.default_rng(0).permutation(len(data))[:ROWS])
    for first in range(0, len(chosen), size):
        rows = chosen[first : first + size]
        weight = None if data.weight is None else data.weight[rows]
        yield Batch(data.x[rows], data.target[rows], weight)


def _is_weighted(state: TrainingState, name: str) -> bool:
    """Say whether a layer has weights of its own (not only a bias or a scale) that are trained."""
    own = tensors_of(name, state.network.arena.params).values()
    return any(p.decay and len(p.shape) > 1 for p in own)


def _twins(state: TrainingState) -> list[str]:
    """Return the layers, but the last, whose units all have the same weights."""
    weights = [p for p in state.network.arena.params.values() if p.decay and len(p.shape) > 1]
    same = [p for p in weights if p.shape[-1] > 1 and (p.value == p.value[..., :1]).all()]
    last = state.network.layers[-1].name
    names = [p.name.rpartition(".")[0] for p in same]
    return [name for name in names if name != last]


class _Watch:
    """Stands in for a layer's two methods and takes down what passes."""

    def __init__(self, name: str, layer: Layer, weighted: bool) -> None:
        self.name, self.layer, self.weighted = name, layer, weighted
        self._forward, self._backward = layer.forward, layer.backward
        self._numbers = self._rows = self._flat = 0
        self._squares = self._delta = 0.0
        self._alive: Array | None = None

    def open(self) -> contextlib.AbstractContextManager[None]:
        """Watch the layer for a while."""
        return shadowed(self.layer, forward=self.forward, backward=self.backward)

    def forward(self, x: Array, step: Pass) -> Array:
        y = self._forward(x, step)
        self._numbers += y.size
        self._squares += float(np.square(y, dtype=np.float64).sum())
        if self.layer.type == "relu":
            seen = np.asarray((y > 0).any(axis=0))
            self._alive = seen if self._alive is None else self._alive | seen
        if self.layer.type in _STEEP:
            self._flat += int(np.count_nonzero(_STEEP[self.layer.type](y) < FLAT))
        return y

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        # Of the mean over a batch; times its rows, it is of each row alone.
        self._rows += len(dy)
        self._delta += float(np.square(dy, dtype=np.float64).sum()) * len(dy) ** 2
        return self._backward(dy, need_dx=need_dx)

    def result(self) -> LayerLook:
        """Return what was seen."""
        seen = LayerLook(self.name, self.layer.type)
        if self._numbers:
            seen.size = math.sqrt(self._squares / self._numbers)
            if self._alive is not None:
                seen.dead = 1 - float(self._alive.mean())
            if self.layer.type in _STEEP:
                seen.saturated = self._flat / self._numbers
        if self._rows and self.weighted:
            seen.delta = math.sqrt(self._delta / self._rows)
        return seen


class Updates:
    """Measures how far single steps move each weight tensor, relative to its size.

    Call `before` and `after` around a step.
    """

    def __init__(self, state: TrainingState) -> None:
        params = state.network.arena.params.values()
        self._params = [p for p in params if p.decay and len(p.shape) > 1]
        self._theta = state.network.arena.theta
        self._seen: dict[str, list[float]] = {p.name: [] for p in self._params}
        self._kept: dict[str, Array] | None = None

    def before(self) -> None:
        """Take down the weights."""
        self._kept = {p.name: p.value.copy() for p in self._params}

    def after(self) -> None:
        """Measure how far they have moved."""
        if self._kept is None:
            return
        with np.errstate(all="ignore"):
            for p in self._params:
                was = self._kept[p.name]
                length = _norm(was)
                if length > 0:
                    self._seen[p.name].append(_norm(p.value - was) / length)
        self._kept = None

    def medians(self) -> dict[str, float]:
        """Return the median of each tensor's steps."""
        return {name: float(np.median(seen)) for name, seen in self._seen.items() if seen}


def _norm(values: Array) -> float:
    flat: Any = values.reshape(-1).astype(np.float64)
    return float(np.sqrt(np.dot(flat, flat)))
