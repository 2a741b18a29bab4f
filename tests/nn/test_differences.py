import math

import pytest

from bpnet.nn.differences import STEPS, compare, derivative

SMOOTH = {
    "line": (lambda x: 3 + 2 * x, 2.0),
    "parabola": (lambda x: (x + 1) ** 2, 2.0),
    "exp": (math.exp, 1.0),
    "sharp bend": (lambda x: math.log1p(math.exp(100 * x)) / 100, 0.5),
    "constant": (lambda x: 5.0, 0.0),
    "small": (lambda x: 1e-6 * math.sin(x), 1e-6),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_the_slope_of_a_smooth_function_is_found_and_no_kink(name):
    f, slope = SMOOTH[name]
    found, kink = derivative(f, f(0.0))
    assert found.slope == pytest.approx(slope, rel=1e-7, abs=1e-10)
    assert not kink
    assert (found.above, found.below) == (f(found.step), f(-found.step))


@pytest.mark.parametrize("jump", [1.0, 0.1, 1e-4])
def test_a_kink_at_the_place_itself_is_found(jump):
    found, kink = derivative(lambda x: 1 + x + jump * max(x, 0.0), 1.0)
    assert kink
    assert found.left == pytest.approx(1, abs=1e-7)
    assert found.right == pytest.approx(1 + jump, abs=1e-7)


@pytest.mark.parametrize("distance", [3e-6, -3e-6, 4e-7])
def test_a_kink_nearby_is_avoided_by_a_smaller_step(distance):
    found, kink = derivative(lambda x: 2 * x + abs(x - distance), abs(distance))
    assert not kink
    assert found.slope == pytest.approx(1 if distance > 0 else 3, abs=1e-7)
    assert found.step < STEPS[0]


@pytest.mark.parametrize("name", SMOOTH)
def test_a_right_derivative_has_a_small_error(name):
    f, slope = SMOOTH[name]
    found = compare(f, f(0.0), slope, 1e-6)
    assert found.error <= 1e-6
    assert not found.kink


@pytest.mark.parametrize("name", ["line", "parabola", "exp", "sharp bend"])
@pytest.mark.parametrize("factor", [-1, 0, 0.5, 1 + 1e-4, math.nan])
def test_a_wrong_derivative_has_a_large_one(name, factor):
    f, slope = SMOOTH[name]
    found = compare(f, f(0.0), factor * slope, 1e-6)
    assert found.error > 1e-5
    assert not found.kink


def test_the_error_of_a_wrong_sign_is_two():
    assert compare(lambda x: 3 * x, 0.0, -3.0, 1e-6).error == pytest.approx(2)


@pytest.mark.parametrize(
    ("computed", "excused"), [(0.0, True), (0.4, True), (1.0, True), (1.1, False), (-0.1, False)]
)
def test_on_a_kink_only_slopes_between_the_two_sides_are_excused(computed, excused):
    found = compare(lambda x: max(x, 0.0), 0.0, computed, 1e-6)
    assert found.kink == excused
    assert (found.error == 0) == excused


def test_what_is_not_finite_is_wrong():
    assert compare(lambda x: math.inf, math.inf, 1.0, 1e-6).error == math.inf
    assert compare(lambda x: x, 0.0, math.inf, 1e-6).error == math.inf
