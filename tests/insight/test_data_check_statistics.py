"""The checks' own statistics equal SciPy's."""

import numpy as np
import pytest

from bpnet.data.table import Column
from bpnet.insight.data_check import statistics
from bpnet.insight.data_check.keys import groups, row_keys
from bpnet.insight.data_check.outliers import standing_apart

scipy_special = pytest.importorskip("scipy.special")
scipy_stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("a", [0.5, 1, 2.5, 10, 100, 1000])
@pytest.mark.parametrize("ratio", [0, 0.01, 0.5, 1, 1.1, 2, 10])
def test_the_upper_gamma_function_equals_scipys(a, ratio):
    ours, theirs = statistics.upper_gamma(a, a * ratio), scipy_special.gammaincc(a, a * ratio)
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(("n", "m", "shift"), [(50, 80, 0), (300, 200, 0.3), (2000, 1500, 0.1)])
def test_kolmogorov_and_smirnov_equal_scipys(n, m, shift):
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=n), rng.normal(shift, size=m)
    distance, p = statistics.kolmogorov_smirnov(a, b)
    theirs = scipy_stats.ks_2samp(a, b, method="exact" if n < 1000 else "asymp")
    assert distance == pytest.approx(theirs.statistic, abs=1e-12)
    assert p == pytest.approx(theirs.pvalue, rel=0.15, abs=1e-3)


def test_equal_samples_have_no_distance():
    a = np.arange(50.0)
    assert statistics.kolmogorov_smirnov(a, a) == (0.0, 1.0)


def test_chi_square_equals_scipys_where_no_value_is_rare():
    a, b = np.array([30, 50, 20, 40]), np.array([45, 60, 50, 30])
    statistic, p = statistics.chi_square(a, b)
    theirs = scipy_stats.chi2_contingency(np.stack([a, b]), correction=False)
    assert statistic == pytest.approx(theirs.statistic)
    assert p == pytest.approx(theirs.pvalue)


def test_chi_square_counts_rare_values_together():
    a, b = np.array([100, 100, 1, 0, 2, 3]), np.array([100, 100, 0, 2, 1, 2])
    together = np.array([100, 100, 6]), np.array([100, 100, 5])
    assert statistics.chi_square(a, b) == pytest.approx(statistics.chi_square(*together))
    assert statistics.chi_square(np.array([9, 0]), np.array([9, 0])) == (0.0, 1.0)


def test_ranks_and_correlation_give_spearmans():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 20, 100).astype(float)
    b = a + rng.normal(size=100)
    ours = statistics.correlation(statistics.ranks(a), statistics.ranks(b))
    assert ours == pytest.approx(scipy_stats.spearmanr(a, b).statistic)
    assert statistics.correlation(np.ones(5), np.arange(5.0)) == 0.0


def test_the_match_rate_is_the_share_of_equal_pairs():
    values = np.array([1, 1, 2, np.nan, np.nan, np.nan])
    assert statistics.match_rate(values) == pytest.approx((1 + 3) / 15)
    assert statistics.match_rate(np.arange(10.0)) == 0.0
    assert statistics.match_rate(np.ones(1)) == 0.0


def test_bins_follow_the_quantiles_and_set_missing_cells_apart():
    values = np.r_[np.random.default_rng(0).exponential(size=1000), np.nan]
    codes = statistics.bins(values, 10)
    counts = np.bincount(codes[:-1])
    assert counts.max() <= 110
    assert (codes[:-1] != codes[-1]).all()
    assert list(statistics.bins(np.array([3.0, 1.0, np.nan, 3.0]), 10)) == [1, 0, 3, 1]


def test_the_stability_index_is_that_of_the_definition():
    a, b = np.array([79.5, 19.5]), np.array([39.5, 59.5])
    p, q = np.array([0.8, 0.2]), np.array([0.4, 0.6])
    expected = float(((q - p) * np.log(q / p)).sum())
    assert statistics.stability_index(a, b) == pytest.approx(expected, rel=0.02)


def test_keys_are_equal_for_equal_rows_only():
    rng = np.random.default_rng(0)
    numbers = Column("a", "number", rng.integers(0, 50, 5000).astype(float))
    names = Column("b", "category", rng.integers(-1, 40, 5000).astype(np.int32), tuple("xyz"))
    keys = row_keys([numbers, names], None, 5000)
    pairs = {(a, b) for a, b in zip(numbers.values, names.values, strict=True)}
    assert len(np.unique(keys)) == len(pairs)
    swapped = row_keys([names, numbers], None, 5000)
    assert (swapped != keys).any()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int16"])
def test_keys_of_images_see_every_byte(dtype):
    images = np.zeros((6, 3, 5, 1), dtype)
    images[1, 2, 4, 0] = 1
    images[4] = images[1]
    keys = row_keys([], images, 6)
    assert len(np.unique(keys)) == 2
    rows, group = groups(keys)
    assert {tuple(rows[group == g].tolist()) for g in (0, 1)} == {(0, 2, 3, 5), (1, 4)}


def test_groups_list_rows_in_order_and_leave_single_ones_out():
    rows, group = groups(np.array([7, 1, 7, 2, 1, 9, 7], np.uint64))
    assert rows.tolist() == [1, 4, 0, 2, 6]
    assert group.tolist() == [0, 0, 1, 1, 1]


def test_outliers_come_farthest_first_from_both_sides():
    values = np.r_[np.random.default_rng(0).normal(size=100), 50.0, -200.0, 60.0]
    rows, found, distance = standing_apart(Column("a", "number", values), np.arange(103))
    assert found.tolist() == [-200.0, 60.0, 50.0]
    assert rows.tolist() == [101, 102, 100]
    assert (np.diff(distance) <= 0).all()
