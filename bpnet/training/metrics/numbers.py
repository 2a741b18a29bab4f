"""Metrics of numbers, in the target's own units; with several columns, the mean over them.

All equal scikit-learn's functions: `root_mean_squared_error`, `mean_absolute_error`, `r2_score`
and `mean_absolute_percentage_error`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind
from bpnet.training.metrics.base import Metric


@dataclass
class NumberMetric(Metric):
    """What the metrics of numbers share: a figure for each column, then their mean."""

    kinds: ClassVar[tuple[TargetKind, ...]] = ("number",)
    mode: ClassVar[Literal["max", "min"]] = "min"

    def measure(self, target: Array, output: Array, weight: Array | None) -> float:
        target, output = target.astype(np.float64), output.astype(np.float64)
        return float(self.columns(target, output, weight).mean())

    def columns(self, target: Array, output: Array, weight: Array | None) -> Array:
        """Return the figure of each column, ``(K,)``, from float64 values ``(N, K)``."""
        raise NotImplementedError


@dataclass
class RMSE(NumberMetric):
    """The root of the mean squared error."""

    def columns(self, target: Array, output: Array, weight: Array | None) -> Array:
        root: Array = np.sqrt(np.average((output - target) ** 2, axis=0, weights=weight))
        return root


@dataclass
class MAE(NumberMetric):
    """The mean absolute error."""

    def columns(self, target: Array, output: Array, weight: Array | None) -> Array:
        return np.average(np.abs(output - target), axis=0, weights=weight)


@dataclass
class R2(NumberMetric):
    """The fraction of the target's variance that is explained: 1 is perfect, 0 its mean's.

    NaN for a single row. Of a constant target: 1 where the output is exact, else 0.
    """

    mode: ClassVar[Literal["max", "min"]] = "max"

    def columns(self, target: Array, output: Array, weight: Array | None) -> Array:
        if len(target) < 2:
            return np.array([np.nan])
        middle = np.average(target, axis=0, weights=weight)
        error = np.average((output - target) ** 2, axis=0, weights=weight)
        spread = np.average((target - middle) ** 2, axis=0, weights=weight)
        spread[target.min(axis=0) == target.max(axis=0)] = 0  # whatever the mean's rounding
        unexplained = np.where(error > 0, 1.0, 0.0)
        return 1 - np.divide(error, spread, out=unexplained, where=spread > 0)


@dataclass
class MAPE(NumberMetric):
    """The mean absolute error as a fraction (not in percent) of the target's size.

    A target of 0 counts as 2.2e-16, so one such row makes the figure huge.
    """

    def columns(self, target: Array, output: Array, weight: Array | None) -> Array:
        size = np.maximum(np.abs(target), np.finfo(np.float64).eps)
        return np.average(np.abs(output - target) / size, axis=0, weights=weight)
