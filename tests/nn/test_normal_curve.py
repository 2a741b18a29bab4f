from __future__ import annotations

import math

import numpy as np
import pytest

from bpnet.nn.arena import Array
from bpnet.nn.normal_curve import NormalCurve, TanhCurve


def evaluate(curve: NormalCurve | TanhCurve, x: Array) -> tuple[Array, Array]:
    cdf, pdf, tail = (np.full_like(x, np.nan) for _ in range(3))
    curve(x, cdf, pdf, tail, np.empty(x.shape, np.bool_))
    return cdf, pdf


def erfc_cdf(x: Array) -> Array:
    return np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.astype(float)])


X = np.concatenate([np.linspace(-9, 9, 20_001), [-0.0, 1e-300, -1e-300, 1e-9, -1e-9]])


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 4e-16), ("float32", 3e-7)])
def test_the_distribution_function_is_right_to_the_last_digit_or_two(
    dtype: str, bound: float
) -> None:
    x = X.astype(dtype)
    cdf, _ = evaluate(NormalCurve(dtype), x)
    assert cdf.dtype == x.dtype
    assert np.abs(cdf - erfc_cdf(x)).max() <= bound


def test_erf_from_it_is_right_to_1e_15() -> None:
    cdf, _ = evaluate(NormalCurve("float64"), X * math.sqrt(2))
    erf = np.array([math.erf(v) for v in X])
    assert np.abs(2 * cdf - 1 - erf).max() <= 1e-15


@pytest.mark.parametrize(
    ("dtype", "low", "bound"), [("float64", -37, 1e-12), ("float32", -12, 1e-5)]
)
def test_the_lower_tail_is_relatively_right(dtype: str, low: float, bound: float) -> None:
    x = np.linspace(low, 0, 5001).astype(dtype)
    expected = erfc_cdf(x)
    cdf, _ = evaluate(NormalCurve(dtype), x)
    assert (np.abs(cdf - expected) / expected).max() <= bound


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_density_is_right(dtype: str) -> None:
    x = X.astype(dtype)
    _, pdf = evaluate(NormalCurve(dtype), x)
    expected = np.exp(-(x.astype(float) ** 2) / 2) / math.sqrt(2 * math.pi)
    assert np.abs(pdf - expected).max() <= 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_far_away_it_is_exactly_0_and_1(dtype: str) -> None:
    x = np.array([-1e9, -1e4, -50, 50, 1e4, 1e9], dtype)
    cdf, pdf = evaluate(NormalCurve(dtype), x)
    np.testing.assert_array_equal(cdf, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(pdf, 0)


def test_the_tanh_curve_is_near_and_has_its_own_slope() -> None:
    cdf, slope = evaluate(TanhCurve("float64"), X)
    assert np.abs(cdf - erfc_cdf(X)).max() < 5e-4
    h = 1e-6
    above, below = (
        evaluate(TanhCurve("float64"), X + h)[0],
        evaluate(TanhCurve("float64"), X - h)[0],
    )
    np.testing.assert_allclose(slope, (above - below) / (2 * h), atol=1e-9)
