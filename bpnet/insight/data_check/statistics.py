"""The statistics that the checks need, in NumPy alone.

Legend: N rows, V different values, K classes.
"""

from __future__ import annotations

import math

import numpy as np

from bpnet.nn.arena import Array

GAUSSIAN = 1.4826
"""A normal distribution's standard deviation in units of its median absolute deviation."""


def kolmogorov_smirnov(a: Array, b: Array) -> tuple[float, float]:
    """Return the largest distance of two samples' distribution functions, and its p-value.

    The p-value is asymptotic, with the correction of Stephens (1970) for small samples:
    Q(l) = 2 sum over k of (-1)^(k-1) exp(-2 k² l²), l = (√m + 0.12 + 0.11 / √m) D, where
    m = |a| |b| / (|a| + |b|). With ties it is too large, never too small.
    """
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    below_a = np.searchsorted(a, both, side="right") / len(a)
    below_b = np.searchsorted(b, both, side="right") / len(b)
    distance = float(np.abs(below_a - below_b).max())
    root = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    size = (root + 0.12 + 0.11 / root) * distance
    if size < 0.3:
        return distance, 1.0
    terms = [2 * (-1) ** (k - 1) * math.exp(-2 * k * k * size * size) for k in range(1, 101)]
    return distance, min(1.0, max(0.0, math.fsum(terms)))


def chi_square(a: Array, b: Array) -> tuple[float, float]:
    """Return the chi-square statistic of two samples' counts by value ``(V,)``, and its p-value.

    Values that are expected less than 5 times in a sample (Cochran's rule) are counted together.
    """
    table = np.stack([a, b]).astype(np.float64)
    expected = table.sum(axis=0) * (table.sum(axis=1) / table.sum())[:, None]
    rare = (expected < 5).any(axis=0)
    if rare.sum() > 1:
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0
    expected = table.sum(axis=0) * (table.sum(axis=1) / table.sum())[:, None]
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, upper_gamma((table.shape[1] - 1) / 2, statistic / 2)


def upper_gamma(a: float, x: float) -> float:
    """Return the regularized upper incomplete gamma function Q(a, x), for a > 0 and x >= 0.

    By its series below x = a + 1, else by its continued fraction (Abramowitz & Stegun 6.5.29 and
    6.5.31, the latter evaluated by Lentz's method).
    """
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-15:
            n += 1
            term *= x / n
            total += term
        return min(1.0, max(0.0, 1 - scale * total))
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    fraction = d
    for i in range(1, 100_000):
        numerator = -i * (i - a)
        b += 2
        d = 1 / (numerator * d + b or tiny)
        c = b + numerator / c or tiny
        step = c * d
        fraction *= step
        if abs(step - 1) < 1e-15:
            break
    return min(1.0, max(0.0, scale * fraction))


def stability_index(a: Array, b: Array) -> float:
    """Return the population stability index of two samples' counts by value ``(V,)``.

    PSI = sum over v of (q_v - p_v) ln(q_v / p_v), the symmetrized divergence of Jeffreys (1946),
    with half a row added to each count. By custom 0.1 is a shift, 0.25 a large one.
    """
    p, q = a + 0.5, b + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def bins(values: Array, most: int) -> Array:
    """Return the bin of each number by quantiles, int ``(N,)``; NaN has the last bin of its own.

    Up to `most` different numbers have a bin each.
    """
    there = ~np.isnan(values)
    known = values[there]
    different = np.unique(known)
    if len(different) > most:
        different = np.unique(np.quantile(known, np.arange(1, most) / most, method="lower"))
    codes = np.searchsorted(different, values, side="left")
    codes[~there] = len(different) + 1
    return codes


def ranks(values: Array) -> Array:
    """Return the rank of each number, from 0; equal numbers share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: Array = (last - (counts + 1) / 2)[place]
    return middle


def correlation(a: Array, b: Array) -> float:
    """Return Pearson's correlation of two columns; 0 if one is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norm if norm > 0 else 0.0


def match_rate(values: Array) -> float:
    """Return the share of the pairs of different rows that have the same value; NaN equals NaN."""
    count = len(values)
    if count < 2:
        return 0.0
    _, counts = np.unique(values, return_counts=True)
    return float((counts * (counts - 1.0)).sum()) / (count * (count - 1.0))
