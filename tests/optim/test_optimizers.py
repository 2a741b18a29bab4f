from __future__ import annotations

import math

import numpy as np
import pytest

from bpnet.errors import DivergedError, OptionError, RunError
from bpnet.nn.arena import aligned
from bpnet.optim import blocks
from bpnet.optim.optimizers import OPTIMIZERS, AdamW, Sgd

# One row per table entry: options under which it finds the minimum of a parabola and of
# Rosenbrock's valley, and how many steps that takes it.
ROWS = {
    "sgd": ({"learning_rate": 0.002}, 15_000),
    "momentum": ({"learning_rate": 0.001}, 6_000),
    "nesterov": ({"learning_rate": 0.001}, 6_000),
    "adagrad": ({"learning_rate": 1.0}, 5_000),
    "rmsprop": ({"learning_rate": 0.001}, 6_000),
    "adam": ({"learning_rate": 0.05}, 3_000),
    "amsgrad": ({"learning_rate": 0.05}, 3_000),
    "nadam": ({"learning_rate": 0.05}, 5_000),
    "adamw": ({"learning_rate": 0.05, "weight_decay": 0.0}, 3_000),
}
VARIANTS = [
    *[(name, {}) for name in OPTIMIZERS],
    ("momentum", {"dampening": 0.5}),
    ("rmsprop", {"centered": True}),
    ("rmsprop", {"momentum": 0.9}),
    ("rmsprop", {"centered": True, "momentum": 0.9}),
    ("adagrad", {"initial_accumulator_value": 1.0}),
]
DECAYS = [
    {"weight_decay": 0.0},
    {"weight_decay": 0.1},
    {"weight_decay": 0.1, "decoupled_weight_decay": True},
]


def variant_id(value):
    return "-".join([value[0], *value[1]]) if isinstance(value, tuple) else ""


def make(name, options, arena):
    optimizer = OPTIMIZERS[name](**options)
    optimizer.bind(arena)
    return optimizer


def fill_gradient(arena, n):
    for param in arena.params.values():
        i = np.arange(param.size).reshape(param.shape)
        param.grad[...] = np.sin(0.7 * n * (1 + i % 5) + i)


def run(optimizer, arena, steps, first=1, lr=0.01):
    for n in range(first, first + steps):
        fill_gradient(arena, n)
        optimizer.step(lr * (1 + 0.3 * math.sin(n)))


def test_every_optimizer_has_a_row_here():
    assert ROWS.keys() == OPTIMIZERS.keys()
    assert all(cls.type == name for name, cls in OPTIMIZERS.items())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_finds_the_minimum_of_a_parabola(name, make_arena):
    arena = make_arena(W=(3, 1), b=1)
    optimizer = make(name, ROWS[name][0], arena)
    goal = np.array([[1.0], [-0.5], [0.25]])
    W, b = arena.params["layer.W"], arena.params["layer.b"]
    for _ in range(ROWS[name][1]):
        W.grad[...] = 2 * (W.value - goal)
        b.grad[...] = 2 * (b.value + 2)
        optimizer.step(optimizer.learning_rate)
    np.testing.assert_allclose(W.value, goal, atol=1e-2)
    np.testing.assert_allclose(b.value, -2, atol=1e-2)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_finds_its_way_through_rosenbrocks_valley(name, make_arena):
    arena = make_arena(W=(1, 1), b=1)
    optimizer = make(name, ROWS[name][0], arena)
    x, y = arena.params["layer.W"], arena.params["layer.b"]
    x.value[...] = y.value[...] = 0
    for _ in range(ROWS[name][1]):
        a, b = float(x.value[0, 0]), float(y.value[0])
        x.grad[...] = -2 * (1 - a) - 400 * a * (b - a * a)
        y.grad[...] = 200 * (b - a * a)
        optimizer.step(optimizer.learning_rate)
    np.testing.assert_allclose([x.value[0, 0], y.value[0]], 1, atol=0.05)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_going_on_from_a_saved_state_gives_the_same_bits(variant, dtype, make_arena):
    name, options = variant
    straight = make_arena(dtype)
    run(make(name, options, straight), straight, 20)

    before = make_arena(dtype)
    optimizer = make(name, options, before)
    run(optimizer, before, 11)
    saved = {key: array.copy() for key, array in optimizer.state().items()}

    after = make_arena(dtype)
    after.theta[...] = before.theta
    resumed = make(name, options, after)
    resumed.restore(saved)
    run(resumed, after, 9, first=12)
    assert after.theta.tobytes() == straight.theta.tobytes()


@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_every_part_of_the_state_matters(variant, make_arena):
    name, options = variant
    arena = make_arena()
    optimizer = make(name, options, arena)
    run(optimizer, arena, 5)
    theta = arena.theta.copy()
    saved = {key: array.copy() for key, array in optimizer.state().items()}

    def two_more(state):
        arena.theta[...] = theta
        optimizer.restore(state)
        run(optimizer, arena, 2, first=6)
        return arena.theta.copy()

    right = two_more(saved)
    for key in saved:
        changed = two_more(saved | {key: np.zeros_like(saved[key])})
        steps_unused = key == "count" and name in {"sgd", "nesterov", "rmsprop", "adagrad"}
        if name == "momentum" and key == "count":  # counts only as "not the first"
            continue
        assert np.array_equal(changed, right) == steps_unused, key


def test_the_state_of_another_optimizer_or_network_is_refused(make_arena):
    arena = make_arena()
    adam = make("adam", {}, arena)
    good = adam.state()
    with pytest.raises(RunError, match="not the state of adam"):
        adam.restore(make("sgd", {}, arena).state())
    with pytest.raises(RunError, match="'m' should be float64 of shape"):
        adam.restore(good | {"m": good["m"][:-1]})
    with pytest.raises(RunError, match="'v' should be float64"):
        adam.restore(good | {"v": good["v"].astype(np.float32)})
    with pytest.raises(RunError, match="can't have taken -1 steps"):
        adam.restore(good | {"count": np.array([-1])})
    nadam = make("nadam", {}, arena)
    with pytest.raises(RunError, match="momentum_product"):
        nadam.restore(nadam.state() | {"momentum_product": np.array([math.nan])})


@pytest.mark.parametrize("decay", DECAYS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_padding_stays_zero(variant, dtype, decay, make_arena, padding):
    name, options = variant
    if name == "adamw":
        decay = {"weight_decay": decay["weight_decay"]}
    arena = make_arena(dtype)
    optimizer = make(name, options | decay, arena)
    run(optimizer, arena, 10, lr=1.0)
    free = padding(arena)
    assert free.sum() > 0
    assert not arena.theta[free].any()
    assert np.isfinite(arena.theta).all()


@pytest.mark.parametrize("decay", DECAYS[1:], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_acts_on_weights_and_never_on_biases(name, decay, make_arena):
    if name == "adamw":
        decay = {"weight_decay": 0.1}
    plain, decaying = make_arena(), make_arena()
    run(make(name, {"weight_decay": 0.0}, plain), plain, 5)
    run(make(name, decay, decaying), decaying, 5)
    assert np.array_equal(plain.params["layer.b"].value, decaying.params["layer.b"].value)
    assert not np.array_equal(plain.params["layer.W"].value, decaying.params["layer.W"].value)


def test_decoupled_decay_shrinks_weights_whose_gradient_is_zero(arena):
    before = arena.params["layer.W"].value.copy()
    optimizer = AdamW(weight_decay=0.5)
    optimizer.bind(arena)
    optimizer.step(0.1)
    np.testing.assert_allclose(arena.params["layer.W"].value, before * 0.95, rtol=1e-15)


def test_adamw_always_decouples_its_decay():
    assert AdamW().decoupled_weight_decay
    with pytest.raises(TypeError):
        AdamW(decoupled_weight_decay=False)


@pytest.mark.parametrize("decay", DECAYS, ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_the_size_of_the_blocks_changes_nothing(variant, decay, make_arena, monkeypatch):
    name, options = variant
    if name == "adamw":
        decay = {"weight_decay": decay["weight_decay"]}
    results = []
    for size in (blocks.BLOCK, 16, 7, 1):
        monkeypatch.setattr(blocks, "BLOCK", size)
        arena = make_arena()
        run(make(name, options | decay, arena), arena, 4)
        results.append(arena.theta.tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("decay", DECAYS, ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_a_step_allocates_nothing(variant, decay, make_arena, peak_bytes):
    name, options = variant
    if name == "adamw":
        decay = {"weight_decay": decay["weight_decay"]}
    arena = make_arena("float32", W=(300, 250), b=250)
    optimizer = make(name, options | decay, arena)
    run(optimizer, arena, 2)
    assert peak_bytes(lambda: optimizer.step(0.01)) < 4_000


@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_float32_follows_float64(variant, make_arena):
    name, options = variant
    narrow, wide = make_arena("float32"), make_arena("float64")
    run(make(name, options, narrow), narrow, 30)
    run(make(name, options, wide), wide, 30)
    for key, param in wide.params.items():
        np.testing.assert_allclose(narrow.params[key].value, param.value, atol=2e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_learning_rate_of_zero_moves_nothing(name, make_arena):
    arena = make_arena()
    before = arena.theta.copy()
    optimizer = make(name, {}, arena)
    fill_gradient(arena, 1)
    optimizer.step(0.0)
    assert np.array_equal(arena.theta, before)


def test_moments_that_overflow_are_reported_and_warn_of_nothing(make_arena):
    arena = make_arena("float32")
    optimizer = make("adam", {}, arena)
    arena.params["layer.W"].grad.fill(1e25)  # finite, but not its square
    with pytest.raises(DivergedError, match=r"step 1 overflows float32.*adam.*learning_rate"):
        optimizer.step(0.001)


def test_a_rate_beyond_float32_is_reported_and_warns_of_nothing(make_arena):
    arena = make_arena("float32")
    optimizer = make("sgd", {}, arena)
    with pytest.raises(DivergedError, match="overflows float32"):
        optimizer.step(1e300)


def test_an_epsilon_that_vanishes_in_float32_is_refused(make_arena):
    with pytest.raises(OptionError, match="is 0 in float32") as error:
        make("adam", {"epsilon": 1e-60}, make_arena("float32"))
    assert error.value.path == ("epsilon",)
    make("adam", {"epsilon": 1e-60}, make_arena("float64"))


def test_centered_rmsprop_survives_a_constant_gradient(make_arena):
    arena = make_arena("float32")
    optimizer = make("rmsprop", {"centered": True, "alpha": 0.5}, arena)
    for _ in range(200):  # the variance rounds to 0, sometimes from below
        arena.params["layer.W"].grad.fill(0.1)
        optimizer.step(1e-9)
    assert np.isfinite(arena.theta).all()


def test_binding_again_starts_afresh(make_arena):
    first, second = make_arena(), make_arena()
    optimizer = make("nadam", {}, first)
    run(optimizer, first, 3)
    optimizer.bind(second)
    run(optimizer, second, 3)
    assert np.array_equal(first.theta, second.theta)


def test_an_arena_without_weights_is_fine(make_arena):
    arena = make_arena(W=(0, 3))
    run(make("adamw", {}, arena), arena, 2)
    assert np.isfinite(arena.theta).all()


def test_the_buffers_are_aligned(arena):
    optimizer = make("adam", {}, arena)
    assert all(v.ctypes.data % 64 == 0 for v in optimizer.vectors.values())
    assert aligned((3,), "float32").ctypes.data % 64 == 0


def test_an_optimizer_is_its_options():
    assert Sgd(0.1) == Sgd(learning_rate=0.1)
    assert repr(Sgd(0.1)).startswith("Sgd(learning_rate=0.1, weight_decay=0")
