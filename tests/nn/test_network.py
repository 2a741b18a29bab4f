from __future__ import annotations

import copy
import pickle  # noqa: TID251  only to see it refused

import numpy as np
import pytest

from bpnet.errors import OptionError
from bpnet.nn.initializers import INITIALIZERS
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.network import Network


def layers() -> list[Layer]:
    return [LAYERS["dense"](units=5), LAYERS["relu"](), LAYERS["dense"](units="auto")]


def test_shapes_that_do_not_connect_are_named_by_layer() -> None:
    with pytest.raises(OptionError, match=r"layers\[1\]: dense takes one row of numbers") as caught:
        Network([LAYERS["reshape"](shape=[2, 3]), LAYERS["dense"](units=2)], (6,))
    assert caught.value.path == ("layers", 1)


def test_the_defaults_are_he_for_weights_and_zeros_for_biases() -> None:
    network = Network([LAYERS["dense"](units=300), LAYERS["relu"]()], (400,))
    weights = network.weights()
    assert weights["dense_1.W"].std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    np.testing.assert_array_equal(weights["dense_1.b"], 0)


def test_initializers_are_set_by_network_and_overruled_by_layer() -> None:
    constant = INITIALIZERS["constant"]
    first = LAYERS["dense"](units=2, init=constant(value=3.0))
    second = LAYERS["dense"](units=2, bias_init=constant(value=4.0))
    network = Network(
        [first, second], (2,), init=constant(value=1.0), bias_init=constant(value=2.0)
    )
    starts = {name: set(value.ravel()) for name, value in network.weights().items()}
    assert starts == {
        "dense_1.W": {3.0},
        "dense_2.W": {1.0},
        "dense_1.b": {2.0},
        "dense_2.b": {4.0},
    }


def test_norms_keep_their_own_start() -> None:
    constant = INITIALIZERS["constant"](value=9.0)
    network = Network([LAYERS["batch_norm"]()], (2,), init=constant, bias_init=constant)
    starts = {name: set(value) for name, value in network.weights().items()}
    assert starts == {
        "batch_norm_1.gamma": {1.0},
        "batch_norm_1.beta": {0.0},
        "batch_norm_1.running_mean": {0.0},
        "batch_norm_1.running_variance": {1.0},
    }


def test_float32_starts_from_the_rounded_numbers_of_float64() -> None:
    single, double = (
        Network(layers(), (4,), dtype=dtype, seed=3, output_size=2)
        for dtype in ("float32", "float64")
    )
    for name, value in single.weights().items():
        np.testing.assert_array_equal(value, double.weights()[name].astype("float32"))


def test_another_layer_leaves_the_start_of_the_others_as_it_was() -> None:
    plain = Network(layers(), (4,), seed=3, output_size=2)
    longer = Network(
        [*layers()[:2], LAYERS["batch_norm"](), layers()[2]], (4,), seed=3, output_size=2
    )
    for name, value in plain.weights().items():
        np.testing.assert_array_equal(longer.weights()[name], value)


def test_prediction_is_the_same_in_any_batches_and_owns_its_array() -> None:
    network = Network(layers(), (4,), dtype="float64", output_size=2)
    x = np.random.default_rng(0).standard_normal((23, 4))
    whole = network.predict(x)
    np.testing.assert_allclose(network.predict(x, batch_size=5), whole, rtol=1e-13)
    kept = whole.copy()
    network.predict(2 * x)
    np.testing.assert_array_equal(whole, kept)
    assert network.predict(x[:0]).shape == (0, 2)


def test_random_says_whether_a_layer_anywhere_draws() -> None:
    assert not Network(layers(), (4,), output_size=2).random
    block = LAYERS["residual"](layers=[LAYERS["dropout"]()])
    assert Network([LAYERS["residual"](layers=[block])], (4,)).random


def test_walk_shows_the_shape_behind_every_layer() -> None:
    block = LAYERS["residual"](
        layers=[LAYERS["flatten"](), LAYERS["dense"](units=3)],
        projection=LAYERS["residual"](
            layers=[LAYERS["flatten"]()], projection=LAYERS["reshape"](shape=[6])
        ),
    )
    with pytest.raises(OptionError, match="expected 3 as from the branch, received 6"):
        Network([block], (2, 3))
    block = LAYERS["residual"](
        layers=[LAYERS["flatten"]()], projection=LAYERS["reshape"](shape=[6])
    )
    assert [(name, shape) for name, _, shape in Network([block], (2, 3)).walk()] == [
        ("residual_1", (6,)),
        ("residual_1.flatten_1", (6,)),
        ("residual_1.projection", (6,)),
    ]


def test_layers_may_be_built_again() -> None:
    parts = [LAYERS["dense"](units=3), LAYERS["batch_norm"](), LAYERS["relu"]()]
    x, dy = np.random.default_rng(0).standard_normal((2, 5, 3))
    first = Network(parts, (3,), dtype="float64", seed=1)
    first.forward(x, Pass(train=True))
    again = Network(parts, (3,), dtype="float64", seed=1)
    again.arena.theta[:] *= 2
    y = again.forward(x, Pass(train=True)).copy()
    again.backward(dy)
    fresh = Network(
        [LAYERS["dense"](units=3), LAYERS["batch_norm"](), LAYERS["relu"]()],
        (3,),
        dtype="float64",
        seed=1,
    )
    fresh.arena.theta[:] *= 2
    np.testing.assert_array_equal(fresh.forward(x, Pass(train=True)), y)
    fresh.backward(dy)
    np.testing.assert_array_equal(again.arena.grad, fresh.arena.grad)


def test_layers_compare_by_their_options_before_and_after_building() -> None:
    one, other = LAYERS["dense"](units=3), LAYERS["dense"](units=3)
    assert one == other
    Network([one], (2,))
    other.name = "dense_1"
    assert one == other
    assert one != LAYERS["dense"](units=4)


class TestArena:
    def arena_of(self, dtype: str = "float32") -> Network:
        parts = [LAYERS["dense"](units=5), LAYERS["batch_norm"](), LAYERS["dense"](units=2)]
        return Network(parts, (3,), dtype=dtype)

    def test_what_decays_comes_first(self) -> None:
        arena = self.arena_of().arena
        assert list(arena.params) == [
            *("dense_1.W", "dense_2.W"),
            *("dense_1.b", "batch_norm_1.gamma", "batch_norm_1.beta", "dense_2.b"),
        ]
        decaying = arena.theta[: arena.decaying]
        decaying.fill(7)
        for name, param in arena.params.items():
            assert (param.value == 7).all() == name.endswith(".W"), name

    def test_views_are_aligned_and_the_padding_stays_zero(self) -> None:
        for dtype in ("float32", "float64"):
            network = self.arena_of(dtype)
            arena = network.arena
            for param in arena.params.values():
                assert param.value.ctypes.data % 64 == param.grad.ctypes.data % 64 == 0
            used = sum(param.size for param in arena.params.values())
            assert arena.size == used
            network.forward(np.ones((4, 3), dtype), Pass(train=True))
            network.backward(np.ones((4, 2), dtype))
            for vector, kind in ((arena.theta, "value"), (arena.grad, "grad")):
                for param in arena.params.values():
                    getattr(param, kind).fill(0)
                assert not vector.any()

    def test_it_refuses_to_be_copied_and_says_what_to_do(self) -> None:
        arena = self.arena_of().arena
        for attempt in (copy.deepcopy, copy.copy, pickle.dumps):
            with pytest.raises(TypeError, match=r"other\.theta\[:\] = arena\.theta"):
                attempt(arena)

    def test_poison_fills_gradients_and_buffers(self) -> None:
        network = self.arena_of()
        network.forward(np.ones((4, 3), "f4"), Pass(train=True))
        network.arena.poison()
        assert all(np.isnan(param.grad).all() for param in network.arena.params.values())
        assert np.isnan(network.layers[0].y).all()  # type: ignore[attr-defined]
        assert network.arena.scratch_bytes() > 0


def test_a_network_that_can_not_fit_is_refused_at_its_layer_before_anything_is_allocated():
    with pytest.raises(OptionError, match="does not fit into") as caught:
        Network([LAYERS["dense"](4), LAYERS["dense"](10**12)], (3,))
    assert caught.value.path == ("layers", 1)
