"""What a schedule is, and the warm-up that all of them share.

Legend for all schedules: base the optimizer's learning rate, u the optimizer step counted from 0
at the end of the warm-up, rest the number of steps from there to the end of the training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from bpnet.errors import OptionError, RunError
from bpnet.options import NonNegative, Range, Span

Gamma = Annotated[float, Range(gt=0, le=1), "what the learning rate is multiplied by"]
Minimum = Annotated[NonNegative, "learning rate that is not undercut"]
Length = Annotated[Span | None, "steps or epochs until its end; null: the rest of the training"]


@dataclass
class Schedule:
    """How the learning rate changes; its fields are its YAML options.

    The protocol: `build` once, then `lr(step)` for any step, counted from 0. Only a schedule
    with `observes` also hears the monitored metric after each epoch. A subclass fixes its
    lengths in `plan` and says the learning rate in `after`.

    Warm-up: over its W steps the learning rate rises evenly to where the schedule starts,
    lr(s) = (s + 1) / (W + 1) after(0), so the first step isn't lost and step W is the schedule's
    step 0. What the schedule takes by default is the rest of the training.
    """

    warmup: Annotated[
        Span, "linear rise to the learning rate over this length, before the rest"
    ] = field(default_factory=lambda: Span(0, "steps"), kw_only=True)

    type: ClassVar[str]
    """The name in `SCHEDULES`, which sets it."""

    observes: ClassVar[bool] = False
    """Whether `observe` must be called after every epoch (plateau)."""

    base: float = field(init=False, repr=False, compare=False)
    total_steps: int = field(init=False, repr=False, compare=False)
    steps_per_epoch: int = field(init=False, repr=False, compare=False)
    warm: int = field(init=False, repr=False, compare=False)
    """Steps of the warm-up."""

    def build(self, learning_rate: float, total_steps: int, steps_per_epoch: int) -> None:
        """Fix the scale and the lengths.

        Parameters
        ----------
        learning_rate
            The optimizer's.
        total_steps
            Optimizer steps of the whole training. A resumed training may have another total;
            only what was left to the default length depends on it.
        steps_per_epoch
            What an epoch in a length stands for.

        Raises
        ------
        OptionError
            If the schedule is longer than the training, or its parts contradict each other.
        """
        self.base, self.total_steps = learning_rate, total_steps
        self.steps_per_epoch = steps_per_epoch
        self.warm = 0
        self.warm = self.fitting(self.warmup, "warmup", least=0)
        self.plan()

    def plan(self) -> None:
        """Turn the options into steps and rates; see `build`."""

    def after(self, u: int) -> float:
        """Return the learning rate `u` steps after the warm-up."""
        raise NotImplementedError

    def lr(self, step: int) -> float:
        """Return the learning rate of optimizer step `step`, from 0."""
        if step < self.warm:
            return self.after(0) * (step + 1) / (self.warm + 1)
        return self.after(step - self.warm)

    def observe(self, value: float, mode: str) -> None:
        """Hear the monitored metric of an epoch; `mode` is ``min`` or ``max``."""

    def state(self) -> dict[str, float]:
        """Return what `observe` changed; empty for pure schedules."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Take over what :meth:`state` returned.

        Raises
        ------
        RunError
            If it is the state of another schedule.
        """
        if state:
            raise RunError(f"{self.type} has no state, but received {', '.join(state)}")

    @property
    def rest(self) -> int:
        """Steps of the training after the warm-up; at least 1, as divisor."""
        return max(1, self.total_steps - self.warm)

    def steps(self, span: Span, *path: str | int, least: int = 1) -> int:
        """Return a length in steps.

        Raises
        ------
        OptionError
            With this path, if it is a time or shorter than `least` steps.
        """
        try:
            steps = span.steps(self.steps_per_epoch)
        except ValueError as error:
            raise OptionError(str(error), *path) from None
        if steps < least:
            raise OptionError(f"expected at least {least} step, received {steps}", *path)
        return steps

    def fitting(self, span: Span, *path: str | int, least: int = 1) -> int:
        """Return a length in steps that the training has room for after the warm-up.

        Raises
        ------
        OptionError
            With this path, as `steps`, or with both numbers if there is no room.
        """
        steps = self.steps(span, *path, least=least)
        room = self.total_steps - self.warm
        if steps > room:
            length = f"{steps} steps"
            if span.unit == "epochs":
                length = f"{span.to_yaml()} ({length})"
            held = f"the training has only {self.total_steps} steps"
            if self.warm:
                held += f", {room} after the warm-up"
            raise OptionError(
                f"{length} don't fit, as {held}; shorten it or raise training.epochs", *path
            )
        return steps

    def length_or_rest(self, length: Span | None) -> int:
        """Return the option `length` in steps, or the rest of the training."""
        return self.rest if length is None else self.fitting(length, "length")

    def check_minimum(self, minimum: float) -> None:
        """Refuse a minimum above the learning rate."""
        if minimum > self.base:
            raise OptionError(
                f"{minimum:g} is above the learning rate itself, {self.base:g}", "minimum"
            )
