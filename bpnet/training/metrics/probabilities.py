"""Metrics of probabilities: how well they rank, and how far they are from the truth.

All equal scikit-learn's functions of the same names (brier: `brier_score_loss`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind
from bpnet.training.metrics.base import Metric, is_positive, mean, true_class


@dataclass
class RocAuc(Metric):
    """The area under the ROC curve: how likely a row of a class gets a higher score than another.

    Each class is set against the rest; equal scores count half (Mann & Whitney 1947). NaN where
    a class has no row (unless weighted) or all of them.
    """

    kinds: ClassVar[tuple[TargetKind, ...]] = ("class", "binary")
    mode: ClassVar[Literal["max", "min"]] = "max"

    average: Annotated[
        Literal["macro", "micro", "weighted"],
        "macro: mean over the classes; weighted: mean by the classes' rows; micro: all classes' "
        "scores ranked together",
    ] = "macro"

    @property
    def key(self) -> str:
        return self.type if self.average == "macro" else f"{self.type}_{self.average}"

    def measure(self, target: Array, output: Array, weight: Array | None) -> float:
        if self.kind == "class":
            belongs = true_class(target)[:, None] == np.arange(output.shape[1])
        else:
            belongs = is_positive(target)
        if output.shape[1] == 1:
            return roc_auc(belongs[:, 0], output[:, 0], weight)
        if self.average == "micro":
            repeated = None if weight is None else np.repeat(weight, output.shape[1])
            return roc_auc(belongs.ravel(), output.ravel(), repeated)
        areas = [
            roc_auc(mine, score, weight) for mine, score in zip(belongs.T, output.T, strict=True)
        ]
        if self.average == "macro":
            return float(np.mean(areas))
        rows = np.ones(len(output)) if weight is None else weight.astype(np.float64)
        share = rows @ belongs
        there = share > 0
        return (
            float(np.average(np.array(areas)[there], weights=share[there])) if there.any() else 0.0
        )


def roc_auc(positive: Array, score: Array, weight: Array | None = None) -> float:
    """Return the area under the ROC curve of one score; NaN without both sorts of rows.

    Parameters
    ----------
    positive
        Whether each row is positive, bool ``(N,)``.
    score
        Higher where it should be positive, ``(N,)``.
    weight
        Weight of each row, ``(N,)``.
    """
    order = np.argsort(score)
    score, positive = score[order], positive[order]
    if weight is None:
        yes, no = np.cumsum(positive), np.cumsum(~positive)
    else:
        weight = weight[order].astype(np.float64)
        yes, no = np.cumsum(weight * positive), np.cumsum(weight * ~positive)
    last = np.append(score[1:] != score[:-1], True)  # of equal scores
    yes, no = yes[last].astype(np.float64), no[last].astype(np.float64)
    if yes[-1] == 0 or no[-1] == 0:
        return float("nan")
    steps = np.diff(yes, prepend=0.0)
    heights = no - 0.5 * np.diff(no, prepend=0.0)
    return float(steps @ heights / (yes[-1] * no[-1]))


@dataclass
class LogLoss(Metric):
    """The mean of -log of the probability that the truth got.

    Probabilities are kept one rounding error (of their own precision) away from 0 and 1. With
    several labels, the mean over them.
    """

    kinds: ClassVar[tuple[TargetKind, ...]] = ("class", "binary")
    mode: ClassVar[Literal["max", "min"]] = "min"

    def measure(self, target: Array, output: Array, weight: Array | None) -> float:
        epsilon = float(np.finfo(output.dtype).eps)
        p = np.clip(output.astype(np.float64), epsilon, 1 - epsilon)
        if self.kind == "binary":
            loss = -np.log(np.where(is_positive(target), p, 1 - p)).mean(axis=1)
        elif target.ndim == 1:
            loss = -np.log(np.take_along_axis(p, target[:, None], axis=1)[:, 0])
        else:
            loss = -np.einsum("nk,nk->n", target, np.log(p))
        return mean(loss, weight)


@dataclass
class Brier(Metric):
    """The mean squared distance of the probabilities from the truth (Brier 1950).

    Summed over the classes where there are three or more; of two classes, one counts. With
    several labels, the mean over them.
    """

    kinds: ClassVar[tuple[TargetKind, ...]] = ("class", "binary")
    mode: ClassVar[Literal["max", "min"]] = "min"

    def measure(self, target: Array, output: Array, weight: Array | None) -> float:
        off = output.astype(np.float64)
        if target.ndim == 1:
            off[np.arange(len(off)), target] -= 1
        else:
            off -= target
        square = np.einsum("nk,nk->n", off, off)
        if self.kind == "binary" or off.shape[1] == 2:
            square /= off.shape[1]
        return mean(square, weight)
