"""Whether the gradients are right: backpropagation against differences of the loss itself.

The loss is evaluated a step to either side along random directions, in float64. Directions, not
single numbers: one costs two evaluations however many parameters there are, and an error anywhere
shows in nearly every direction. The upstream gradient is random too, since ones would hide an error
in a softmax or a norm, whose outputs have a constant sum.

Kinks (of a relu, of an absolute error) have no derivative. Biases of 0 put many relus exactly on
theirs, so everything is checked a little off where it stands. Where a kink still lies within the
step, no difference equals the derivative, but a right one lies between the slopes to the left and
to the right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import Loss
from bpnet.nn.network import Network

TOLERANCE = 1e-6
"""A relative error above this is a wrong gradient."""

INPUT = "input"
EVERYTHING = "everything"

_JITTER = 0.01
_STEPS = (1e-6, 1e-7, 1e-5)
_NOISE = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class GradientError:
    """How far the gradient of one tensor is from the loss's own differences.

    Attributes
    ----------
    name
        The tensor, or ``input``, or ``everything`` for all of them at once.
    size
        Its number of elements.
    error
        Largest difference over the directions, relative to the largest slope along them.
    """

    name: str
    size: int
    error: float

    @property
    def passed(self) -> bool:
        """Whether the error is within `TOLERANCE`."""
        return self.error <= TOLERANCE


def check_gradients(
    network: Network,
    x: Array,
    *,
    loss: Loss | None = None,
    target: Array | None = None,
    weight: Array | None = None,
    train: bool = True,
    directions: int = 3,
    seed: int = 0,
) -> list[GradientError]:
    """Compare all gradients of a network with differences.

    Parameters
    ----------
    network
        The network, in float64; its parameters and state are left as they were. What is frozen
        has no gradient to check.
    x
        A batch, ``(N, *in_shape)``.
    loss, target, weight
        A built loss and what it compares with; without a loss, the sum of the outputs, each
        multiplied by a random number.
    train
        Whether the passes are training passes; random layers draw the same each time.
    directions
        How many random directions per tensor.
    seed
        Where everything random comes from.

    Returns
    -------
    list of GradientError
        Everything at once, then the input (unless it is made of integers), then each tensor.

    Raises
    ------
    ValueError
        If the network isn't in float64.
    """
    if network.arena.dtype != np.float64:
        raise ValueError("gradients are checked in float64; build the network with dtype float64")
    rng = np.random.default_rng(seed)
    surface = _Surface(network, x, loss, target, weight, train, rng)
    groups = {EVERYTHING: list(surface.places), **{name: [name] for name in surface.places}}
    errors = []
    for label, names in groups.items():
        found = [
            _difference(surface, _direction(surface.places, names, rng)) for _ in range(directions)
        ]
        error = max(difference for difference, _ in found) / max(scale for _, scale in found)
        size = sum(surface.places[name].size for name in names)
        errors.append(GradientError(label, size, error))
    surface.restore()
    return errors


def _direction(
    places: Mapping[str, Array], names: list[str], rng: np.random.Generator
) -> dict[str, Array]:
    """Draw a direction of length 1 through the tensors `names`."""
    along = {name: rng.standard_normal(places[name].shape) for name in names}
    length = np.sqrt(sum(np.vdot(v, v) for v in along.values()))
    return {name: v / length for name, v in along.items()}


def _difference(surface: _Surface, along: Mapping[str, Array]) -> tuple[float, float]:
    """Return how far the derivative along a direction is off, at the best step, and its scale."""
    slope = sum(float(np.vdot(surface.gradient[name], v)) for name, v in along.items())
    best, scale = np.inf, float(np.finfo(np.float64).tiny)
    for step in _STEPS:
        right = (surface.value(along, step) - surface.start) / step
        left = (surface.start - surface.value(along, -step)) / step
        scale = max(scale, abs(slope), abs(left), abs(right))
        difference = abs((left + right) / 2 - slope)
        if difference > TOLERANCE * scale:
            noise = _NOISE * max(1.0, abs(surface.start)) / step
            outside = max(min(left, right) - slope, slope - max(left, right))
            difference = max(outside - noise, 0.0)
        if difference <= best:
            best = difference
        if best <= TOLERANCE * scale:
            break
    return float(best), scale


class _Surface:
    """The loss as a function of the parameters and the input, a little off where they are.

    Attributes
    ----------
    places
        The arrays that may be moved, by name.
    start
        The loss in the middle.
    gradient
        Its gradient there, as backpropagation has it, by name.
    """

    def __init__(
        self,
        network: Network,
        x: Array,
        loss: Loss | None,
        target: Array | None,
        weight: Array | None,
        train: bool,
        rng: np.random.Generator,
    ) -> None:
        self._network, self._loss, self._target, self._weight = network, loss, target, weight
        self._train, self._seed = train, int(rng.integers(2**32))
        self._state = network.arena.state.copy()
        movable = x.dtype.kind == "f"
        self._x = x.astype(np.float64) if movable else x
        params = {name: p for name, p in network.arena.params.items() if not p.frozen}
        self.places = {name: param.value for name, param in params.items()}
        if movable:
            self.places = {INPUT: self._x, **self.places}
        self._start = {name: place.copy() for name, place in self.places.items()}
        for place in self.places.values():
            place += _JITTER * rng.standard_normal(place.shape)
        self._middle = {name: place.copy() for name, place in self.places.items()}

        self._upstream = rng.standard_normal(self._forward().shape)
        self.start = self._value()
        dz = loss.backward() if loss is not None else self._upstream
        dx = network.backward(dz, need_dx=movable)
        self.gradient = {name: param.grad.copy() for name, param in params.items()}
        if dx is not None:
            self.gradient[INPUT] = dx.copy()

    def value(self, along: Mapping[str, Array], step: float) -> float:
        """Return the loss at `step` times a direction away from the middle."""
        for name, v in along.items():
            np.add(self._middle[name], step * v, out=self.places[name])
        value = self._value()
        for name in along:
            self.places[name][...] = self._middle[name]
        return value

    def _forward(self) -> Array:
        """Run a pass that neither the running averages nor the random layers make different."""
        self._network.arena.state[:] = self._state
        step = Pass(self._train, np.random.default_rng(self._seed))
        return self._network.forward(self._x, step)

    def _value(self) -> float:
        z = self._forward()
        if self._loss is None:
            return float(np.vdot(self._upstream, z))
        assert self._target is not None
        return self._loss.forward(z, self._target, self._weight)

    def restore(self) -> None:
        """Put the network's parameters and state back."""
        for name, place in self.places.items():
            place[...] = self._start[name]
        self._network.arena.state[:] = self._state
