"""Whether the gradients are right: backpropagation against differences of the loss itself.

The loss is evaluated a step to either side, in float64: along random directions through each
tensor, as one costs two evaluations however many numbers it has, and an error anywhere shows in
nearly every direction; and for single numbers, drawn at random, so that an error can be pointed at.
Without a loss the upstream gradient is random, since ones would hide an error in a softmax or a
norm, whose outputs have a constant sum.

Kinks (of a relu, of an absolute error) have no derivative. Biases of 0 put many relus exactly on
theirs, so everything is checked a little off where it stands. What still lies on a kink is left
out and counted, as long as the gradient is between the slopes of the two sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bpnet.nn.arena import Arena, Array, Shape
from bpnet.nn.differences import Comparison, compare
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import Loss
from bpnet.nn.network import Network

TOLERANCE = 1e-6
"""A relative error above this is a wrong gradient."""

INPUT = "input"
EVERYTHING = "everything"

_JITTER = 0.01


class Penalty(Protocol):
    """What is added to the loss for the weights themselves: l1 and l2."""

    def penalty(self, arena: Arena) -> float:
        """Return what is added to the loss."""
        ...

    def add_gradient(self, arena: Arena) -> None:
        """Add its gradient to the arena's."""
        ...


@dataclass(frozen=True, slots=True)
class WorstEntry:
    """The number of a tensor whose gradient is farthest off.

    Attributes
    ----------
    place
        Its index.
    computed, estimated
        The gradient by backpropagation, and by differences.
    """

    place: tuple[int, ...]
    computed: float
    estimated: float


@dataclass(frozen=True, slots=True)
class GradientError:
    """How far the gradient of one tensor is from the loss's own differences.

    Attributes
    ----------
    name
        The tensor, or ``input``, or ``everything`` for all of them at once.
    shape
        Its shape; empty for everything.
    size
        Its number of elements.
    along, single
        Largest relative error along a direction, and of a single number; see
        `differences.Comparison`.
    entries
        How many numbers were looked at one by one.
    kinks
        How many of them, and of the directions, lie on a kink and were left out.
    worst
        The number with the largest error; None if none was looked at.
    zero
        Whether all that was looked at is 0 as far as rounding lets one see: then a wrong gradient
        of that size would not be noticed.
    tolerance
        The largest error that passes.
    """

    name: str
    shape: Shape
    size: int
    along: float
    single: float = 0.0
    entries: int = 0
    kinks: int = 0
    worst: WorstEntry | None = None
    zero: bool = False
    tolerance: float = TOLERANCE

    @property
    def error(self) -> float:
        """The largest relative error."""
        return max(self.along, self.single)

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error <= self.tolerance


def check_gradients(
    network: Network,
    x: Array,
    *,
    loss: Loss | None = None,
    target: Array | None = None,
    weight: Array | None = None,
    penalty: Penalty | None = None,
    train: bool = True,
    directions: int = 3,
    entries: int = 8,
    tolerance: float = TOLERANCE,
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
    penalty
        What is added to the loss for the weights themselves.
    train
        Whether the passes are training passes; random layers draw the same each time.
    directions, entries
        How many random directions, and at most how many single numbers, per tensor.
    tolerance
        The largest relative error that passes.
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
    rng = np.random.default_rng(seed)
    surface = Surface(
        network,
        x,
        loss=loss,
        target=target,
        weight=weight,
        penalty=penalty,
        train=train,
        noise=np.random.default_rng(rng.integers(2**32)),
        upstream=rng.standard_normal((len(x), *network.out_shape)),
    )
    surface.stir(rng)
    try:
        surface.differentiate()
        errors = [_everything(surface, directions, tolerance, rng)]
        for name in surface.places:
            errors.append(_one_tensor(surface, name, directions, entries, tolerance, rng))
    finally:
        surface.restore()
    return errors


def _everything(
    surface: Surface, directions: int, tolerance: float, rng: np.random.Generator
) -> GradientError:
    names = list(surface.places)
    found = [_along(surface, names, tolerance, rng) for _ in range(directions)]
    size = sum(place.size for place in surface.places.values())
    return GradientError(
        EVERYTHING, (), size, _largest(found), kinks=_kinks(found), tolerance=tolerance
    )


def _one_tensor(
    surface: Surface,
    name: str,
    directions: int,
    entries: int,
    tolerance: float,
    rng: np.random.Generator,
) -> GradientError:
    place = surface.places[name]
    along = [_along(surface, [name], tolerance, rng) for _ in range(directions)]
    chosen = np.sort(rng.permutation(place.size)[:entries])
    single = []
    worst: tuple[float, WorstEntry] | None = None
    for flat in chosen.tolist():
        index = tuple(int(i) for i in np.unravel_index(flat, place.shape))
        computed = float(surface.gradient[name][index])
        found = compare(surface.at(name, index), surface.start, computed, tolerance)
        single.append(found)
        if not found.kink and (worst is None or found.error > worst[0]):
            worst = found.error, WorstEntry(index, computed, found.estimated)
    return GradientError(
        name,
        place.shape,
        place.size,
        _largest(along),
        _largest(single),
        len(single),
        _kinks(along) + _kinks(single),
        worst[1] if worst else None,
        all(comparison.zero for comparison in along + single),
        tolerance,
    )


def _along(
    surface: Surface, names: Sequence[str], tolerance: float, rng: np.random.Generator
) -> Comparison:
    """Compare along a random direction of length 1 through the tensors `names`."""
    along = {name: rng.standard_normal(surface.places[name].shape) for name in names}
    length = np.sqrt(sum(np.vdot(v, v) for v in along.values()))
    along = {name: v / length for name, v in along.items()}
    slope = sum(float(np.vdot(surface.gradient[name], v)) for name, v in along.items())
    return compare(surface.along(along), surface.start, slope, tolerance)


def _largest(found: Sequence[Comparison]) -> float:
    return max((comparison.error for comparison in found if not comparison.kink), default=0.0)


def _kinks(found: Sequence[Comparison]) -> int:
    return sum(comparison.kink for comparison in found)


class Surface:
    """The loss of one batch as a function of the parameters and the input.

    Every evaluation finds the same running statistics and draws the same random numbers: those that
    `noise` would draw next. Without a loss it is the sum of the outputs times `upstream`.

    Attributes
    ----------
    places
        The arrays that may be moved, by name: a copy of the input unless it is made of integers,
        then the parameters that aren't frozen.
    start
        The loss where they stand.
    gradient
        Its gradient there, as backpropagation has it, by name.
    """

    def __init__(
        self,
        network: Network,
        x: Array,
        *,
        loss: Loss | None = None,
        target: Array | None = None,
        weight: Array | None = None,
        penalty: Penalty | None = None,
        train: bool = True,
        noise: np.random.Generator | None = None,
        upstream: Array | None = None,
    ) -> None:
        if network.arena.dtype != np.float64:
            raise ValueError("gradients are checked in float64; build the network with that dtype")
        self._network, self._loss, self._target, self._weight = network, loss, target, weight
        self._penalty, self._train = penalty, train
        self._upstream = upstream
        self._noise = noise.bit_generator.state if noise is not None else None
        self._state = network.arena.state.copy()
        self._movable = x.dtype.kind == "f"
        self._x = x.astype(np.float64) if self._movable else x
        self._params = {name: p for name, p in network.arena.params.items() if not p.frozen}
        self.places = {name: param.value for name, param in self._params.items()}
        if self._movable:
            self.places = {INPUT: self._x, **self.places}
        self._before = {name: place.copy() for name, place in self.places.items()}
        self.gradient: dict[str, Array] = {}
        self.start = np.nan

    def stir(self, rng: np.random.Generator) -> None:
        """Move everything a little, off the kinks on which a network may start."""
        for place in self.places.values():
            place += _JITTER * rng.standard_normal(place.shape)

    def differentiate(self) -> None:
        """Fill `start` and `gradient`."""
        self.start = self.value()
        dz = self._loss.backward() if self._loss is not None else self._upstream
        assert dz is not None
        dx = self._network.backward(dz, need_dx=self._movable)
        if dx is not None:
            self.gradient[INPUT] = dx.copy()
        if self._penalty is not None:
            self._penalty.add_gradient(self._network.arena)
        self.gradient |= {name: param.grad.copy() for name, param in self._params.items()}

    def value(self) -> float:
        """Return the loss where everything stands now, penalties included."""
        value = self.without_penalties()
        if self._penalty is not None:
            value += self._penalty.penalty(self._network.arena)
        return value

    def without_penalties(self) -> float:
        """Return the loss of the rows alone."""
        z = self._forward()
        if self._loss is not None and self._target is not None:
            return self._loss.forward(z, self._target, self._weight)
        assert self._upstream is not None
        return float(np.vdot(self._upstream, z))

    def along(self, direction: Mapping[str, Array]) -> _Line:
        """Return the loss as a function of the distance along a direction."""
        return _Line(self, direction)

    def at(self, name: str, index: tuple[int, ...]) -> _Point:
        """Return the loss as a function of how far one number is moved."""
        return _Point(self, self.places[name], index)

    def _forward(self) -> Array:
        """Run a pass that neither the running averages nor the random layers make different."""
        self._network.arena.state[:] = self._state
        rng = None
        if self._noise is not None:
            bits = np.random.PCG64()
            known: Any = self._noise
            bits.state = known
            rng = np.random.Generator(bits)
        return self._network.forward(self._x, Pass(self._train, rng))

    def restore(self) -> None:
        """Put the network's parameters and state back."""
        for name, place in self.places.items():
            place[...] = self._before[name]
        self._network.arena.state[:] = self._state


class _Line:
    """The loss along a direction through the tensors."""

    def __init__(self, surface: Surface, direction: Mapping[str, Array]) -> None:
        self._surface, self._direction = surface, direction
        self._middle = {name: surface.places[name].copy() for name in direction}

    def __call__(self, distance: float) -> float:
        places = self._surface.places
        for name, v in self._direction.items():
            np.add(self._middle[name], distance * v, out=places[name])
        value = self._surface.value()
        for name, middle in self._middle.items():
            places[name][...] = middle
        return value


class _Point:
    """The loss as one number moves."""

    def __init__(self, surface: Surface, place: Array, index: tuple[int, ...]) -> None:
        self._surface, self._place, self._index = surface, place, index

    def __call__(self, distance: float) -> float:
        middle = self._place[self._index]
        self._place[self._index] = middle + distance
        value = self._surface.value()
        self._place[self._index] = middle
        return value
