"""What the doctor found, as values for scripts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from bpnet.insight.doctor.evidence import Evidence, Look
from bpnet.insight.doctor.findings import Finding
from bpnet.insight.doctor.rules import RULES


def as_json(subject: str, seen: Evidence, findings: list[Finding]) -> dict[str, Any]:
    """Return everything that was seen and found as JSON values."""
    return {
        "subject": subject,
        "findings": [_finding(finding) for finding in findings],
        "not_looked_at": seen.gaps,
        "training": {
            "steps": seen.steps,
            "planned_steps": seen.planned,
            "epochs": len(seen.rows),
            "complete": seen.complete,
            "diverged": seen.diverged or None,
            "train_loss": seen.train_loss,
            "val_loss": seen.val_loss,
            "best_val_loss": seen.best_val,
            "constant_train_loss": seen.base_train,
            "constant_val_loss": seen.base_val,
            "learning_rate": seen.rate,
        },
        "start": _look(seen.start),
        "end": _look(seen.end),
        "updates": seen.updates,
        "recall": {name: share for name, (share, _) in seen.recall.items()},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    change = finding.change
    return {
        "rule": finding.rule,
        "where": finding.where,
        "measure": finding.measure or RULES[finding.rule].measure,
        "number": finding.number,
        "threshold": finding.threshold,
        "text": finding.text,
        "change": list(change.overrides) if change is not None else [],
        "advice": change.advice if change is not None else "",
        "tried": finding.tried,
        "effect": finding.effect,
        "follows": finding.follows,
        "source": RULES[finding.rule].source,
    }


def _look(look: Look | None) -> dict[str, Any] | None:
    if look is None:
        return None
    return {
        "rows": look.rows,
        "loss": look.loss,
        "gradient_ratio": look.gradient_ratio,
        "layers": [dataclasses.asdict(layer) for layer in look.layers],
    }


def layer_rows(seen: Evidence) -> list[list[str]]:
    """Return a row of text for every layer: name, size, dead or flat, gradient, update."""
    start = seen.start
    if start is None:
        return []
    looks = [look for look in (start, seen.end) if look is not None]
    updates = {name.rpartition(".")[0]: value for name, value in seen.updates.items()}
    rows = []
    for layers in zip(*(look.layers for look in looks), strict=True):
        idle = [_share(layer.dead, layer.saturated) for layer in layers]
        name = layers[0].name
        rows.append(
            [
                name,
                _written(*(layer.size for layer in layers)),
                " -> ".join(idle) if any(idle) else "",
                _written(*(layer.delta for layer in layers)),
                f"{updates[name]:.1e}" if name in updates else "",
            ]
        )
    return rows


def _share(dead: float, saturated: float) -> str:
    value = saturated if math.isnan(dead) else dead
    return "" if math.isnan(value) else f"{value:.0%}"


def _written(*values: float) -> str:
    """Write a number of the start, and of the end if it was looked at."""
    if all(map(math.isnan, values)):
        return ""
    return " -> ".join(f"{value:.3g}" for value in values)
