"""Curves over thresholds and calibration equal those of scikit-learn, and what a hand computes."""

import math

import numpy as np
import pytest
from sklearn import metrics

from bpnet.report.judging import (
    calibration,
    calibration_error,
    interval,
    least_difference,
    surprise,
    threshold_curves,
)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("digits", [1, 6])
def test_roc_and_precision_recall_equal_those_of_scikit_learn(weighted, digits):
    rng = np.random.default_rng(3)
    positive = rng.random(300) < 0.3
    score = np.round(rng.normal(size=300) + positive, digits)  # one digit: many equal scores
    weight = rng.uniform(0, 3, 300) if weighted else None
    roc, precision = threshold_curves(positive, score, weight)
    assert roc.area == pytest.approx(metrics.roc_auc_score(positive, score, sample_weight=weight))
    assert precision.area == pytest.approx(
        metrics.average_precision_score(positive, score, sample_weight=weight)
    )
    false, true, _ = metrics.roc_curve(
        positive, score, sample_weight=weight, drop_intermediate=False
    )
    np.testing.assert_allclose(roc.x, false, atol=1e-12)
    np.testing.assert_allclose(roc.y, true, atol=1e-12)
    p, r, _ = metrics.precision_recall_curve(positive, score, sample_weight=weight)
    np.testing.assert_allclose(precision.x, r[::-1], atol=1e-12)
    np.testing.assert_allclose(precision.y, p[::-1], atol=1e-12)


def test_calibration_counts_by_hand():
    said = np.array([0.05, 0.05, 0.95, 0.95, 0.95, 1.0])
    right = np.array([False, True, True, True, False, True])
    low, high = calibration(said, right, None)
    assert (low.low, low.high, low.count) == (0.0, 0.1, 2)
    assert (low.said, low.right) == (pytest.approx(0.05), 0.5)
    assert (high.count, high.right) == (4, 0.75)
    assert high.said == pytest.approx((3 * 0.95 + 1) / 4)
    error = (2 * 0.45 + 4 * (high.said - 0.75)) / 6
    assert calibration_error([low, high]) == pytest.approx(error)
    (weighted, _) = calibration(said, right, np.array([3, 1, 1, 1, 1, 1]))
    assert weighted.right == 0.25
    assert math.isnan(calibration_error([]))


def test_intervals_are_wilsons():
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for right, count, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert interval(right / count, count) == (
            pytest.approx(low, abs=6e-5),
            pytest.approx(high, abs=6e-5),
        )
    assert interval(0.0, 0) == (0.0, 1.0)


def test_surprise_is_minus_the_logarithm_of_what_the_truth_got():
    output = np.array([[0.5, 0.25, 0.25], [0.1, 0.9, 0.0]])
    np.testing.assert_allclose(
        surprise(np.array([1, 1]), output), [math.log(4), -math.log(0.9)], rtol=1e-12
    )
    assert np.isfinite(surprise(np.array([0, 2]), output)).all()
    labels = surprise(np.array([[1.0, 0.0]]), np.array([[0.5, 0.75]]))
    np.testing.assert_allclose(labels, [math.log(2) + math.log(4)])


def test_the_least_difference_of_two_shares_is_newcombes():
    # Newcombe (1998, part II), table II, method 10: 56 of 70 against 48 of 80, 9 of 10 against
    # 3 of 10, 10 of 10 against 0 of 20.
    assert least_difference(56 / 70, 70, 48 / 80, 80) == pytest.approx(0.0524, abs=5e-5)
    assert least_difference(0.9, 10, 0.3, 10) == pytest.approx(0.1705, abs=5e-5)
    assert least_difference(1.0, 10, 0.0, 20) == pytest.approx(0.6791, abs=5e-5)
    assert least_difference(0.5, 10, 0.5, 10) < 0
