"""Laws that every layer of `LAYERS` keeps, whatever it computes.

A new layer gets its rows in `ROWS`, and all laws are checked for it.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from bpnet.nn.arena import Array, Shape
from bpnet.nn.gradcheck import check_gradients
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.network import Network

ROW, GRID = (6,), (3, 2, 4)


@dataclass(frozen=True)
class Row:
    """A layer to check: how to make it, and whether the rows of a training batch meet in it."""

    make: Callable[[], Layer]
    shape: Shape = ROW
    mixes_rows: bool = False


def layer(kind: str, **options: object) -> Layer:
    return LAYERS[kind](**options)


def row(kind: str, to: Shape = ROW, *, mixes_rows: bool = False, **options: object) -> Row:
    return Row(lambda: layer(kind, **options), to, mixes_rows)


def residual(shape: Shape, *branch: str, mixes_rows: bool = False, projection: str = "") -> Row:
    def parse(text: str) -> Layer:
        kind, _, units = text.partition(" ")
        return layer(kind, units=int(units)) if units else layer(kind)

    def make() -> Layer:
        skip = parse(projection) if projection else None
        return layer("residual", layers=[parse(text) for text in branch], projection=skip)

    return Row(make, shape, mixes_rows)


def nested() -> Layer:
    inner = layer("residual", layers=[layer("dense", units=6), layer("tanh")])
    return layer(
        "residual",
        layers=[inner, layer("relu"), layer("dense", units=5), layer("softplus")],
        projection=layer("dense", units=5),
    )


ROWS: dict[str, list[Row]] = {
    "dense": [row("dense", units=4), row("dense", units=1, bias=False)],
    "relu": [row("relu"), row("relu", GRID)],
    "leaky_relu": [row("leaky_relu"), row("leaky_relu", GRID, slope=0.2)],
    "elu": [row("elu"), row("elu", GRID, alpha=1.6)],
    "gelu": [row("gelu"), row("gelu", GRID, approximate="tanh")],
    "swish": [row("swish"), row("swish", GRID, beta=1.7)],
    "sigmoid": [row("sigmoid"), row("sigmoid", GRID)],
    "tanh": [row("tanh"), row("tanh", GRID)],
    "softplus": [row("softplus"), row("softplus", GRID, beta=3.0)],
    "softmax": [row("softmax"), row("softmax", GRID)],
    "identity": [row("identity"), row("identity", GRID)],
    "dropout": [row("dropout", rate=0.3), row("dropout", GRID, rate=0.6), row("dropout", rate=0.0)],
    "batch_norm": [
        row("batch_norm", mixes_rows=True),
        row("batch_norm", GRID, mixes_rows=True, momentum=0.3, epsilon=0.1),
        row("batch_norm", mixes_rows=True, affine=False),
    ],
    "layer_norm": [
        row("layer_norm"),
        row("layer_norm", GRID),
        row("layer_norm", GRID, over="all", epsilon=0.1),
        row("layer_norm", GRID, affine=False),
    ],
    "flatten": [row("flatten"), row("flatten", GRID)],
    "reshape": [row("reshape", shape=[2, 3]), row("reshape", GRID, shape=[4, -1])],
    "residual": [
        residual(ROW, "dense 6", "tanh", "dense 6"),
        residual(ROW, "identity", "relu"),
        residual(GRID, "layer_norm", "gelu", "identity"),
        residual(GRID, "flatten", "dense 5", "relu", "dense 24", projection="flatten"),
        residual(ROW, "batch_norm", "relu", mixes_rows=True),
        residual(ROW, "dropout", "dense 4", projection="dense 4"),
        Row(nested),
    ],
}

ALL = [
    pytest.param(case, id=f"{name}-{i}")
    for name, cases in ROWS.items()
    for i, case in enumerate(cases)
]
every_layer = pytest.mark.parametrize("case", ALL)
every_mode = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])


def build(case: Row, dtype: str = "float64", seed: int = 1) -> Network:
    """Build the layer alone, with parameters and state away from their plain starting values."""
    return stirred(Network([case.make()], case.shape, dtype=dtype, seed=seed))


def stirred(network: Network) -> Network:
    rng = np.random.default_rng(11)
    for param in network.arena.params.values():
        param.value[...] += 0.3 * rng.standard_normal(param.shape)
    for state in network.arena.states.values():
        state.value[...] = rng.uniform(0.5, 1.5, state.shape)
    return network


def draw(shape: Shape, n: int, dtype: str = "float64", seed: int = 2) -> Array:
    return np.random.default_rng(seed).standard_normal((n, *shape)).astype(dtype)


def passing(train: bool, seed: int = 3) -> Pass:
    return Pass(train, np.random.default_rng(seed))


def run(network: Network, x: Array, dy: Array, step: Pass) -> dict[str, Array]:
    """Run forward and backward, and return copies of all that they give."""
    y = network.forward(x, step).copy()
    dx = network.backward(dy, need_dx=True)
    assert dx is not None
    grads = {name: param.grad.copy() for name, param in network.arena.params.items()}
    return {"y": y, "dx": dx.copy(), **grads}


def assert_same(one: dict[str, Array], other: dict[str, Array]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_every_layer_of_the_table_has_its_rows() -> None:
    assert ROWS.keys() == LAYERS.keys()
    for name, cases in ROWS.items():
        assert cases
        assert all(type(case.make()) is LAYERS[name] for case in cases)


@every_layer
@every_mode
@pytest.mark.parametrize("n", [5, 1])
def test_the_gradients_agree_with_differences(case: Row, train: bool, n: int) -> None:
    errors = check_gradients(build(case), draw(case.shape, n), train=train)
    assert all(error.passed for error in errors), errors


@every_layer
@every_mode
def test_the_shapes_are_those_that_build_announces(case: Row, train: bool) -> None:
    network = build(case)
    x = draw(case.shape, 5)
    y = network.forward(x, passing(train))
    assert y.shape == (5, *network.out_shape)
    dx = network.backward(np.ones_like(y), need_dx=True)
    assert dx is not None
    assert dx.shape == x.shape


@every_layer
@every_mode
def test_stale_buffers_and_gradients_change_nothing(case: Row, train: bool) -> None:
    network = build(case)
    x, dy = draw(case.shape, 5), draw(network.out_shape, 5, seed=4)
    state = network.arena.state.copy()
    first = run(network, x, dy, passing(train))
    network.arena.state[:] = state
    network.arena.poison()
    assert_same(run(network, x, dy, passing(train)), first)


@every_layer
@every_mode
def test_what_a_layer_says_of_its_output_is_true(case: Row, train: bool) -> None:
    network = stirred(build(case))
    layer = network.layers[0]
    x, dy = draw(network.in_shape, 5), draw(network.out_shape, 5)
    expected = run(network, x, dy, passing(train))
    y = network.forward(x, passing(train))
    if train or layer.type != "dropout":
        assert layer.fresh_output or np.shares_memory(x, y) or layer.type == "dropout"
    if layer.fresh_output:
        assert not np.shares_memory(x, y)
    if layer.fresh_output and not layer.reads_output:
        y.fill(np.nan)  # as if the next layer had written over it
    dx = network.backward(dy, need_dx=True)
    assert dx is not None
    found = {name: param.grad for name, param in network.arena.params.items()}
    for name, grad in found.items():
        np.testing.assert_array_equal(grad, expected[name])
    np.testing.assert_array_equal(dx, expected["dx"])


@every_layer
@every_mode
def test_input_and_upstream_gradient_are_left_as_they_are(case: Row, train: bool) -> None:
    network = build(case)
    x, dy = draw(case.shape, 5), draw(network.out_shape, 5, seed=4)
    x_before, dy_before = x.copy(), dy.copy()
    run(network, x, dy, passing(train))
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(dy, dy_before)


@every_layer
@every_mode
def test_a_batch_equals_its_halves(case: Row, train: bool) -> None:
    network = build(case)
    if train and (case.mixes_rows or network.random):
        pytest.skip("here the rows of a training batch depend on each other")
    x, dy = draw(case.shape, 7), draw(network.out_shape, 7, seed=4)
    whole = run(network, x, dy, passing(train))
    first = run(network, x[:4], dy[:4], passing(train))
    second = run(network, x[4:], dy[4:], passing(train))
    for name, value in whole.items():
        if name in ("y", "dx"):
            halves = np.concatenate([first[name], second[name]])
        else:
            halves = first[name] + second[name]
        np.testing.assert_allclose(value, halves, rtol=1e-11, atol=1e-13, err_msg=name)


def arrays_of(network: Network) -> Iterator[tuple[str, Array]]:
    for name, inner, _ in network.walk():
        for attribute, value in vars(inner).items():
            if isinstance(value, np.ndarray):
                yield f"{name}.{attribute}", value


@every_layer
@every_mode
def test_float32_stays_float32_everywhere(case: Row, train: bool) -> None:
    network = build(case, "float32")
    x, dy = draw(case.shape, 5, "float32"), draw(network.out_shape, 5, "float32", seed=4)
    for name, value in run(network, x, dy, passing(train)).items():
        assert value.dtype == np.float32, name
    for name, value in arrays_of(network):
        assert value.dtype in (np.float32, np.bool_), name


@every_layer
@every_mode
def test_float32_and_float64_agree(case: Row, train: bool) -> None:
    if build(case).random and train:
        pytest.skip("each type has its own random numbers")
    single, double = build(case, "float32"), build(case)
    x, dy = draw(case.shape, 5, "float32"), draw(single.out_shape, 5, "float32", seed=4)
    coarse = run(single, x, dy, passing(train))
    fine = run(double, x.astype("float64"), dy.astype("float64"), passing(train))
    for name, value in coarse.items():
        np.testing.assert_allclose(value, fine[name], rtol=2e-4, atol=2e-5, err_msg=name)


@every_layer
@every_mode
def test_without_dx_the_gradients_are_the_same(case: Row, train: bool) -> None:
    network = build(case)
    x, dy = draw(case.shape, 5), draw(network.out_shape, 5, seed=4)
    full = run(network, x, dy, passing(train))
    network.arena.grad.fill(np.nan)
    assert network.layers[0].backward(dy, need_dx=False) is None
    for name, param in network.arena.params.items():
        np.testing.assert_array_equal(param.grad, full[name], err_msg=name)


@every_layer
@every_mode
def test_a_second_backward_gives_the_same(case: Row, train: bool) -> None:
    network = build(case)
    x, dy = draw(case.shape, 5), draw(network.out_shape, 5, seed=4)
    first = run(network, x, dy, passing(train))
    network.backward(2 * dy, need_dx=True)
    dx = network.backward(dy, need_dx=True)
    assert dx is not None
    np.testing.assert_array_equal(dx, first["dx"])
    for name, param in network.arena.params.items():
        np.testing.assert_array_equal(param.grad, first[name], err_msg=name)


@every_layer
def test_only_noise_and_batch_statistics_make_training_differ_from_evaluation(case: Row) -> None:
    network = build(case)
    x = draw(case.shape, 5)
    evaluated = network.forward(x, passing(False)).copy()
    state = network.arena.state.copy()
    trained = network.forward(x, passing(True)).copy()
    noisy = any(inner.random and getattr(inner, "rate", 1) > 0 for _, inner, _ in network.walk())
    assert np.array_equal(evaluated, trained) == (not noisy and not case.mixes_rows)
    assert np.array_equal(state, network.arena.state) == (not case.mixes_rows)


@every_layer
def test_evaluation_leaves_the_state_alone(case: Row) -> None:
    network = build(case)
    state = network.arena.state.copy()
    network.forward(draw(case.shape, 5), passing(False))
    np.testing.assert_array_equal(network.arena.state, state)


@every_layer
@every_mode
def test_a_smaller_batch_uses_the_front_of_the_same_buffers(case: Row, train: bool) -> None:
    network, fresh = build(case), build(case)
    large, dy = draw(case.shape, 8), draw(network.out_shape, 8, seed=4)
    run(network, large, dy, passing(train))
    network.arena.state[:] = fresh.arena.state
    held = network.arena.scratch_bytes()
    small = draw(case.shape, 3, seed=5)
    for _ in range(2):
        got = run(network, small, dy[:3], passing(train))
        network.arena.state[:] = fresh.arena.state
    assert_same(got, run(fresh, small, dy[:3], passing(train)))
    assert network.arena.scratch_bytes() == held


def learn(network: Network, steps: range, case: Row) -> None:
    """Take gradient steps whose data and noise depend on the number of the step only."""
    for i in steps:
        x, dy = (
            draw(case.shape, 5, "float32", seed=i),
            draw(network.out_shape, 5, "float32", seed=i),
        )
        network.forward(x, passing(True, seed=i))
        network.backward(dy)
        network.arena.theta -= np.float32(0.05) * network.arena.grad


@every_layer
def test_theta_and_state_are_all_that_a_restart_needs(case: Row) -> None:
    straight, before = build(case, "float32"), build(case, "float32")
    learn(straight, range(4), case)
    learn(before, range(2), case)
    after = Network([case.make()], case.shape, seed=99)
    after.arena.theta[:] = before.arena.theta
    after.arena.state[:] = before.arena.state
    learn(after, range(2, 4), case)
    assert after.arena.theta.tobytes() == straight.arena.theta.tobytes()
    assert after.arena.state.tobytes() == straight.arena.state.tobytes()


@every_layer
def test_a_seed_gives_the_same_parameters_and_another_seed_others(case: Row) -> None:
    first, again, other = (
        Network([case.make()], case.shape, seed=seed).arena.theta for seed in (5, 5, 6)
    )
    assert first.tobytes() == again.tobytes()
    drawn = any(name.endswith(".W") for name in build(case).arena.params)
    assert np.array_equal(first, other) == (not drawn)


def peak_of_a_warm_step(case: Row, train: bool, n: int) -> int:
    """Return the most bytes that a step holds beyond what was there before it."""
    network = build(case, "float32")
    x, dy = draw(case.shape, n, "float32"), draw(network.out_shape, n, "float32", seed=4)
    step = passing(train)
    for _ in range(2):
        network.forward(x, step)
        network.backward(dy, need_dx=True)
    tracemalloc.start()
    try:
        network.forward(x, step)
        network.backward(dy, need_dx=True)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@every_layer
@every_mode
def test_a_warm_step_allocates_nothing(case: Row, train: bool) -> None:
    # NumPy itself takes one buffer of 8192 numbers, whatever the batch, where shapes broadcast.
    small, large = (peak_of_a_warm_step(case, train, n) for n in (8192, 16384))
    assert small < 2 * 8192 * 4
    assert large - small < 4096  # one number per row would be 32768 bytes


@pytest.mark.parametrize(
    "case",
    [
        row("dense", (300,), units=300),
        row("batch_norm", (50_000,), mixes_rows=True),
        row("layer_norm", (50_000,)),
    ],
    ids=["dense", "batch_norm", "layer_norm"],
)
@every_mode
def test_a_warm_step_allocates_nothing_of_its_parameters_size_either(
    case: Row, train: bool
) -> None:
    assert peak_of_a_warm_step(case, train, 2) < 2 * 8192 * 4  # the parameters: 200,000 and more


@every_layer
@every_mode
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_huge_and_constant_inputs_give_finite_numbers(
    case: Row, train: bool, dtype: str, scale: float
) -> None:
    network = build(case, dtype)
    signs = np.sign(draw(case.shape, 5))
    x, dy = (scale * signs).astype(dtype), draw(network.out_shape, 5, dtype, seed=4)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        for name, value in run(network, x, dy, passing(train)).items():
            assert np.isfinite(value).all(), name


@every_layer
@every_mode
def test_nan_is_passed_on(case: Row, train: bool) -> None:
    network = build(case)
    x = draw(case.shape, 5)
    x[2] = np.nan
    assert np.isnan(network.forward(x, passing(train))[2]).any()


OVERWRITING = [name for name, kind in LAYERS.items() if kind.can_overwrite]


@pytest.mark.parametrize("name", OVERWRITING)
def test_writing_over_the_input_changes_no_result(name: str) -> None:
    def sandwich() -> Network:
        layers = [layer("dense", units=5), layer(name), layer("dense", units=3)]
        return stirred(Network(layers, ROW, dtype="float64"))

    inplace, apart = sandwich(), sandwich()
    assert inplace.layers[1].inplace
    apart.layers[1].inplace = False
    x, dy = draw(ROW, 4), draw((3,), 4, seed=4)
    assert_same(run(inplace, x, dy, passing(True)), run(apart, x, dy, passing(True)))
    assert inplace.layers[1].forward(y := draw((5,), 4), passing(True)) is y
