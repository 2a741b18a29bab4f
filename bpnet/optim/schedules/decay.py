"""Schedules that shrink the learning rate bit by bit, without an end."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from typing import Annotated

from bpnet.optim.schedules.base import Gamma, Schedule
from bpnet.options import Span


@dataclass
class Constant(Schedule):
    """Keep the learning rate: lr = base."""

    def after(self, u: int) -> float:
        return self.base


@dataclass
class StepDecay(Schedule):
    """Shrink at regular intervals: lr = base gamma^floor(u / every). PyTorch's StepLR."""

    every: Annotated[Span, "steps or epochs from drop to drop"]
    gamma: Gamma = 0.1

    def plan(self) -> None:
        self.interval = self.fitting(self.every, "every")

    def after(self, u: int) -> float:
        return self.base * math.pow(self.gamma, u // self.interval)


@dataclass
class MultiStep(Schedule):
    """Shrink at given points: lr = base gamma^(milestones up to u). PyTorch's MultiStepLR."""

    milestones: Annotated[list[Span], "when it drops, in steps or epochs after the warm-up"]
    gamma: Gamma = 0.1

    def plan(self) -> None:
        self.points = sorted(
            self.fitting(point, "milestones", i) for i, point in enumerate(self.milestones)
        )

    def after(self, u: int) -> float:
        return self.base * math.pow(self.gamma, bisect.bisect_right(self.points, u))


@dataclass
class Exponential(Schedule):
    """Shrink smoothly: lr = base gamma^(u / every). PyTorch's ExponentialLR, for `every` 1 step."""

    gamma: Gamma
    every: Annotated[Span, "steps or epochs in which it shrinks by gamma"] = field(
        default_factory=lambda: Span(1, "epochs")
    )

    def plan(self) -> None:
        self.interval = self.steps(self.every, "every")

    def after(self, u: int) -> float:
        return self.base * math.pow(self.gamma, u / self.interval)


@dataclass
class InverseSqrt(Schedule):
    """Shrink like one over the root of time: lr = base sqrt(T / (T + u)), T the `timescale`.

    After a warm-up of T steps this is Vaswani et al. (2017, arXiv:1706.03762, eq. 3), with the
    optimizer's learning rate as its peak.
    """

    timescale: Annotated[
        Span | None,
        "steps or epochs until the learning rate has shrunk to 71 %; null: as long as the "
        "warm-up, or 1 epoch if there is none",
    ] = None

    def plan(self) -> None:
        default = self.warm or self.steps_per_epoch
        self.scale = default if self.timescale is None else self.steps(self.timescale, "timescale")

    def after(self, u: int) -> float:
        return self.base * math.sqrt(self.scale / (self.scale + u))
