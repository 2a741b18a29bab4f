"""What methods are told and what they say."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bpnet.search.dimensions import Choices, Dimension
from bpnet.search.space import Point, Space

TRIES = 100
"""Draws for each point wanted, before a small space counts as used up."""


@dataclass(frozen=True)
class Setting:
    """The search that points are proposed for.

    Attributes
    ----------
    space
        Its parameters.
    seed
        Where its random stream starts.
    epochs
        Of a whole training.
    """

    space: Space
    seed: int
    epochs: int


@dataclass(frozen=True)
class Request:
    """A point to try.

    Attributes
    ----------
    point
        The point.
    until
        The epoch to pause after; None: train it to the end.
    """

    point: Point
    until: int | None = None


@dataclass(frozen=True)
class Result:
    """What became of a request.

    Attributes
    ----------
    point
        The point.
    loss
        Its score, turned so that less is better; None if it failed or was given up.
    is_over
        Whether its training has ended, so that it can't go on.
    """

    point: Point
    loss: float | None
    is_over: bool = True


def at_random(rng: np.random.Generator) -> Callable[[Dimension], float]:
    """Return what chooses every parameter at random."""

    def choose(dimension: Dimension) -> float:
        return value_at(dimension, float(rng.random()))

    return choose


def value_at(dimension: Dimension, part: float) -> float:
    """Return the value of a parameter at a part (0 to below 1) of what it may be."""
    domain = dimension.domain
    if isinstance(domain, Choices):
        return min(int(part * len(domain.options)), len(domain.options) - 1)
    return domain.at(part)


def different(points: Iterator[Point], count: int) -> list[Point]:
    """Return `count` points that differ, or fewer where there seem to be no more."""
    found: dict[str, Point] = {}
    for point in itertools.islice(points, TRIES * count):
        found.setdefault(point.hash, point)
        if len(found) == count:
            break
    return list(found.values())
