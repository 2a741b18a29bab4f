"""Schedules that go from one learning rate to another over a length, and stay there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from bpnet.optim.schedules.base import Length, Minimum, Schedule
from bpnet.options import NonNegative, Positive, PositiveInt, Range, Span

Factor = Range(ge=0, le=1)


@dataclass
class Polynomial(Schedule):
    """Fall like a power of the time left: lr = end + (base - end) (1 - u / length)^power.

    PyTorch's PolynomialLR, which has no `end`.
    """

    power: Annotated[Positive, "1: a straight line; more: fast first, then slow"] = 1.0
    end: Annotated[NonNegative, "learning rate at the end"] = 0
    length: Length = None

    def plan(self) -> None:
        self.last = self.length_or_rest(self.length)

    def after(self, u: int) -> float:
        left = max(0.0, 1 - u / self.last)
        return self.end + (self.base - self.end) * math.pow(left, self.power)


@dataclass
class Linear(Schedule):
    """Go in a straight line from one multiple of the learning rate to another.

    lr = base (start_factor + (end_factor - start_factor) u / length): PyTorch's LinearLR, but by
    default it falls to 0.
    """

    start_factor: Annotated[float, Factor, "multiple of the learning rate at the start"] = 1.0
    end_factor: Annotated[float, Factor, "multiple of the learning rate at the end"] = 0.0
    length: Length = None

    def plan(self) -> None:
        self.last = self.length_or_rest(self.length)

    def after(self, u: int) -> float:
        done = min(1.0, u / self.last)
        return self.base * (self.start_factor + (self.end_factor - self.start_factor) * done)


@dataclass
class Cosine(Schedule):
    """Fall along half a cosine: lr = minimum + (base - minimum) (1 + cos(pi u / length)) / 2.

    PyTorch's CosineAnnealingLR up to `length`; then it stays at the minimum (Loshchilov and
    Hutter, 2017, arXiv:1608.03983, eq. 5).
    """

    minimum: Minimum = 0
    length: Length = None

    def plan(self) -> None:
        self.check_minimum(self.minimum)
        self.last = self.length_or_rest(self.length)

    def after(self, u: int) -> float:
        return cosine(self.base, self.minimum, min(1.0, u / self.last))


@dataclass
class CosineRestarts(Schedule):
    """Fall along half a cosine again and again, each time `multiplier` times as long.

    PyTorch's CosineAnnealingWarmRestarts (Loshchilov and Hutter, 2017, arXiv:1608.03983).
    """

    period: Annotated[Span, "steps or epochs until the first restart"]
    multiplier: Annotated[PositiveInt, "how much longer each period is than the one before"] = 1
    minimum: Minimum = 0

    def plan(self) -> None:
        self.check_minimum(self.minimum)
        self.first = self.fitting(self.period, "period")

    def after(self, u: int) -> float:
        period = self.first
        if self.multiplier == 1:
            u %= period
        while u >= period:
            u -= period
            period *= self.multiplier
        return cosine(self.base, self.minimum, u / period)


@dataclass
class OneCycle(Schedule):
    """Rise to a peak, then fall to almost nothing, over the rest of the training.

    From peak / div_factor to the peak, then to peak / div_factor / final_div_factor in the last
    step: PyTorch's OneCycleLR, which also moves the momentum, as this doesn't (Smith and Topin,
    2018, arXiv:1708.07120).
    """

    max_learning_rate: Annotated[
        Positive | None, "the peak; null: the optimizer's learning rate"
    ] = None
    pct_start: Annotated[float, Factor, "part of the steps in which it rises"] = 0.3
    div_factor: Annotated[Positive, "peak over start"] = 25.0
    final_div_factor: Annotated[Positive, "start over end"] = 1e4
    anneal: Annotated[Literal["cos", "linear"], "the shape of both parts"] = "cos"

    def plan(self) -> None:
        self.peak = self.base if self.max_learning_rate is None else self.max_learning_rate
        self.start = self.peak / self.div_factor
        self.end = self.start / self.final_div_factor
        self.turn = self.pct_start * self.rest - 1

    def after(self, u: int) -> float:
        last = self.rest - 1
        if u <= self.turn:
            return self._between(self.start, self.peak, u, self.turn)
        return self._between(self.peak, self.end, min(u, last) - self.turn, last - self.turn)

    def _between(self, start: float, end: float, done: float, length: float) -> float:
        part = done / length if length else 1.0
        if self.anneal == "cos":
            return cosine(start, end, part)
        return start + (end - start) * part


def cosine(start: float, end: float, part: float) -> float:
    """Return the point at `part` (0 to 1) of half a cosine from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
