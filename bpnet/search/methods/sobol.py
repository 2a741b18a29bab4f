"""Points that fill the space evenly: a Sobol sequence, shifted at random.

Sobol, "On the distribution of points in a cube and the approximate evaluation of integrals"
(1967), in the order of Antonov and Saleev (1979), with the direction numbers of Joe and Kuo,
"Constructing Sobol sequences with better two-dimensional projections" (2008), table D6.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from functools import partial

import numpy as np

from bpnet.config.searching import SobolPoints
from bpnet.errors import OptionError
from bpnet.search.dimensions import Dimension
from bpnet.search.methods.base import Request, Result, Setting, different, value_at
from bpnet.search.methods.directions import DIRECTIONS
from bpnet.search.space import Point
from bpnet.streams import stream

BITS = 32


def check(options: SobolPoints, setting: Setting) -> None:
    """Refuse more parameters than there are direction numbers for.

    Raises
    ------
    OptionError
        The path starts below ``search``.
    """
    count = len(list(setting.space))
    if count > len(DIRECTIONS) + 1:
        raise OptionError(
            f"{count} parameters are more than the {len(DIRECTIONS) + 1} that sobol spreads points "
            "over; use random",
            "method",
        )


def propose(options: SobolPoints, setting: Setting) -> Generator[list[Request], list[Result], None]:
    """Yield one round of all points."""
    yield [Request(point) for point in different(_points(setting), options.points)]


def _points(setting: Setting) -> Iterator[Point]:
    axes = {dimension: i for i, dimension in enumerate(setting.space)}
    shift = stream(setting.seed, "search").integers(0, 1 << BITS, len(axes), np.uint64)
    for place in sequence(len(axes)):
        parts = (place ^ shift).astype(np.float64) / (1 << BITS)
        yield setting.space.point(partial(_at, axes, parts))


def _at(axes: dict[Dimension, int], parts: np.ndarray, dimension: Dimension) -> float:
    return value_at(dimension, float(parts[axes[dimension]]))


def sequence(dimensions: int) -> Iterator[np.ndarray]:
    """Yield the points of the sequence, in units of 2^-32, ``(D,)`` each."""
    numbers = np.array([_numbers(d) for d in range(dimensions)], np.uint64).reshape(-1, BITS)
    place = np.zeros(dimensions, np.uint64)
    for i in itertools.count():
        yield place.copy()
        lowest_zero = (~i & (i + 1)).bit_length() - 1
        place ^= numbers[:, lowest_zero]


def _numbers(dimension: int) -> list[int]:
    """Return the direction numbers of one dimension, the most significant first."""
    if dimension == 0:
        return [1 << (BITS - 1 - i) for i in range(BITS)]
    polynomial, starts = DIRECTIONS[dimension - 1]
    degree = len(starts)
    numbers = [start << (BITS - 1 - i) for i, start in enumerate(starts)]
    for i in range(degree, BITS):
        value = numbers[i - degree] ^ (numbers[i - degree] >> degree)
        for k in range(1, degree):
            if polynomial >> (degree - 1 - k) & 1:
                value ^= numbers[i - k]
        numbers.append(value)
    return numbers
