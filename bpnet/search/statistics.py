"""Means, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one number, the same for any order of equal sums."""
    return math.fsum(values) / len(values)


def half_width(values: Sequence[float]) -> float | None:
    """Return half the width of the 95 % interval of the mean; None for fewer than two numbers."""
    count = len(values)
    if count < 2:
        return None
    middle = mean(values)
    variance = math.fsum((value - middle) ** 2 for value in values) / (count - 1)
    return student(count - 1) * math.sqrt(variance / count)


def student(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t distribution.

    Exact for up to 30 degrees of freedom; beyond, the expansion of Cornish and Fisher (Abramowitz
    and Stegun, 26.7.5), which is right to six digits there.
    """
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    z = 1.959963984540054
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


_STUDENT = (
    12.7062047,
    4.30265273,
    3.18244631,
    2.77644511,
    2.57058184,
    2.44691185,
    2.36462425,
    2.30600414,
    2.26215716,
    2.22813885,
    2.20098516,
    2.17881283,
    2.16036866,
    2.14478669,
    2.13144955,
    2.1199053,
    2.10981558,
    2.10092204,
    2.09302405,
    2.08596345,
    2.07961384,
    2.07387307,
    2.06865761,
    2.06389856,
    2.05953855,
    2.05552944,
    2.05183052,
    2.04840714,
    2.04522964,
    2.04227246,
)
