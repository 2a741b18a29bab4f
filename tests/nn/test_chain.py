from __future__ import annotations

import numpy as np
import pytest

from bpnet.errors import OptionError
from bpnet.nn.arena import Array
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.network import Network


def make(*kinds: str | Layer) -> list[Layer]:
    """Make layers from ``dense 4`` and the like."""
    layers = []
    for kind in kinds:
        if isinstance(kind, str):
            name, _, units = kind.partition(" ")
            kind = LAYERS[name](units=int(units)) if units else LAYERS[name]()
        layers.append(kind)
    return layers


def residual(*kinds: str | Layer, projection: str = "") -> Layer:
    skip = make(projection)[0] if projection else None
    return LAYERS["residual"](layers=make(*kinds), projection=skip)


def network(*kinds: str | Layer, width: int = 4, seed: int = 0) -> Network:
    return Network(make(*kinds), (width,), dtype="float64", seed=seed)


def refusal(*layers: Layer) -> str:
    with pytest.raises(OptionError) as caught:
        Network(layers, (4,))
    return str(caught.value)


class TestNames:
    def test_layers_are_named_by_type_and_count(self) -> None:
        net = network("dense 4", "relu", residual("dense 4", "relu"), "dense 4", "relu")
        assert [name for name, _, _ in net.walk()] == [
            "dense_1",
            "relu_1",
            "residual_1",
            "residual_1.dense_1",
            "residual_1.relu_1",
            "dense_2",
            "relu_2",
        ]
        assert list(net.weights())[:3] == ["dense_1.W", "residual_1.dense_1.W", "dense_2.W"]

    def test_a_name_of_ones_own_is_kept(self) -> None:
        net = network(LAYERS["dense"](units=3, name="first"), "dense 2")
        assert list(net.arena.params) == ["first.W", "dense_2.W", "first.b", "dense_2.b"]

    def test_two_layers_of_one_name_are_refused(self) -> None:
        message = refusal(LAYERS["tanh"](name="a"), LAYERS["relu"](name="a"))
        assert message == "layers[1].name: another layer is named 'a' already"

    @pytest.mark.parametrize("name", ["a.b", "a b", "a/b", "é", "x" * 65, "a\n"])
    def test_names_that_files_could_not_hold_are_refused(self, name: str) -> None:
        assert refusal(LAYERS["tanh"](name=name)).startswith("layers[0].name: a layer's name has")


class TestInPlace:
    @pytest.mark.parametrize(
        ("kinds", "inplace"),
        [
            (["dense 4", "relu"], True),
            (["batch_norm", "relu"], True),
            (["gelu", "relu"], True),
            (["layer_norm", "softmax"], True),
            ([residual("dense 4"), "tanh"], True),
            (["relu"], False),  # the input is the caller's
            (["dense 4", "gelu"], False),  # gelu needs its input
            (["tanh", "relu"], False),  # tanh needs its output
            (["sigmoid", "relu"], False),
            (["identity", "relu"], False),  # identity's output is its input
            (["flatten", "relu"], False),
            (["dropout", "relu"], False),
        ],
    )
    def test_a_layer_overwrites_what_nobody_needs(self, kinds: list[str], inplace: bool) -> None:
        assert network(*kinds).layers[-1].inplace == inplace

    def test_the_first_layer_of_a_branch_never_overwrites_what_the_skip_path_needs(self) -> None:
        block = residual("relu", "dense 4")
        network("dense 4", block)
        assert not block.layers[0].inplace

    @pytest.mark.parametrize("seed", range(40))
    def test_no_mixture_of_layers_changes_its_results_by_overwriting(self, seed: int) -> None:
        rng = np.random.default_rng(seed)

        def draw(depth: int) -> list[Layer]:
            layers: list[Layer] = []
            for _ in range(rng.integers(1, 5)):
                kind = str(rng.choice([*KINDS, "residual"] if depth else KINDS))
                layers.append(residual(*draw(depth - 1)) if kind == "residual" else make(kind)[0])
            return layers

        layers = draw(3)
        net = Network(layers, (4,), dtype="float64")
        fresh = np.random.default_rng(1)
        x, dy = fresh.standard_normal((2, 5, 4))
        for train in (True, False):
            overwriting = run(net, x, dy, train)
            for _, layer, _ in net.walk():
                layer.inplace, layer.rows = False, -1
            apart = run(net, x, dy, train)
            for one, other in zip(overwriting, apart, strict=True):
                np.testing.assert_array_equal(one, other)


KINDS = ["dense 4", *(name for name in LAYERS if name not in ("dense", "reshape", "residual"))]


def run(net: Network, x: Array, dy: Array, train: bool) -> list[Array]:
    x_before, dy_before = x.copy(), dy.copy()
    state = net.arena.state.copy()
    y = net.forward(x, Pass(train, np.random.default_rng(3))).copy()
    net.arena.state[:] = state
    dx = net.backward(dy, need_dx=True)
    assert dx is not None
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(dy, dy_before)
    return [y, dx.copy(), net.arena.grad.copy()]


class TestGains:
    def gains(self, *kinds: str | Layer) -> dict[str, float]:
        return {name: param.gain for name, param in network(*kinds).arena.params.items()}

    def test_weights_take_the_gain_of_the_activation_that_follows(self) -> None:
        gains = self.gains("dense 4", "relu", "dense 4", "tanh", "dense 4")
        assert gains["dense_1.W"] == pytest.approx(np.sqrt(2))
        assert gains["dense_2.W"] == pytest.approx(5 / 3)
        assert gains["dense_3.W"] == 1

    def test_norms_dropout_and_reshaping_pass_the_question_on(self) -> None:
        between = ["batch_norm", "layer_norm", "dropout", "identity", "flatten"]
        assert self.gains("dense 4", *between, "relu")["dense_1.W"] == pytest.approx(np.sqrt(2))

    def test_the_last_weights_of_a_branch_are_followed_by_what_follows_the_sum(self) -> None:
        gains = self.gains(residual("dense 4", "tanh", "dense 3", projection="dense 3"), "relu")
        assert gains["residual_1.dense_1.W"] == pytest.approx(5 / 3)
        assert gains["residual_1.dense_2.W"] == pytest.approx(np.sqrt(2))
        assert gains["residual_1.projection.W"] == pytest.approx(np.sqrt(2))


class TestBackward:
    def test_layers_below_the_first_parameters_are_left_out_if_nobody_needs_dx(self) -> None:
        net = network("tanh", "flatten", "dense 3", "tanh", "dense 2")
        called = []
        for layer in net.layers:
            spy(layer, called)
        x, dy = np.ones((2, 4)), np.ones((2, 2))
        net.forward(x, Pass())
        assert net.backward(dy) is None
        assert called == [("dense_2", True), ("tanh_2", True), ("dense_1", False)]
        called.clear()
        assert net.backward(dy, need_dx=True) is not None
        assert [name for name, _ in called][-2:] == ["flatten_1", "tanh_1"]
        assert all(need_dx for _, need_dx in called)

    def test_parameters_inside_a_block_count(self) -> None:
        net = network("tanh", residual("sigmoid", "dense 4"), "dense 2")
        for need_dx in (True, False):
            net.arena.poison()
            net.forward(np.ones((2, 4)), Pass())
            net.backward(np.ones((2, 2)), need_dx=need_dx)
            assert all(np.isfinite(param.grad).all() for param in net.arena.params.values())

    def test_without_parameters_there_is_nothing_to_do(self) -> None:
        net = network("tanh", "relu")
        net.forward(np.ones((2, 4)), Pass())
        assert net.backward(np.ones((2, 4))) is None


def spy(layer: Layer, called: list[tuple[str, bool]]) -> None:
    backward = layer.backward

    def recorded(dy: Array, *, need_dx: bool = True) -> Array | None:
        called.append((layer.name, need_dx))
        return backward(dy, need_dx=need_dx)

    layer.backward = recorded  # type: ignore[method-assign]
