"""Illnesses of the loss curve as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.findings import Change, Finding, Rule
from bpnet.insight.doctor.rules.rates import judgeable, lower, times
from bpnet.insight.doctor.rules.signals import with_relus
from bpnet.insight.doctor.rules.start import fitting_start

EXPLODED = 3.0
"""Training loss at the end over the larger of that at the start and that of a constant answer."""

FELL = 0.98
"""Training loss at the end over that of a constant answer."""


def _explodes(seen: Evidence) -> Iterator[Finding]:
    if seen.diverged:
        yield Finding(
            "loss_explodes",
            f"step {seen.steps + 1}",
            math.inf,
            EXPLODED,
            seen.diverged.partition(";")[0],
        )
        return
    curve = seen.curve("train/loss")
    end = seen.train_loss if math.isfinite(seen.train_loss) else (curve or [math.nan])[-1]
    began = [seen.base_train, seen.start.loss if seen.start is not None else math.nan, *curve[:1]]
    reference = max((v for v in began if math.isfinite(v)), default=math.nan)
    if seen.start is not None:  # the first epoch may have exploded already
        reference = max(v for v in (seen.base_train, seen.start.loss) if not math.isnan(v))
    if reference > 0 and end / reference > EXPLODED:
        yield Finding(
            "loss_explodes",
            "",
            end / reference,
            EXPLODED,
            f"the training loss ends at {end:.3g}, {end / reference:.3g} times what it was",
        )


def _contain(seen: Evidence, finding: Finding) -> Iterator[Change]:
    yield from lower(seen, finding)
    yield Change(("training.clip_norm=1",), "cap the gradient")
    yield from (change for change in fitting_start(seen, finding) if change.overrides)


LOSS_EXPLODES = Rule(
    "loss_explodes",
    "loss at the end over that at the start",
    "a loss that ends above a constant answer's is worse than no network",
    _explodes,
    _contain,
    begins=f"NaN, Inf, or a loss at the end that is {EXPLODED:g} times that at the start",
    causes=(
        "unscaled_inputs",
        "unscaled_target",
        "learning_rate_too_high",
        "initialization",
        "exploding_gradient",
    ),
)


def _stuck(seen: Evidence) -> Iterator[Finding]:
    if seen.diverged or not judgeable(seen):
        return
    end, base, what = seen.train_loss, seen.base_train, "of a constant answer"
    curve = seen.curve("train/loss")
    if math.isnan(base) or math.isnan(end):
        if len(curve) < 3:
            return
        end, base, what = curve[-1], curve[0], "of the first epoch"
    if base > 0 and end / base > FELL:
        yield Finding(
            "loss_does_not_fall",
            "",
            end / base,
            FELL,
            f"the training loss ends at {end:.4g}, {end / base:.0%} of that {what}, {base:.4g}",
        )


def _move(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    config = seen.experiment.config
    if config.model.freeze:
        yield Change(("model.freeze=[]",), "let all layers learn")
    regular = config.regularization
    if regular.l1 or regular.l2 or config.optimizer.weight_decay > 0.1:
        yield without_penalties(seen)
    yield from (change for change in fitting_start(seen, finding) if change.overrides)
    yield times(seen, 10)
    yield times(seen, 0.1)
    yield times(seen, 100)
    yield from with_relus(seen)
    yield Change((), "check that the inputs say anything about the target: bpnet data check")


def without_penalties(seen: Evidence) -> Change:
    """Return the change that drops every penalty."""
    assert seen.experiment is not None
    config = seen.experiment.config
    overrides = []
    for name in ("l1", "l2", "max_norm"):
        if getattr(config.regularization, name):
            overrides.append(f"regularization.{name}=0")
    if config.optimizer.weight_decay:
        overrides.append("optimizer.weight_decay=0")
    return Change(tuple(overrides), "let the weights grow")


LOSS_DOES_NOT_FALL = Rule(
    "loss_does_not_fall",
    "loss at the end over that of a constant answer",
    "a network that beats no constant answer has learned nothing",
    _stuck,
    _move,
    begins=f"a loss at the end above {FELL:g} of a constant answer's",
    causes=(
        "unscaled_inputs",
        "unscaled_target",
        "output_does_not_suit_loss",
        "initialization",
        "learning_rate_too_high",
        "learning_rate_too_low",
        "update_ratio",
        "dead_relu",
        "saturated_activation",
        "vanishing_gradient",
        "no_activation",
    ),
)
