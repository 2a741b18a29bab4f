"""What `bpnet eval` shows beside the metrics: who is confused with whom, and how far off.

Legend: N rows, K outputs, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind
from bpnet.training.metrics.classes import Decisions, class_pairs


def confusion_matrix(
    kind: TargetKind, target: Array, output: Array, weight: Array | None = None
) -> Array:
    """Count the rows of each class (down) that were taken for each class (across), ``(C, C)``.

    A binary target has the classes no and yes. Of several labels, take one column of `target`
    and `output` at a time. Whole numbers, or sums of weights where rows have them.
    """
    predicted, true, classes = class_pairs(kind, target, output)
    counts = np.bincount(true * classes + predicted, weight, classes * classes)
    return counts.reshape(classes, classes)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class or label is recognized; `rows` is how many there are of it."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: float


def class_scores(
    kind: TargetKind,
    names: Sequence[str],
    target: Array,
    output: Array,
    weight: Array | None = None,
) -> list[ClassScore]:
    """Score each class (no and yes of a binary target) or each label by itself."""
    found = Decisions.count(kind, target, output, weight)
    columns = (found.precision(), found.recall(), found.f1(), found.due)
    figures = np.stack(columns, axis=1).tolist()
    return [ClassScore(name, *row) for name, row in zip(names, figures, strict=True)]


@dataclass(frozen=True, slots=True)
class Residuals:
    """How the errors (output - truth) of one column are spread, in its own units."""

    name: str
    mean: float
    std: float
    low: float
    """The lowest."""
    q05: float
    q25: float
    median: float
    q75: float
    q95: float
    high: float
    """The highest."""


def residuals(names: Sequence[str], target: Array, output: Array) -> list[Residuals]:
    """Summarize the errors of each column; `target` and `output` are ``(N, K)``, N at least 1."""
    error = output.astype(np.float64) - target
    quantiles = np.quantile(error, (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), axis=0)
    figures = np.vstack((error.mean(axis=0), error.std(axis=0), quantiles)).T.tolist()
    return [Residuals(name, *row) for name, row in zip(names, figures, strict=True)]
