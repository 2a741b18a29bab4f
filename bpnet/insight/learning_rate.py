"""A learning-rate range test: the rate grows with every step, and the loss tells how far it may.

Smith, "Cyclical learning rates for training neural networks" (2017), arXiv:1506.01186, section 3.3;
in exponential steps, as in fastai. Two known failures of such finders are avoided. A running
average lags behind and so moves the curve to larger rates; here the curve is smoothed evenly to
both sides once all of it is there. And the steepest single difference of a noisy curve may be
anywhere; here a fall counts only if it stands out from the noise of the steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bpnet.errors import DivergedError, UsageError
from bpnet.insight.untouched import untouched
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.optim.schedules.base import Schedule
from bpnet.streams import stream
from bpnet.training.events import StepEnd
from bpnet.training.fit import learn
from bpnet.training.guard import Guard
from bpnet.training.state import TrainingState

LOWEST, HIGHEST = 1e-6, 100.0
"""The rates between which the test runs by default; it stops where the loss explodes."""

STEPS = 240
"""Steps of the test by default: 30 for each factor of 10."""

EXPLODED = 4.0
"""The smoothed loss over its least so far, from where on it has exploded (as in fastai)."""

WIDTH = 0.15
"""Standard deviation of the smoothing, in factors of 10."""

FALL = 0.05
"""Part of the first loss by which the loss must fall."""

NOISE = 4.0
"""How many standard errors of the smoothed loss it must fall by."""

DONE = 0.98
"""Part of the fall that is done where the suggestion is measured from. The very lowest point may be
far away: once a small data set is learned, its loss is near 0 at any rate."""

BELOW = 3.0
"""How far below that rate the suggestion is, as the edge is not much further above. Chosen on 82
configs with nine optimizers: 400 steps with it left, in the mean, 1.5 % of a constant answer's loss
more than the best of fourteen rates; a tenth of the rate with the least loss left 7 %, the steepest
point 6 %."""


@dataclass
class RangeTest:
    """The curve of a range test, and what follows from it.

    Attributes
    ----------
    rates, losses
        Of every step that was taken, ``(S,)``.
    smoothed
        The losses without most of their noise, ``(S,)``.
    stopped
        Why it stopped: ``exploded``, ``diverged`` (NaN or Inf) or ``end`` of the range.
    suggestion
        A learning rate; None if none can be read from the curve.
    reason
        Why that one, or why none.
    """

    rates: Array
    losses: Array
    smoothed: Array
    stopped: str
    suggestion: float | None = None
    reason: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class _Growth(Schedule):
    """The learning rate of the test: low (high / low)^(u / (steps - 1)), from a certain step on."""

    low: float = LOWEST
    high: float = HIGHEST
    steps_in_all: int = STEPS
    first: int = 0

    def after(self, u: int) -> float:
        part = (u - self.first) / max(self.steps_in_all - 1, 1)
        return self.low * math.pow(self.high / self.low, part)


def find_learning_rate(
    state: TrainingState,
    *,
    low: float = LOWEST,
    high: float = HIGHEST,
    steps: int = STEPS,
) -> RangeTest:
    """Train with a learning rate that grows with each step; then put everything back.

    Weights, running statistics, the optimizer's vectors, random streams and the place in the epoch
    are afterwards what they were, to the last bit.

    Parameters
    ----------
    state
        The training, as it stands.
    low, high
        The first and the last learning rate.
    steps
        How many steps; data with fewer batches is gone through again.

    Raises
    ------
    UsageError
        If the range is none.
    """
    if not (0 < low < high <= 1e6):
        raise UsageError(
            "--from and --to: expected two rates above 0, the second larger and at most 1e6, "
            f"received {low:g} and {high:g}"
        )
    if steps < FEWEST:
        raise UsageError(f"--steps: expected {FEWEST} or more, received {steps}")
    with untouched(state):
        rates, losses, stopped = _run(state, low, high, steps)
    smoothed = smooth(rates, losses)
    test = RangeTest(rates, losses, smoothed, stopped)
    _suggest(test)
    return test


FEWEST = 20
"""Steps of a test, at least."""


def _run(state: TrainingState, low: float, high: float, steps: int) -> tuple[Array, Array, str]:
    schedule = _Growth(low=low, high=high, steps_in_all=steps, first=state.step)
    schedule.build(low, steps, state.batches.steps)
    state.schedule = schedule
    rates: list[float] = []
    losses: list[float] = []
    done, guard = StepEnd(), Guard(state)
    order = state.batches.order(state.epoch)
    step = Pass(train=True, rng=state.dropout)
    running = least = math.nan
    for _ in range(steps):
        if state.position >= state.batches.steps:
            state.epoch, state.position = state.epoch + 1, 0
            order = state.batches.order(state.epoch)
            if state.dropout is not None:
                state.dropout = step.rng = stream(state.control.seed, "dropout", state.epoch)
        try:
            learn(state, order, step, done, guard, state.replicas())
        except DivergedError:
            return np.array(rates), np.array(losses), "diverged"
        rates.append(done.lr)
        losses.append(done.loss)
        # A short memory: the end must show soon, and the curve itself is smoothed afterwards.
        running = done.loss if math.isnan(running) else 0.7 * running + 0.3 * done.loss
        least = running if math.isnan(least) else min(least, running)
        if running > EXPLODED * max(least, FALL * losses[0]):
            return np.array(rates), np.array(losses), "exploded"
    return np.array(rates), np.array(losses), "end"


def smooth(rates: Array, losses: Array) -> Array:
    """Return the mean of the losses around every rate, by a normal curve of `WIDTH`."""
    if not len(rates):
        return losses.copy()
    place = np.log10(rates)
    near = np.exp(-0.5 * np.square((place[:, None] - place[None, :]) / WIDTH))
    # Losses that differ by magnitudes, as at the edge, are averaged by their size.
    with np.errstate(all="ignore"):
        logs = np.log(np.maximum(losses, 1e-30))
        means: Array = np.exp(near @ logs / near.sum(axis=1))
    return means


def _suggest(test: RangeTest) -> None:
    """Read a learning rate from the curve, or say why none can be."""
    rates, smoothed = test.rates, test.smoothed
    if len(rates) < FEWEST // 2:
        if test.stopped == "end":
            test.reason = "there are too few steps"
        else:
            test.reason = (
                f"the loss {test.stopped} within {len(rates) + 1} steps at a rate of "
                f"{rates[-1] if len(rates) else 0:.1e}: begin with a lower rate, and look at the "
                "data and the initialization (bpnet doctor)"
            )
        return
    first = float(np.median(test.losses[: max(5, len(rates) // 20)]))
    lowest = int(smoothed.argmin())
    fall = first - float(smoothed[lowest])
    error = _standard_error(test)
    if first <= 0 or fall < FALL * first:
        test.reason = (
            f"the loss does not fall: it begins at {first:.4g} and comes no lower than "
            f"{smoothed[lowest]:.4g} at any rate; look at bpnet doctor"
        )
        return
    if fall < NOISE * error:
        test.reason = (
            f"the loss falls by {fall:.3g}, which does not stand out from its noise of "
            f"{error:.3g} (standard error); try more steps or a larger training.batch_size"
        )
        return
    near = int(np.argmax(smoothed <= first - DONE * fall))
    at = float(rates[near])
    if test.stopped == "end" and math.log10(rates[-1] / at) < WIDTH:
        test.notes.append(
            f"the loss still falls at the highest rate, {rates[-1]:.3g}: the range may go further"
        )
    test.suggestion = float(f"{at / BELOW:.2g}")
    test.reason = f"a third of {at:.2g}, where {DONE:.0%} of the fall is done"


def _standard_error(test: RangeTest) -> float:
    """Return how far off the smoothed loss may be, from how the steps scatter around it."""
    apart = np.abs(test.losses - test.smoothed)
    spread = 1.4826 * float(np.median(apart))
    span = math.log10(test.rates[-1] / test.rates[0]) or 1.0
    together = max(1.0, len(test.rates) / span * WIDTH * math.sqrt(4 * math.pi))
    return spread / math.sqrt(together)
