import pytest

from bpnet.search.statistics import half_width, mean, student


def test_quantiles_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    for freedom in [*range(1, 60), 100, 1000, 10**6]:
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-6)


def test_the_interval_of_the_mean_is_students():
    assert half_width([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1.963243161)
    assert half_width([1.0]) is None
    assert half_width([2.0, 2.0]) == 0.0


def test_a_mean_does_not_depend_on_the_order():
    values = [0.1 * i for i in range(30)] + [1e15, -1e15]
    assert mean(values) == mean(values[::-1])
