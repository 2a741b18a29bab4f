"""The schedule that waits for the metric to stall."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from bpnet.errors import RunError
from bpnet.optim.schedules.base import Minimum, Schedule
from bpnet.options import NonNegative, Range

SMALLEST_DROP = 1e-8
"""A learning rate that would drop by no more stays, as in PyTorch."""

Count = Annotated[int, Range(ge=0)]


@dataclass
class Plateau(Schedule):
    """Shrink when the monitored metric has not improved for more than `patience` epochs.

    PyTorch's ReduceLROnPlateau, except that a relative threshold always asks for an
    improvement, also of a negative metric (there PyTorch's lets it get worse). NaN and infinite
    values are no improvement; epochs of the warm-up don't count as stalled.
    """

    factor: Annotated[float, Range(gt=0, lt=1), "what the learning rate is multiplied by"] = 0.1
    patience: Annotated[Count, "epochs without improvement that are waited out"] = 10
    threshold: Annotated[NonNegative, "improvement that counts"] = 1e-4
    threshold_mode: Annotated[
        Literal["relative", "absolute"], "relative: the threshold is a part of the best value"
    ] = "relative"
    cooldown: Annotated[Count, "epochs after a drop in which stalling doesn't count"] = 0
    minimum: Minimum = 0

    observes = True

    scale: float = field(default=1.0, init=False, repr=False, compare=False)
    """Product of all drops so far."""
    best: float | None = field(default=None, init=False, repr=False, compare=False)
    stalled: int = field(default=0, init=False, repr=False, compare=False)
    """Epochs since the best, as far as they count."""
    cooling: int = field(default=0, init=False, repr=False, compare=False)
    """Epochs of cooldown that are left."""
    heard: int = field(default=0, init=False, repr=False, compare=False)
    """Epochs observed."""

    def plan(self) -> None:
        self.check_minimum(self.minimum)
        self.scale, self.best = 1.0, None
        self.stalled = self.cooling = self.heard = 0

    def after(self, u: int) -> float:
        return max(self.base * self.scale, self.minimum)

    def observe(self, value: float, mode: str) -> None:
        """Hear the monitored metric of an epoch; `mode` is ``min`` or ``max``."""
        self.heard += 1
        if self._improves(value, mode):
            self.best = value
            self.stalled = 0
        else:
            self.stalled += 1
        if self.cooling:
            self.cooling -= 1
            self.stalled = 0
        if self.heard * self.steps_per_epoch <= self.warm:
            self.stalled = 0
        if self.stalled > self.patience:
            self._drop()

    def _improves(self, value: float, mode: str) -> bool:
        if not math.isfinite(value) or self.best is None:
            return math.isfinite(value)
        margin = self.threshold * (abs(self.best) if self.threshold_mode == "relative" else 1)
        return value < self.best - margin if mode == "min" else value > self.best + margin

    def _drop(self) -> None:
        lower = max(self.base * self.scale * self.factor, self.minimum)
        if self.after(0) - lower > SMALLEST_DROP:
            self.scale *= self.factor
        self.cooling = self.cooldown
        self.stalled = 0

    def state(self) -> dict[str, float]:
        counts = {name: float(getattr(self, name)) for name in ("stalled", "cooling", "heard")}
        best = {} if self.best is None else {"best": self.best}
        return {"scale": self.scale, **counts, **best}

    def restore(self, state: dict[str, float]) -> None:
        if state.keys() - {"best"} != {"scale", "stalled", "cooling", "heard"}:
            raise RunError(
                f"this is not the state of {self.type}: received {', '.join(state) or 'nothing'}"
            )
        if not (0 < state["scale"] <= 1 and all(state[n] >= 0 for n in state if n != "best")):
            raise RunError(f"the state of {self.type} is impossible: {state}")
        self.scale = state["scale"]
        self.best = state.get("best")
        self.stalled, self.cooling, self.heard = (
            int(state[name]) for name in ("stalled", "cooling", "heard")
        )
