"""What single layers promise beyond the laws."""

from __future__ import annotations

import numpy as np
import pytest

from bpnet.errors import OptionError
from bpnet.nn.arena import Array, Shape
from bpnet.nn.initializers import INITIALIZERS
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.network import Network

EVAL = Pass()


def layer(kind: str, **options: object) -> Layer:
    return LAYERS[kind](**options)


def alone(kind: str, in_shape: Shape, dtype: str = "float64", **options: object) -> Network:
    return Network([layer(kind, **options)], in_shape, dtype=dtype)


def training(seed: int = 0) -> Pass:
    return Pass(True, np.random.default_rng(seed))


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def refusal(kind: str, in_shape: Shape, **options: object) -> str:
    with pytest.raises(OptionError) as caught:
        alone(kind, in_shape, **options)
    return str(caught.value)


class TestDense:
    def test_it_multiplies_and_adds(self) -> None:
        network = alone("dense", (2,), units=3)
        weights = network.weights()
        weights["dense_1.W"][...] = [[1, 2, 3], [4, 5, 6]]
        weights["dense_1.b"][...] = [0.5, 0, -0.5]
        y = network.forward(np.array([[1.0, 10.0]]), EVAL)
        np.testing.assert_array_equal(y, [[41.5, 52, 62.5]])

    def test_images_are_refused_with_the_layer_that_helps(self) -> None:
        message = refusal("dense", (28, 28, 3), units=4)
        assert message == (
            "layers[0]: dense takes one row of numbers per example, but its input is 28x28x3; "
            "put {type: flatten} before it"
        )

    def test_auto_takes_what_the_target_needs_or_says_that_nobody_knows(self) -> None:
        network = Network([layer("dense", units="auto")], (2,), output_size=7)
        assert network.out_shape == (7,)
        assert refusal("dense", (2,), units="auto").startswith("layers[0].units: 'auto' needs")

    def test_the_bias_decays_never_and_starts_by_the_fans_of_its_unit(self) -> None:
        options = {"units": 50, "bias_init": INITIALIZERS["lecun"](distribution="uniform")}
        network = alone("dense", (400,), **options)
        assert network.arena.params["dense_1.W"].decay
        assert not network.arena.params["dense_1.b"].decay
        bound = np.sqrt(3 / 400)
        assert 0.8 * bound < np.abs(network.weights()["dense_1.b"]).max() <= bound


class TestActivations:
    def test_relu_is_zero_up_to_zero(self) -> None:
        network = alone("relu", (4,))
        y = network.forward(np.array([[-2.0, 0.0, 1e-300, 3.0]]), EVAL)
        np.testing.assert_array_equal(y, [[0, 0, 1e-300, 3]])
        dx = network.backward(np.ones((1, 4)), need_dx=True)
        np.testing.assert_array_equal(dx, [[0, 0, 1, 1]])

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("slope", [0.01, 0.1, 1 / 3, 0.7])
    def test_leaky_relu_leaves_positive_numbers_as_they_are(self, dtype: str, slope: float) -> None:
        x = np.abs(draw(50, 4)).astype(dtype)
        y = alone("leaky_relu", (4,), dtype, slope=slope).forward(x, EVAL)
        np.testing.assert_array_equal(y, x)
        y = alone("leaky_relu", (4,), dtype, slope=slope).forward(-x, EVAL)
        np.testing.assert_array_equal(y, -x * np.dtype(dtype).type(slope))

    def test_softmax_rows_are_probabilities_and_ignore_a_common_shift(self) -> None:
        network, x = alone("softmax", (2, 5)), draw(3, 2, 5)
        y = network.forward(x, EVAL).copy()
        np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-14)
        np.testing.assert_allclose(network.forward(x + 1e4, EVAL), y, rtol=1e-10)

    def test_softplus_and_sigmoid_are_right_far_out(self) -> None:
        x = np.array([[-1e4, -40.0, 40.0, 1e4]])
        y = alone("softplus", (4,)).forward(x, EVAL)
        np.testing.assert_allclose(y, [[0, np.exp(-40), 40, 1e4]], rtol=1e-14)
        y = alone("sigmoid", (4,)).forward(x, EVAL)
        np.testing.assert_allclose(y, [[0, np.exp(-40), 1, 1]], atol=1e-16)

    def test_identity_passes_everything_through(self) -> None:
        network, x, dy = alone("identity", (3,)), draw(2, 3), draw(2, 3)
        assert network.forward(x, EVAL) is x
        assert network.backward(dy, need_dx=True) is dy

    @pytest.mark.parametrize(
        ("kind", "option"),
        [
            *(("elu", "alpha"), ("swish", "beta"), ("softplus", "beta")),
            *(("batch_norm", "epsilon"), ("layer_norm", "epsilon")),
        ],
    )
    @pytest.mark.parametrize("value", [1e-50, 1e50])
    def test_options_that_the_precision_can_not_hold_are_refused(
        self, kind: str, option: str, value: float
    ) -> None:
        with pytest.raises(OptionError) as caught:
            alone(kind, (4,), "float32", **{option: value})
        assert str(caught.value) == (
            f"layers[0].{option}: expected a number that float32 can hold, 1.2e-38 to 3.4e+38, "
            f"received {value:g}"
        )
        alone(kind, (4,), "float64", **{option: value})


class TestDropout:
    def test_it_drops_its_fraction_and_scales_up_the_rest(self) -> None:
        for dtype in ("float32", "float64"):
            network = alone("dropout", (1000,), dtype, rate=0.3)
            y = network.forward(np.ones((200, 1000), dtype), training())
            assert np.mean(y == 0) == pytest.approx(0.3, abs=0.005)
            np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-6)

    def test_gradients_pass_where_inputs_passed(self) -> None:
        network = alone("dropout", (50,), rate=0.5)
        y = network.forward(np.ones((20, 50)), training()).copy()
        dx = network.backward(np.ones((20, 50)), need_dx=True)
        np.testing.assert_array_equal(dx, y)

    def test_the_noise_comes_from_the_pass_alone(self) -> None:
        network, x = alone("dropout", (50,)), np.ones((20, 50))
        first = network.forward(x, training(1)).copy()
        np.testing.assert_array_equal(network.forward(x, training(1)), first)
        assert not np.array_equal(network.forward(x, training(2)), first)
        step = training(1)
        network.forward(x, step)
        assert not np.array_equal(network.forward(x, step), first)

    def test_every_rate_keeps_or_drops_as_a_coin_of_its_weight(self) -> None:
        for rate in (1e-9, 0.999):
            network = alone("dropout", (1000,), "float32", rate=rate)
            y = network.forward(np.ones((300, 1000), "float32"), training())
            assert set(np.unique(y)) <= {np.float32(0), np.float32(1 / (1 - rate))}
            assert np.mean(y != 0) == pytest.approx(1 - rate, abs=0.0005)

    def test_evaluation_passes_the_input_itself_through(self) -> None:
        network, x, dy = alone("dropout", (5,)), draw(2, 5), draw(2, 5)
        assert network.forward(x, EVAL) is x
        assert network.backward(dy, need_dx=True) is dy

    def test_training_without_a_random_stream_is_a_mistake_that_shows(self) -> None:
        with pytest.raises(ValueError, match="random stream"):
            alone("dropout", (5,)).forward(draw(2, 5), Pass(train=True))


class TestBatchNorm:
    def test_a_training_batch_comes_out_normalized_per_channel(self) -> None:
        for shape in ((4,), (3, 5, 4)):
            network = alone("batch_norm", shape, epsilon=1e-12)
            y = network.forward(3 + 2 * draw(50, *shape), training()).reshape(-1, 4)
            np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
            np.testing.assert_allclose(y.var(0), 1, rtol=1e-9)

    def test_running_averages_follow_the_batches(self) -> None:
        network = alone("batch_norm", (1,), momentum=0.25)
        network.forward(np.array([[1.0], [3.0]]), training())
        weights = network.weights()
        assert weights["batch_norm_1.running_mean"] == [0.25 * 2]
        assert weights["batch_norm_1.running_variance"] == [0.75 * 1 + 0.25 * 2]  # unbiased: 2
        network.forward(np.array([[1.0], [3.0]]), training())
        assert weights["batch_norm_1.running_mean"] == [0.875]

    def test_evaluation_uses_the_running_averages(self) -> None:
        network = alone("batch_norm", (1,), epsilon=0.25)
        network.weights()["batch_norm_1.running_mean"][...] = 10
        network.weights()["batch_norm_1.running_variance"][...] = 2
        network.weights()["batch_norm_1.gamma"][...] = 3
        network.weights()["batch_norm_1.beta"][...] = 1
        y = network.forward(np.array([[13.0]]), EVAL)
        np.testing.assert_allclose(y, [[3 * (13 - 10) / 1.5 + 1]])

    def test_a_training_batch_of_one_row_uses_and_keeps_the_running_averages(self) -> None:
        network, x, dy = alone("batch_norm", (4,)), draw(1, 4), draw(1, 4)
        network.forward(5 + draw(20, 4), training())
        state = network.arena.state.copy()
        y = network.forward(x, training()).copy()
        dx = network.backward(dy, need_dx=True).copy()
        np.testing.assert_array_equal(network.arena.state, state)
        np.testing.assert_array_equal(network.forward(x, EVAL), y)
        np.testing.assert_array_equal(network.backward(dy, need_dx=True), dx)
        assert np.abs(dx).min() > 0
        np.testing.assert_array_equal(network.arena.params["batch_norm_1.beta"].grad, dy[0])

    def test_one_image_has_statistics_of_its_own(self) -> None:
        network = alone("batch_norm", (3, 5, 2))
        before = network.arena.state.copy()
        network.forward(draw(1, 3, 5, 2), training())
        assert not np.array_equal(network.arena.state, before)

    def test_a_constant_channel_gives_zeros_however_large_it_is(self) -> None:
        network = alone("batch_norm", (2,), "float32", momentum=1.0)
        x = np.full((1000, 2), 1234.5678, "float32")
        np.testing.assert_array_equal(network.forward(x, training()), 0)
        np.testing.assert_array_equal(network.forward(x, EVAL), 0)

    def test_scale_and_shift_never_decay(self) -> None:
        for kind in ("batch_norm", "layer_norm"):
            network = alone(kind, (2, 3))
            assert [param.decay for param in network.arena.params.values()] == [False, False]
            assert network.arena.decaying == 0

    def test_without_affine_there_is_nothing_to_learn(self) -> None:
        for kind in ("batch_norm", "layer_norm"):
            assert alone(kind, (2, 3), affine=False).arena.size == 0


class TestLayerNorm:
    def test_each_example_is_normalized_over_the_axes_chosen(self) -> None:
        x = 3 + 2 * draw(5, 3, 2, 4)
        for over, axes in (("last", -1), ("all", (1, 2, 3))):
            y = alone("layer_norm", (3, 2, 4), over=over, epsilon=1e-12).forward(x, EVAL)
            np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
            np.testing.assert_allclose(y.var(axes), 1, rtol=1e-9)

    def test_a_constant_example_gives_zeros_however_large_it_is(self) -> None:
        x = np.full((3, 1000), 1234.5678, "float32")
        np.testing.assert_array_equal(alone("layer_norm", (1000,), "float32").forward(x, EVAL), 0)

    def test_parameters_have_the_shape_of_the_axes_chosen(self) -> None:
        for over, shape in (("last", (4,)), ("all", (3, 2, 4))):
            weights = alone("layer_norm", (3, 2, 4), over=over).weights()
            assert weights["layer_norm_1.gamma"].shape == shape
            assert weights["layer_norm_1.beta"].shape == shape


class TestShaping:
    def test_flatten_keeps_the_order(self) -> None:
        x = draw(2, 3, 4)
        y = alone("flatten", (3, 4)).forward(x, EVAL)
        np.testing.assert_array_equal(y, x.reshape(2, 12))

    @pytest.mark.parametrize(
        ("wanted", "got"), [([3, 4], (3, 4)), ([-1], (12,)), ([2, -1, 3], (2, 2, 3)), ([12], (12,))]
    )
    def test_reshape_fills_the_shape_in_order(self, wanted: list[int], got: Shape) -> None:
        x = draw(2, 2, 6)
        y = alone("reshape", (2, 6), shape=wanted).forward(x, EVAL)
        np.testing.assert_array_equal(y, x.reshape(2, *got))

    @pytest.mark.parametrize("wanted", [[5], [5, -1], [12, 2], [3, 3]])
    def test_a_shape_of_another_size_is_refused(self, wanted: list[int]) -> None:
        message = refusal("reshape", (2, 6), shape=wanted)
        shown = "x".join(map(str, wanted))
        assert message == (
            f"layers[0].shape: the input's 12 numbers (2x6) can't be arranged as {shown}"
        )

    @pytest.mark.parametrize("wanted", [[], [0], [-1, -1], [3, -2]])
    def test_a_shape_that_is_none_is_refused(self, wanted: list[int]) -> None:
        message = refusal("reshape", (12,), shape=wanted)
        assert message.startswith(
            "layers[0].shape: expected positive integers, and -1 at most once"
        )


class TestResidual:
    def test_it_adds_the_branch_to_the_input(self) -> None:
        network, x = alone("residual", (3,), layers=[layer("tanh")]), draw(4, 3)
        np.testing.assert_allclose(network.forward(x, EVAL), np.tanh(x) + x, rtol=1e-15)

    def test_the_projection_takes_the_place_of_the_input(self) -> None:
        skip = layer("dense", units=2)
        network = alone("residual", (3,), layers=[layer("dense", units=2)], projection=skip)
        x, weights = draw(4, 3), network.weights()
        both = weights["residual_1.dense_1.W"] + weights["residual_1.projection.W"]
        np.testing.assert_allclose(network.forward(x, EVAL), x @ both, rtol=1e-12)

    def test_shapes_that_differ_are_both_named_with_a_projection_that_mends_it(self) -> None:
        assert refusal("residual", (3,), layers=[layer("dense", units=5)]) == (
            "layers[0]: the branch makes 5 of the input, but the skip path keeps its 3; "
            "add projection: {type: dense, units: 5}"
        )
        assert refusal("residual", (2, 2), layers=[layer("flatten")]) == (
            "layers[0]: the branch makes 4 of the input, but the skip path keeps its 2x2; "
            "give a projection that does the same"
        )

    def test_a_projection_to_another_shape_is_named(self) -> None:
        options = {"layers": [layer("dense", units=5)], "projection": layer("dense", units=4)}
        message = refusal("residual", (3,), **options)
        assert message == "layers[0].projection: expected 5 as from the branch, received 4"

    def test_errors_inside_have_the_whole_path(self) -> None:
        bad = layer("reshape", shape=[7])
        deep = layer("residual", layers=[layer("tanh"), bad])
        assert refusal("residual", (3,), layers=[deep]).startswith(
            "layers[0].layers[0].layers[1].shape: the input's 3"
        )
        bad = layer("reshape", shape=[7])
        assert refusal("residual", (3,), layers=[layer("tanh")], projection=bad).startswith(
            "layers[0].projection.shape: the input's 3"
        )

    def test_an_empty_branch_is_refused(self) -> None:
        assert refusal("residual", (3,), layers=[]) == (
            "layers[0].layers: expected at least one layer"
        )

    def test_a_name_can_not_be_both_in_the_branch_and_on_the_skip_path(self) -> None:
        options = {"layers": [layer("tanh", name="a")], "projection": layer("identity", name="a")}
        assert refusal("residual", (3,), **options) == (
            "layers[0].projection.name: a layer of the branch is named 'a' already"
        )
