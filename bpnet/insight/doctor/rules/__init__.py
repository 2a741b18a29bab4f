"""The rules of the doctor: a closed table, the likeliest causes first."""

from __future__ import annotations

from bpnet.insight.doctor.findings import Rule
from bpnet.insight.doctor.rules import data, fitting, output, progress, rates, signals, start

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        data.UNSCALED_INPUTS,
        data.UNSCALED_TARGET,
        output.OUTPUT_DOES_NOT_SUIT_LOSS,
        output.LOSS_DOES_NOT_SUIT_TARGET,
        output.NO_ACTIVATION,
        start.INITIALIZATION,
        signals.DEAD_RELU,
        signals.SATURATED_ACTIVATION,
        signals.VANISHING_GRADIENT,
        signals.EXPLODING_GRADIENT,
        rates.LEARNING_RATE_TOO_HIGH,
        rates.LEARNING_RATE_TOO_LOW,
        rates.UPDATE_RATIO,
        progress.LOSS_EXPLODES,
        progress.LOSS_DOES_NOT_FALL,
        data.CLASS_IMBALANCE,
        fitting.OVERFITTING,
        fitting.UNDERFITTING,
    )
}
"""Every rule by its name, in the order in which findings are told."""
