"""How good probabilities and decisions are: curves over all thresholds, calibration, intervals.

Legend: N rows, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bpnet.nn.arena import Array


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve over all thresholds, ``(P,)`` points, and the area below it."""

    x: Array
    y: Array
    area: float


def threshold_curves(positive: Array, score: Array, weight: Array | None) -> tuple[Curve, Curve]:
    """Return the ROC curve and the precision-recall curve of one score.

    The second area is the average precision: the sum of precision times the gain in recall.
    Both equal scikit-learn's.

    Parameters
    ----------
    positive
        Whether each row is positive, bool ``(N,)``; some must be, and some not.
    score
        Higher where it should be positive, ``(N,)``.
    weight
        Weight of each row, ``(N,)``.
    """
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    mass = np.ones(len(score)) if weight is None else weight[order].astype(np.float64)
    last = np.append(score[1:] != score[:-1], True)  # of equal scores
    hits, misses = np.cumsum(mass * positive)[last], np.cumsum(mass * ~positive)[last]
    recall, false = hits / hits[-1], misses / misses[-1]
    there = hits + misses
    precision = np.divide(hits, there, out=np.ones_like(hits), where=there > 0)
    roc = Curve(np.append(0.0, false), np.append(0.0, recall), 0.0)
    area = float(np.sum(np.diff(roc.x) * (roc.y[1:] + roc.y[:-1]) / 2))
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return (
        Curve(roc.x, roc.y, area),
        Curve(np.append(0.0, recall), np.append(1.0, precision), average),
    )


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers with about the same probability: how many, what was said, how many were right."""

    low: float
    high: float
    count: float
    said: float
    right: float


def calibration(said: Array, right: Array, weight: Array | None, bins: int = 10) -> list[Bin]:
    """Return how often answers were right, by the probability that they were given.

    Parameters
    ----------
    said
        Probabilities, ``(N,)``.
    right
        Whether it was so, bool ``(N,)``.
    weight
        Weight of each answer, ``(N,)``.
    bins
        Pieces of equal width between 0 and 1; empty ones are left out.
    """
    mass = np.ones(len(said)) if weight is None else weight.astype(np.float64)
    index = np.minimum((said * bins).astype(np.intp), bins - 1)
    count = np.bincount(index, mass, bins)
    total = np.bincount(index, mass * said, bins)
    hits = np.bincount(index, mass * right, bins)
    return [
        Bin(i / bins, (i + 1) / bins, float(n), float(total[i] / n), float(hits[i] / n))
        for i, n in enumerate(count.tolist())
        if n > 0
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: the mean gap of the bins, by their rows.

    Naeini, Cooper & Hauskrecht (2015).
    """
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.said - b.right) for b in bins) / total if total else math.nan


def interval(right: float, count: float) -> tuple[float, float]:
    """Return where a share lies with 95 % confidence (Wilson 1927).

    Parameters
    ----------
    right
        The share that was seen.
    count
        In how many rows.
    """
    if count <= 0:
        return 0.0, 1.0
    z2 = 1.959964**2
    middle = (right + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(right * (1 - right) * z2 / count + z2 * z2 / (4 * count * count))
    half /= 1 + z2 / count
    return max(0.0, min(middle - half, right)), min(1.0, max(middle + half, right))


def least_difference(first: float, rows: float, second: float, others: float) -> float:
    """Return how much larger one share is than another at least, with 95 % confidence.

    Below 0 where they may be equal. Newcombe (1998), from the intervals of both.

    Parameters
    ----------
    first, rows
        A share that was seen, and in how many rows.
    second, others
        The other.
    """
    below = first - interval(first, rows)[0]
    above = interval(second, others)[1] - second
    return first - second - math.hypot(below, above)


def surprise(target: Array, output: Array) -> Array:
    """Return -log of the probability that the truth got, ``(N,)``.

    Parameters
    ----------
    target
        Classes, int ``(N,)``; or 0 and 1 of each label, ``(N, K)``, whose terms are added.
    output
        Probabilities, ``(N, C)`` or ``(N, K)``.
    """
    p = np.clip(output.astype(np.float64), 1e-300, 1.0)
    if target.ndim == 1:
        return np.asarray(-np.log(p[np.arange(len(p)), target]))
    other = np.clip(1 - output.astype(np.float64), 1e-300, 1.0)
    return np.asarray(-np.log(np.where(target > 0.5, p, other)).sum(axis=1))
