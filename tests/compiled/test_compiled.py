"""Compiled loops: each is what NumPy computes, to rounding."""

import numpy as np
import pytest

from bpnet import compiled
from bpnet.errors import DivergedError
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import LOSSES
from bpnet.nn.network import Network
from bpnet.optim.optimizers import OPTIMIZERS

pytest.importorskip("numba")
layers, losses, optimizers = (
    pytest.importorskip(f"bpnet.compiled.{name}") for name in ("layers", "losses", "optimizers")
)

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def networks(layer, shape, dtype="float32"):
    """Return a network of one layer, and one that is compiled."""
    both = [layer.unbuilt(), compiled.compiled_layer(layer)]
    return [Network([each], shape, dtype=dtype, seed=1) for each in both]


def go_through(network, x, dy, *, need_dx=True, train=True):
    """Return copies of everything that one step computes."""
    arena = network.arena
    rng = np.random.default_rng(3)
    for param in arena.params.values():
        param.value[...] = rng.standard_normal(param.shape)
    arena.poison()
    y = network.forward(x.copy(), Pass(train, np.random.default_rng(5))).copy()
    dx = network.backward(dy.copy(), need_dx=need_dx)
    arrays = {"y": y, "grad": arena.grad.copy(), "state": arena.state.copy()}
    return arrays if dx is None else arrays | {"dx": dx.copy()}


def assert_same(one, other, tolerance):
    assert one.keys() == other.keys()
    for name, array in one.items():
        scale = np.nanmax(np.abs(array), initial=1e-300, where=np.isfinite(array))
        np.testing.assert_allclose(other[name], array, rtol=tolerance, atol=tolerance * scale)


LAYER_CASES = [
    ("dense", {"units": 6}),
    ("relu", {}),
    ("leaky_relu", {"slope": 0.2}),
    ("tanh", {}),
    ("sigmoid", {}),
    ("dropout", {"rate": 0.3}),
    ("layer_norm", {}),
    ("layer_norm", {"over": "all"}),
    ("layer_norm", {"affine": False}),
    ("batch_norm", {}),
    ("batch_norm", {"affine": False}),
]


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(7,), (4, 3, 5)])
@pytest.mark.parametrize(("name", "options"), LAYER_CASES)
def test_a_layer_is_numpy_s_to_rounding(name, options, shape, dtype, train):
    rng = np.random.default_rng(0)
    if name == "dense" and len(shape) > 1:
        pytest.skip("takes rows of numbers")
    mine, theirs = networks(LAYERS[name](**options), shape, dtype)
    assert type(theirs.layers[0]) is not type(mine.layers[0])
    for rows in (9, 4, 1):
        x = (3 * rng.standard_normal((rows, *shape)) + 1).astype(dtype)
        dy = rng.standard_normal((rows, *mine.out_shape)).astype(dtype)
        expected = go_through(mine, x, dy, train=train)
        assert_same(expected, go_through(theirs, x, dy, train=train), TOLERANCE[dtype])
        del expected["dx"]
        without = go_through(theirs, x, dy, need_dx=False, train=train)
        assert_same(go_through(mine, x, dy, need_dx=False, train=train), without, TOLERANCE[dtype])


@pytest.mark.parametrize(("name", "options"), LAYER_CASES)
def test_nan_and_infinities_are_where_numpy_has_them(name, options):
    rng = np.random.default_rng(0)
    mine, theirs = networks(LAYERS[name](**options), (5,))
    for bad in (np.nan, np.inf, -np.inf):
        for at in ((0, 0), (2, 3)):
            x = rng.standard_normal((4, 5)).astype(np.float32)
            dy = rng.standard_normal((4, *mine.out_shape)).astype(np.float32)
            x[at] = bad
            with np.errstate(all="ignore"):
                one, other = go_through(mine, x, dy), go_through(theirs, x, dy)
            for part, array in one.items():
                # Which of NaN and infinity it is depends on the order of a sum.
                assert (np.isfinite(array) == np.isfinite(other[part])).all(), part


@pytest.mark.parametrize("name", ["layer_norm", "batch_norm"])
def test_a_frozen_norm_keeps_its_parameters(name):
    rng = np.random.default_rng(0)
    norm = LAYERS[name](name="n")
    mine, theirs = (
        Network([each, LAYERS["dense"](2)], (5,), dtype="float64", seed=1, freeze=["n"])
        for each in (norm.unbuilt(), compiled.compiled_layer(norm))
    )
    x, dy = rng.standard_normal((4, 5)), rng.standard_normal((4, 2))
    assert_same(go_through(mine, x, dy), go_through(theirs, x, dy), 1e-12)


def test_layers_within_layers_are_compiled_too():
    block = LAYERS["residual"]([LAYERS["dense"](3), LAYERS["relu"]()])
    found = compiled.compiled_layer(block)
    assert type(found.layers[1]) is layers.CompiledRelu
    assert type(block.layers[1]) is LAYERS["relu"]
    assert (found.type, found.layers[1].type) == ("residual", "relu")


def test_every_compiled_class_is_tested_here():
    assert {kind.type for kind in layers.COMPILED} == {name for name, _ in LAYER_CASES}
    assert {kind.type for kind in optimizers.COMPILED} == set(OPTIMIZERS)
    assert {kind.type for kind in losses.COMPILED} == {"cross_entropy"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("options", "soft"),
    [({}, False), ({}, True), ({"label_smoothing": 0.1}, False), ({"class_weight": [1, 2, 3]}, 0)],
)
def test_a_loss_is_numpy_s_to_rounding(options, soft, weighted, dtype):
    rng = np.random.default_rng(0)
    mine = LOSSES["cross_entropy"](**options)
    mine.build(3, dtype=dtype)
    theirs = compiled.compiled_loss(mine)
    assert type(theirs) is losses.CompiledCrossEntropy
    for rows in (6, 4, 9):
        z = (40 * rng.standard_normal((rows, 3))).astype(dtype)
        target = rng.dirichlet(np.ones(3), rows).astype(dtype) if soft else np.arange(rows) % 3
        weight = rng.uniform(0, 2, rows).astype(dtype) if weighted else None
        for total in (None, 17.0):
            value = mine.forward(z, target, weight, total)
            expected = mine.backward().copy()
            assert theirs.forward(z, target, weight, total) == pytest.approx(value, rel=1e-5)
            np.testing.assert_allclose(theirs.backward(), expected, atol=TOLERANCE[dtype])


def test_a_loss_of_nan_is_nan():
    loss = LOSSES["cross_entropy"]()
    loss.build(3)
    loss = compiled.compiled_loss(loss)
    for bad in (np.nan, np.inf):
        for column in range(3):
            z = np.zeros((2, 3), np.float32)
            z[1, column] = bad
            with np.errstate(all="ignore"):
                assert not np.isfinite(loss.forward(z, np.array([0, 1])))


OPTIMIZER_OPTIONS = [
    *((name, {}) for name in OPTIMIZERS),
    ("momentum", {"dampening": 0.3}),
    ("rmsprop", {"centered": True}),
    ("rmsprop", {"momentum": 0.9}),
    ("adam", {"weight_decay": 0.1}),
    ("nesterov", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
]


def arena_of(dtype):
    return Network([LAYERS["dense"](30), LAYERS["dense"](20)], (10,), dtype=dtype, seed=2).arena


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), OPTIMIZER_OPTIONS)
def test_an_optimizer_is_numpy_s_to_rounding(name, options, dtype):
    mine = OPTIMIZERS[name](**options)
    theirs = compiled.compiled_optimizer(OPTIMIZERS[name](**options))
    assert type(theirs) is not type(mine)
    arenas = []
    for optimizer in (mine, theirs):
        arena, rng = arena_of(dtype), np.random.default_rng(0)
        optimizer.bind(arena)
        for step in range(8):
            for param in arena.params.values():
                param.grad[...] = rng.standard_normal(param.shape)
            optimizer.step(0.01 / (step + 1))
        arenas.append(arena)
    one, other = arenas
    np.testing.assert_allclose(other.theta, one.theta, rtol=TOLERANCE[dtype], atol=1e-7)
    assert mine.state().keys() == theirs.state().keys()
    for key, array in mine.state().items():
        np.testing.assert_allclose(theirs.state()[key], array, rtol=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_that_overflows_is_a_divergence(name):
    optimizer = compiled.compiled_optimizer(OPTIMIZERS[name]())
    optimizer.bind(arena_of("float32"))
    optimizer.arena.grad[:] = 1.0
    optimizer.step(0.01)
    optimizer.arena.grad[0] = 3e38
    with pytest.raises(DivergedError, match="the update of step 2 overflows float32"):
        optimizer.step(1e6)


def test_loops_are_compiled_once_a_type_and_without_the_lock():
    rooms = (layers.loops, losses.loops, optimizers.loops)
    found = [loop for room in rooms for loop in vars(room).values()]
    loops = [loop for loop in found if hasattr(loop, "targetoptions")]
    assert len(loops) > 15
    assert all(loop.targetoptions["nogil"] for loop in loops)


def test_compiled_layers_give_the_config_the_names_that_numpy_s_would():
    block = LAYERS["residual"](
        [LAYERS["dense"](3), LAYERS["relu"](), LAYERS["dense"](3)], projection=LAYERS["dense"](3)
    )
    twin = compiled.compiled_layer(block)
    expected = block.unbuilt()
    Network([twin], (3,))
    Network([expected], (3,))
    block.take_names(twin)
    names = [layer.name for layer in (block, *block.layers, block.projection)]
    assert names == [layer.name for layer in (expected, *expected.layers, expected.projection)]
    assert names == ["residual_1", "dense_1", "relu_1", "dense_2", "projection"]


def test_without_a_place_for_its_cache_every_start_compiles(monkeypatch):
    from bpnet.compiled import loops

    njit = loops.numba.njit

    def refusing(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(loops.numba, "njit", refusing)
    assert loops.compiled(lambda x: x + 1)(2) == 3
