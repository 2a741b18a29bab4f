from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bpnet.nn.arena import Array, Scope, Shape
from bpnet.nn.gradcheck import check_gradients
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.losses import LOSSES, Loss
from bpnet.nn.network import Network


@dataclass
class Cubic(Layer):
    """y = a x³ + b, with a mistake in the backward pass if asked for."""

    mistake: str = ""
    type = "cubic"

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.a = scope.param("a", (1,), decay=True)
        self.b = scope.param("b", (1,), decay=False)
        return in_shape

    def forward(self, x: Array, step: Pass) -> Array:
        self.x = x
        return self.a.value * x**3 + self.b.value

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        self.a.grad[0] = np.sum(dy * self.x**3)
        self.b.grad[0] = np.sum(dy)
        dx = 3 * self.a.value * self.x**2 * dy
        if self.mistake == "dx":
            dx *= 1 + 1e-5
        if self.mistake == "one number of dx":
            dx[0, 0] *= 1.01
        if self.mistake == "a":
            self.a.grad *= -1
        if self.mistake == "b is added to":
            self.b.grad += 1e-4
        if self.mistake == "nan":
            self.a.grad[0] = np.nan
        return dx


def network_of(*layers: Layer, width: int = 3) -> Network:
    return Network(layers, (width,), dtype="float64", seed=2)


def inputs(n: int = 4, width: int = 3) -> Array:
    return np.random.default_rng(1).standard_normal((n, width))


def failures(network: Network, x: Array) -> set[str]:
    return {error.name for error in check_gradients(network, x) if not error.passed}


def test_right_gradients_pass_and_every_tensor_has_its_row() -> None:
    errors = check_gradients(network_of(Cubic()), inputs())
    assert [(e.name, e.size) for e in errors] == [
        ("everything", 14),
        ("input", 12),
        ("cubic_1.a", 1),
        ("cubic_1.b", 1),
    ]
    assert all(e.passed and e.error < 1e-7 for e in errors)


@pytest.mark.parametrize(
    ("mistake", "where"),
    [
        ("dx", {"everything", "input"}),
        ("one number of dx", {"everything", "input"}),
        ("a", {"everything", "cubic_1.a"}),
        ("b is added to", {"everything", "cubic_1.b"}),
        ("nan", {"everything", "cubic_1.a"}),
    ],
)
def test_a_mistake_is_found_and_named(mistake: str, where: set[str]) -> None:
    assert failures(network_of(Cubic(mistake)), inputs()) == where


def test_a_missing_jacobian_is_found_although_the_outputs_have_a_constant_sum() -> None:
    network = network_of(LAYERS["softmax"]())
    network.layers[0].backward = lambda dy, need_dx=True: np.zeros_like(dy)  # type: ignore[method-assign]
    assert failures(network, inputs()) == {"everything", "input"}


def test_relus_exactly_on_their_kinks_do_not_count_as_mistakes() -> None:
    network = network_of(LAYERS["dense"](units=20), LAYERS["relu"](), LAYERS["dense"](units=2))
    assert failures(network, np.zeros((3, 3))) == set()


@pytest.mark.parametrize(("slope", "passes"), [(-1.0, True), (0.3, True), (1.2, False)])
def test_on_a_kink_any_slope_between_its_two_sides_is_right(slope: float, passes: bool) -> None:
    @dataclass
    class Kink(Layer):
        """y = |x - c| with c the first x."""

        type = "kink"
        centre: Array | None = None

        def build(self, scope: Scope, in_shape: Shape) -> Shape:
            return in_shape

        def forward(self, x: Array, step: Pass) -> Array:
            self.centre = x.copy() if self.centre is None else self.centre
            return np.abs(x - self.centre)

        def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
            return slope * dy

    assert (failures(network_of(Kink(), width=1), inputs(1, 1)) == set()) == passes


def test_noise_is_the_same_at_every_evaluation() -> None:
    network = network_of(LAYERS["dense"](units=8), LAYERS["dropout"](rate=0.5), width=3)
    assert failures(network, inputs()) == set()


def test_a_gradient_that_is_zero_in_theory_passes() -> None:
    network = network_of(LAYERS["dense"](units=4), LAYERS["batch_norm"]())
    errors = {e.name: e for e in check_gradients(network, inputs(8))}
    assert errors["dense_1.b"].passed  # the batch's mean takes any bias away


def test_parameters_state_and_input_are_left_as_they_were() -> None:
    network = network_of(LAYERS["dense"](units=4), LAYERS["batch_norm"](), LAYERS["dropout"]())
    x, theta, state = inputs(), network.arena.theta.copy(), network.arena.state.copy()
    before = x.copy()
    check_gradients(network, x)
    np.testing.assert_array_equal(network.arena.theta, theta)
    np.testing.assert_array_equal(network.arena.state, state)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", LOSSES)
def test_it_checks_through_every_loss(name: str) -> None:
    loss: Loss = LOSSES[name]()
    loss.build(3, dtype="float64")
    rng = np.random.default_rng(3)
    target = {
        "class": rng.integers(3, size=6),
        "binary": rng.integers(2, size=(6, 3)).astype(float),
        "number": rng.standard_normal((6, 3)),
    }[loss.target]
    network = network_of(LAYERS["dense"](units=5), LAYERS["elu"](), LAYERS["dense"](units=3))
    weight = rng.uniform(0.5, 2, 6)
    errors = check_gradients(network, inputs(6), loss=loss, target=target, weight=weight)
    assert all(error.passed for error in errors), errors
    assert max(error.error for error in errors) > 0


def test_float32_is_refused() -> None:
    network = Network([LAYERS["dense"](units=2)], (3,), dtype="float32")
    with pytest.raises(ValueError, match="float64"):
        check_gradients(network, inputs().astype("float32"))


def test_integers_are_not_moved() -> None:
    @dataclass
    class Lookup(Layer):
        type = "lookup"

        def build(self, scope: Scope, in_shape: Shape) -> Shape:
            self.table = scope.param("table", (5, 2), decay=True)
            return (*in_shape, 2)

        def forward(self, x: Array, step: Pass) -> Array:
            self.x = x
            return self.table.value[x]

        def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
            assert not need_dx
            self.table.grad[...] = 0
            np.add.at(self.table.grad, self.x, dy)
            return None

    errors = check_gradients(network_of(Lookup()), np.array([[0, 1, 1], [4, 0, 2]]))
    assert [e.name for e in errors] == ["everything", "lookup_1.table"]
    assert all(e.passed for e in errors)


def test_single_numbers_are_checked_and_the_worst_is_named() -> None:
    @dataclass
    class OneWrong(Layer):
        """y = x, with a mistake in one number of dx."""

        type = "one_wrong"

        def build(self, scope: Scope, in_shape: Shape) -> Shape:
            return in_shape

        def forward(self, x: Array, step: Pass) -> Array:
            return x.copy()

        def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
            dx = dy.copy()
            dx[2, 1] *= 1.01
            return dx

    errors = {e.name: e for e in check_gradients(network_of(OneWrong()), inputs(), entries=12)}
    found = errors["input"]
    assert found.entries == 12
    assert found.worst is not None
    assert found.worst.place == (2, 1)
    assert found.worst.computed == pytest.approx(1.01 * found.worst.estimated)
    assert found.single == pytest.approx(0.01 / 1.01, rel=1e-4)


def test_what_lies_on_a_kink_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpnet.nn.gradcheck._JITTER", 0.0)  # stay exactly on it
    network = network_of(LAYERS["dense"](units=1), LAYERS["relu"](), LAYERS["dense"](units=2))
    errors = {e.name: e for e in check_gradients(network, np.zeros((1, 3)), directions=3)}
    bias = errors["dense_1.b"]
    assert bias.passed
    assert (bias.entries, bias.kinks) == (1, 4)  # itself and three directions
    assert bias.worst is None
    assert errors["dense_1.W"].kinks == 0  # its input is 0: it changes nothing
    assert all(error.passed for error in errors.values())


def test_fewer_numbers_than_asked_for_are_all_checked() -> None:
    errors = {e.name: e for e in check_gradients(network_of(Cubic()), inputs(), entries=5)}
    assert (errors["input"].entries, errors["cubic_1.a"].entries) == (5, 1)
    errors = {e.name: e for e in check_gradients(network_of(Cubic()), inputs(), entries=0)}
    assert errors["input"].entries == 0
    assert errors["input"].worst is None


def test_the_tolerance_decides() -> None:
    strict = check_gradients(network_of(Cubic()), inputs(), tolerance=1e-15)
    assert not all(error.passed for error in strict)
    lax = check_gradients(network_of(Cubic("a")), inputs(), tolerance=3)
    assert all(error.passed for error in lax)


def test_what_rounding_hides_is_not_said_to_be_right() -> None:
    network = network_of(LAYERS["dense"](units=4), LAYERS["batch_norm"]())
    errors = {e.name: e for e in check_gradients(network, inputs(8))}
    assert [e.name for e in errors.values() if e.zero] == ["dense_1.b"]
    assert errors["dense_1.b"].passed
