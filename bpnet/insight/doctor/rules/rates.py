"""Illnesses of the step size."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bpnet.insight.doctor import places
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.findings import BETTER, SOMETHING, Change, Finding, Rule

LEARNED = 0.1
"""Training loss over that of a constant answer, below which no learning rate is too high."""

GOOD = 0.3
"""Training loss over that of a constant answer, below which none is too low: it could only be
better."""

JUMP = 0.3
"""Length of a step over the length of the weights that it moves."""

CREEP = 0.01
"""How far the weights come in the whole training, relative to their length: median step times
number of steps."""

USUAL = 1e-3
"""A usual length of a step over the length of the weights."""

TIGHT = 0.01
"""A limit of the gradient below which every step is cut short."""

ENOUGH = 50
"""Steps from which a training can be judged that was not seen to its end."""


def judgeable(seen: Evidence) -> bool:
    """Say whether there was training enough to judge its progress."""
    return bool(seen.diverged) or seen.complete or seen.steps >= ENOUGH


def rate_key(seen: Evidence) -> tuple[str, float]:
    """Return the key of the learning rate that counts, and its value."""
    assert seen.experiment is not None
    config = seen.experiment.config
    peak = getattr(config.schedule, "max_learning_rate", None)
    if peak is not None:
        return "schedule.max_learning_rate", float(peak)
    return "optimizer.learning_rate", float(config.optimizer.learning_rate)


def times(seen: Evidence, factor: float) -> Change:
    """Return the change to another learning rate."""
    key, rate = rate_key(seen)
    how = f"{factor:g} times the rate" if factor >= 1 else f"a rate {1 / factor:g} times smaller"
    return Change((f"{key}={places.rounded(rate * factor):g}",), how)


def _suspect(seen: Evidence, rule: str, how: str, learned: float) -> Iterator[Finding]:
    if seen.experiment is None or not judgeable(seen):
        return
    if seen.diverged or not seen.unlearned < learned:
        _, rate = rate_key(seen)
        yield Finding(rule, "", math.nan, BETTER, f"a learning rate of {rate:g} is too {how}")


def _too_high(seen: Evidence) -> Iterator[Finding]:
    yield from _suspect(seen, "learning_rate_too_high", "high", LEARNED)


def lower(seen: Evidence, finding: Finding) -> Iterator[Change]:
    """Yield smaller and smaller rates: three, and of a rate above 1 all down to a usual one."""
    _, rate = rate_key(seen)
    for power in range(1, 1 + max(3, math.ceil(math.log10(max(rate, 1.0))) + 3)):
        yield times(seen, 10.0**-power)


LEARNING_RATE_TOO_HIGH = Rule(
    "learning_rate_too_high",
    "share of the loss that the change leaves",
    "tried: with a smaller rate the same number of steps leaves at most 0.7 of the loss",
    _too_high,
    lower,
    begins=f"a smaller rate, tried for as many steps, leaves at most {BETTER:g} of the loss (if "
    f"nothing was learned: {SOMETHING:g} of a constant answer's)",
    causes=("unscaled_inputs", "unscaled_target", "initialization"),
    proof=True,
)


def _too_low(seen: Evidence) -> Iterator[Finding]:
    rising = seen.rate < rate_key(seen)[1] / 2 if seen.experiment is not None else False
    if not seen.diverged and not rising and not _tight_clips(seen):
        yield from _suspect(seen, "learning_rate_too_low", "low", GOOD)


def _raise(seen: Evidence, finding: Finding) -> Iterator[Change]:
    factors = {10, 100, 1000}
    moving = [ratio for ratio in seen.updates.values() if ratio > 0]
    if moving:  # what brings the steps to the usual length
        usual = 10 ** round(math.log10(USUAL / float(np.median(moving))))
        factors |= {usual, 10 * usual}
    yield from (times(seen, factor) for factor in sorted(factors) if factor >= 10)


def _tight_clips(seen: Evidence) -> list[str]:
    """Return the options that cut every gradient short."""
    if seen.experiment is None:
        return []
    training = seen.experiment.config.training
    limits = {"clip_norm": training.clip_norm, "clip_value": training.clip_value}
    return [name for name, limit in limits.items() if limit is not None and limit < TIGHT]


LEARNING_RATE_TOO_LOW = Rule(
    "learning_rate_too_low",
    "share of the loss that the change leaves",
    "tried: with a larger rate the same number of steps leaves at most 0.7 of the loss",
    _too_low,
    _raise,
    begins=f"a larger rate, likewise; from {GOOD:g} of a constant answer's loss on",
    causes=(
        "unscaled_inputs",
        "unscaled_target",
        "output_does_not_suit_loss",
        "loss_does_not_suit_target",
        "initialization",
        "dead_relu",
        "saturated_activation",
        "vanishing_gradient",
        "exploding_gradient",
    ),
    proof=True,
)


def _update_ratio(seen: Evidence) -> Iterator[Finding]:
    if not seen.updates or not judgeable(seen):
        return
    if not seen.diverged and seen.unlearned < LEARNED:
        return
    most = max(seen.updates, key=lambda name: seen.updates[name])
    if seen.updates[most] > JUMP:
        yield Finding(
            "update_ratio",
            most,
            seen.updates[most],
            JUMP,
            f"a step moves {most} by {seen.updates[most]:.2g} of its length (about {USUAL:g} is "
            "usual)",
        )
        return
    least = min(seen.updates, key=lambda name: seen.updates[name])
    steps = seen.planned or seen.steps
    way = seen.updates[least] * steps
    if way < CREEP:
        yield Finding(
            "update_ratio",
            least,
            seen.updates[least],
            CREEP / max(steps, 1),
            f"a step moves {least} by {seen.updates[least]:.2g} of its length (about {USUAL:g} "
            f"is usual), so {steps} steps move it by {way:.1%} at most",
        )


def _other_rate(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    if finding.number > JUMP:
        yield from lower(seen, finding)
        return
    clips = tuple(f"training.{option}=null" for option in _tight_clips(seen))
    if clips:
        yield Change(clips, "leave the gradient as long as it is")
    yield from _raise(seen, finding)


UPDATE_RATIO = Rule(
    "update_ratio",
    "length of a step over that of the weights",
    "Karpathy, CS231n, Neural Networks 3: ratio of updates to weights, about 1e-3",
    _update_ratio,
    _other_rate,
    begins=f"a step of more than {JUMP:g} of the weights' length; or all steps together come to "
    f"less than {CREEP:g} of it",
    causes=(
        "unscaled_inputs",
        "unscaled_target",
        "initialization",
        "dead_relu",
        "saturated_activation",
        "vanishing_gradient",
        "learning_rate_too_high",
        "learning_rate_too_low",
    ),
)
