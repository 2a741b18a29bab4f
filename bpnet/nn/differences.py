"""Derivatives from differences of the function itself, and whether it has a kink there.

Central differences, (f(h) - f(-h)) / 2h, are off by h² f''' / 6 and by the rounding of f, which
grows as 1 / h; with h = 1e-5 both are near 1e-11 in float64. The slopes to the left and to the
right differ by h f'' where f is smooth: ten times less with a tenth of the step. On a kink (of a
relu, of an absolute value) they keep their distance, and there is no derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STEPS = (1e-5, 1e-6, 1e-7)
"""A smaller step is taken only where the one before is inexact, or a kink lies within."""

_ROUNDING = 64 * float(np.finfo(np.float64).eps)

_PRECISE = 1e-6
"""Relative precision below which rounding need not be told from a wrong derivative."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A derivative from one pair of differences.

    Attributes
    ----------
    step
        How far to either side.
    below, above
        The function there.
    left, right
        Slope on either side.
    noise
        How far rounding may have moved the slopes.
    """

    step: float
    below: float
    above: float
    left: float
    right: float
    noise: float

    @property
    def slope(self) -> float:
        """The central difference."""
        return (self.left + self.right) / 2

    @property
    def bend(self) -> float:
        """How much the two sides disagree."""
        return abs(self.right - self.left)

    def allows(self, slope: float) -> bool:
        """Say whether a slope lies between the two sides, as any right one on a kink does."""
        low, high = min(self.left, self.right), max(self.left, self.right)
        return low - self.noise <= slope <= high + self.noise


def difference(value: Callable[[float], float], start: float, step: float) -> Estimate:
    """Estimate the derivative of a function at 0, where it is `start`, with this step."""
    above, below = value(step), value(-step)
    noise = _ROUNDING * max(1.0, abs(start)) / step
    return Estimate(step, below, above, (start - below) / step, (above - start) / step, noise)


def derivative(value: Callable[[float], float], start: float) -> tuple[Estimate, bool]:
    """Estimate the derivative of a function at 0; say whether there is a kink."""
    first, second, third = (difference(value, start, step) for step in STEPS)
    if _smooth(first, second):
        return first, False
    if _smooth(second, third):
        return second, False
    return third, third.bend > 4 * third.noise and _lasting(first, third)


def _smooth(wide: Estimate, narrow: Estimate) -> bool:
    """Say whether the two sides come closer as fast as those of a smooth function."""
    return wide.bend <= 30 * narrow.bend + wide.noise and narrow.bend <= wide.bend / 3 + 4 * (
        narrow.noise
    )


def _lasting(wide: Estimate, narrow: Estimate) -> bool:
    """Say whether the two sides hardly come closer."""
    return narrow.bend >= wide.bend / 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """A derivative that somebody computed, beside the differences.

    Attributes
    ----------
    computed, estimated
        The two.
    error
        Their distance relative to the larger of them, or to a million times the noise of the
        difference where both are smaller than that.
    kink
        Whether a kink lies there and the computed one is between the slopes of its two sides; then
        `error` says nothing.
    zero
        Whether both are so small that rounding hides them.
    """

    computed: float
    estimated: float
    error: float
    kink: bool = False
    zero: bool = False


def compare(
    value: Callable[[float], float], start: float, computed: float, tolerance: float
) -> Comparison:
    """Compare a computed derivative at 0 with differences.

    Parameters
    ----------
    value
        The function.
    start
        What it is at 0.
    computed
        What its derivative is supposed to be there.
    tolerance
        The error from which a smaller step is tried.
    """
    tried: list[Estimate] = []
    best = Comparison(computed, math.nan, math.inf)
    for step in STEPS:
        estimate = difference(value, start, step)
        tried.append(estimate)
        found = _weigh(computed, estimate)
        if found.error < best.error or math.isnan(best.estimated):
            best = found
        if best.error <= tolerance:
            return best
        if len(tried) == 2 and _smooth(*tried):
            return best
    first, _, last = tried
    kink = last.bend > 2 * last.noise and _lasting(first, last) and last.allows(computed)
    return Comparison(computed, last.slope, 0.0, True) if kink else best


def _weigh(computed: float, estimate: Estimate) -> Comparison:
    distance = abs(computed - estimate.slope)
    size = max(abs(computed), abs(estimate.slope))
    scale = max(size, estimate.noise / _PRECISE)
    error = distance / scale if math.isfinite(distance) else math.inf
    return Comparison(computed, estimate.slope, error, zero=size <= estimate.noise)
