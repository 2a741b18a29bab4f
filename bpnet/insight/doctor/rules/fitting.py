"""Illnesses of fitting too much, or too little."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from bpnet.insight.doctor import places
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.findings import BETTER, SOMETHING, Change, Finding, Rule
from bpnet.insight.doctor.rules.progress import without_penalties

LOST = 0.2
"""Part of what had been learned about new rows that is lost again by the end."""

GAP = 0.5
"""Part of what is learned about the training rows that does not hold for new rows."""

FITTED = 0.8
"""Training loss over that of a constant answer, above which there is nothing to overfit with."""

VALIDATED = 20
"""Rows that a validation part needs before its loss is taken at its word."""

COARSE = 0.25
"""Training loss over that of a constant answer, from where on a network may know too little."""


def _overfitting(seen: Evidence) -> Iterator[Finding]:
    val, train = seen.curve("val/loss"), seen.curve("train/loss")
    if len(val) < 3 or len(train) != len(val) or not _enough_rows(seen):
        return
    best = min(range(len(val)), key=lambda i: val[i])
    tail = val[-max(1, len(val) // 10) :]
    end = sum(tail) / len(tail)
    base = seen.base_val if math.isfinite(seen.base_val) else val[0]
    learned = max(base - val[best], 0.05 * base)
    if train[-1] > FITTED * (seen.base_train if math.isfinite(seen.base_train) else train[0]):
        return
    if not _stops_early(seen) and (end - val[best]) / learned > LOST and train[-1] < train[best]:
        yield Finding(
            "overfitting",
            f"after epoch {best + 1}",
            (end - val[best]) / learned,
            LOST,
            f"val/loss rises from {val[best]:.4g} in epoch {best + 1} to {end:.4g} while "
            f"train/loss falls on: {min((end - val[best]) / learned, 99.99):.0%} of what had been "
            "learned about new rows is lost",
        )
        return
    known = seen.base_train - train[best]
    if known > 0.1 * seen.base_train and (val[best] - train[best]) / known > GAP:
        gap = (val[best] - train[best]) / known
        yield Finding(
            "overfitting",
            f"epoch {best + 1}",
            gap,
            GAP,
            f"in the best epoch, {best + 1}, train/loss is {train[best]:.4g} and val/loss "
            f"{val[best]:.4g}: {gap:.0%} of what is learned does not hold for new rows",
        )


def _enough_rows(seen: Evidence) -> bool:
    if seen.experiment is None:
        return True
    validation = seen.experiment.state.validation
    return validation is not None and len(validation) >= VALIDATED


def _stops_early(seen: Evidence) -> bool:
    if seen.experiment is None:
        return False
    early = seen.experiment.config.early_stopping
    return early is not None and early.restore_best and early.monitor.startswith("val/")


def _restrain(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    stop: tuple[str, ...] = ("early_stopping={patience: 10}",)
    if not _stops_early(seen):
        yield Change(stop, "stop when the validation loss does, and keep that epoch")
    else:
        stop = ()
    for l2 in (1e-3, 1e-2, 1e-1):
        if l2 > seen.experiment.config.regularization.l2:
            yield Change((*stop, f"regularization.l2={l2:g}"), "keep the weights small")
    smaller = _units(seen, 0.25)
    if smaller:
        yield Change((*stop, *smaller), "make the network smaller")
    yield Change((), "get more training rows")


def _units(seen: Evidence, factor: float) -> tuple[str, ...]:
    """Return the overrides that scale the hidden layers' units."""
    assert seen.experiment is not None
    layers: list[Any] = list(seen.experiment.config.model.layers)
    if any(layer.type == "residual" for layer in layers):
        return ()
    dense = [i for i, layer in enumerate(layers) if isinstance(getattr(layer, "units", None), int)]
    last = max(
        (i for i, layer in enumerate(layers) if hasattr(layer, "units")), default=len(layers)
    )
    return tuple(
        f"model.layers.{i}.units={max(2, round(layers[i].units * factor))}"
        for i in dense
        if i != last
    )


OVERFITTING = Rule(
    "overfitting",
    "share of what was learned that does not hold for new rows",
    "Prechelt, Early Stopping - But When? (1998): generalization loss",
    _overfitting,
    _restrain,
    begins=f"{LOST:g} of what was learned about new rows is lost again, or {GAP:g} of what is "
    "learned holds for the training rows only",
    causes=("initialization", "learning_rate_too_high", "loss_explodes", "class_imbalance"),
)


def _underfitting(seen: Evidence) -> Iterator[Finding]:
    if seen.experiment is None or not seen.complete or seen.diverged:
        return
    if not seen.unlearned < COARSE:
        yield Finding(
            "underfitting",
            "",
            math.nan,
            BETTER,
            f"the training loss ends at {seen.unlearned:.0%} of a constant answer's, and less "
            "restraint, more units or more epochs would help",
        )


def _free(seen: Evidence, finding: Finding) -> Iterator[Change]:
    assert seen.experiment is not None
    penalties = without_penalties(seen)
    if penalties.overrides:
        yield penalties
    drops = tuple(
        f"{key}.rate=0"
        for key, layer in places.layers(seen.experiment).values()
        if layer.type == "dropout"
    )
    if drops:
        yield Change(drops, "drop out no units")
    wider = _units(seen, 4)
    layers: list[Any] = places.written_layers(seen.experiment)
    if wider:
        yield Change(wider, "give the hidden layers four times the units")
        yield Change(_units(seen, 16), "give the hidden layers sixteen times the units")
    elif len(layers) and not any(hasattr(layer, "units") for layer in _hidden(seen)):
        hidden = [{"type": "dense", "units": 64}, {"type": "relu"}]
        yield Change((places.whole([*layers[:-1], *hidden, layers[-1]]),), "add a hidden layer")
    epochs = 4 * seen.experiment.config.training.epochs
    yield Change((f"training.epochs={epochs}",), "train four times as long")


def _hidden(seen: Evidence) -> list[Any]:
    assert seen.experiment is not None
    return list(seen.experiment.config.model.layers[:-1])


UNDERFITTING = Rule(
    "underfitting",
    "share of the loss that the change leaves",
    "tried: with more freedom the loss on new rows is at most 0.7 of what it is",
    _underfitting,
    _free,
    begins=f"fewer penalties, more units or more epochs, tried, leave at most {BETTER:g} of the "
    f"loss (if nothing was learned: {SOMETHING:g} of a constant answer's)",
    causes=(
        "unscaled_inputs",
        "unscaled_target",
        "output_does_not_suit_loss",
        "loss_does_not_suit_target",
        "no_activation",
        "initialization",
        "learning_rate_too_high",
        "learning_rate_too_low",
        "dead_relu",
        "saturated_activation",
        "vanishing_gradient",
        "loss_does_not_fall",
    ),
    proof=True,
)
