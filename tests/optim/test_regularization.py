from __future__ import annotations

import math

import numpy as np
import pytest

from bpnet.errors import DivergedError
from bpnet.optim import blocks
from bpnet.optim.regularization import Regularization

OPTIONS = [{"l1": 0.3}, {"l2": 0.2}, {"l1": 0.3, "l2": 0.2}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_gradient_is_the_slope_of_the_penalty(options, make_arena):
    arena, regularization = make_arena(), Regularization(**options)
    regularization.add_gradient(arena)
    gradient = arena.grad.copy()
    for param in arena.params.values():
        for i in range(param.size):
            at = param.value.flat[i]
            rise = 0.0
            for side in (1, -1):
                param.value.flat[i] = at + side * 1e-6
                rise += side * regularization.penalty(arena)
            param.value.flat[i] = at
            assert param.grad.flat[i] == pytest.approx(rise / 2e-6, abs=1e-8)
    assert np.array_equal(arena.grad, gradient)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_biases_and_padding_stay_free(options, make_arena, padding):
    arena = make_arena()
    arena.grad[...] = 0
    Regularization(**options, max_norm=0.1).add_gradient(arena)
    assert not arena.params["layer.b"].grad.any()
    assert not arena.grad[padding(arena)].any()
    bias = arena.params["layer.b"].value.copy()
    Regularization(**options, max_norm=0.1).constrain(arena)
    assert np.array_equal(arena.params["layer.b"].value, bias)
    assert not arena.theta[padding(arena)].any()


def test_the_gradient_is_added_to_what_is_there(make_arena):
    arena = make_arena()
    arena.grad[: arena.decaying] = 1.0
    Regularization(l2=0.5).add_gradient(arena)
    W = arena.params["layer.W"]
    np.testing.assert_allclose(W.grad, 1 + 0.5 * W.value, rtol=1e-15)


def test_a_weight_of_zero_feels_no_pull(make_arena):
    arena = make_arena()
    arena.params["layer.W"].value[...] = 0
    Regularization(l1=1.0, l2=1.0).add_gradient(arena)
    assert not arena.grad.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_penalty_is_the_sum_over_all_weights(dtype, make_arena):
    arena = make_arena(dtype)
    W = arena.params["layer.W"].value.astype(float)
    want = 0.3 * abs(W).sum() + 0.1 * (W**2).sum()
    assert Regularization(l1=0.3, l2=0.2).penalty(arena) == pytest.approx(want, rel=1e-6)


def test_no_regularization_does_nothing(make_arena):
    arena, regularization = make_arena(), Regularization()
    before = arena.theta.tobytes()
    regularization.add_gradient(arena)
    regularization.constrain(arena)
    assert not arena.grad.any()
    assert arena.theta.tobytes() == before
    assert regularization.penalty(arena) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 3), (3, 3, 2, 4)])
def test_max_norm_caps_the_weights_that_feed_each_unit(shape, dtype, make_arena):
    arena = make_arena(dtype, W=shape)
    W = arena.params["layer.W"].value
    before = W.copy()
    norms = np.sqrt((before.astype(float) ** 2).reshape(-1, shape[-1]).sum(axis=0))
    limit = float(np.median(norms))
    Regularization(max_norm=limit).constrain(arena)
    after = np.sqrt((W.astype(float) ** 2).reshape(-1, shape[-1]).sum(axis=0))
    np.testing.assert_allclose(after, np.minimum(norms, limit), rtol=1e-6)
    free = norms < limit * (1 - 1e-6)
    assert free.any()
    assert not free.all()
    assert np.array_equal(W[..., free], before[..., free])


def test_max_norm_is_pytorchs_renorm(make_arena):
    torch = pytest.importorskip("torch")
    arena = make_arena()
    W = arena.params["layer.W"].value
    want = torch.renorm(torch.from_numpy(W.copy()), 2, 1, 1.2).numpy()
    Regularization(max_norm=1.2).constrain(arena)
    np.testing.assert_allclose(W, want, rtol=1e-6)


def test_max_norm_survives_units_without_weights_and_huge_limits(make_arena):
    arena = make_arena("float32")
    W = arena.params["layer.W"].value
    W[:, 1] = 0
    before = W.copy()
    Regularization(max_norm=1e300).constrain(arena)
    assert np.array_equal(W, before)
    Regularization(max_norm=1e-30).constrain(arena)
    assert not W[:, 1].any()
    np.testing.assert_allclose(np.linalg.norm(W[:, 0].astype(float)), 1e-30, rtol=1e-5)


def test_weights_whose_squares_overflow_are_reported(make_arena):
    arena = make_arena("float32")
    arena.params["layer.W"].value[0, 0] = 1e30
    with pytest.raises(DivergedError, match="weights grew beyond"):
        Regularization(max_norm=1.0).constrain(arena)


def test_one_set_of_options_serves_several_networks(make_arena):
    regularization = Regularization(l1=0.1, l2=0.2, max_norm=0.5)
    results = []
    for arena in (make_arena(), make_arena(W=(7, 2)), make_arena()):
        regularization.add_gradient(arena)
        regularization.constrain(arena)
        results.append((arena.grad.tobytes(), arena.theta.tobytes()))
    assert results[0] == results[2]


def test_the_size_of_the_blocks_changes_nothing(make_arena, monkeypatch):
    results = []
    for size in (blocks.BLOCK, 8, 1):
        monkeypatch.setattr(blocks, "BLOCK", size)
        arena = make_arena()
        regularization = Regularization(l1=0.1, l2=0.2)
        regularization.add_gradient(arena)
        results.append(arena.grad.tobytes())
        assert math.isfinite(regularization.penalty(arena))
    assert len(set(results)) == 1


def test_regularization_allocates_nothing(make_arena, peak_bytes):
    arena = make_arena("float32", W=(900, 100))
    regularization = Regularization(l1=0.1, l2=0.1, max_norm=1.0)

    def step():
        regularization.add_gradient(arena)
        regularization.penalty(arena)
        regularization.constrain(arena)

    step()
    assert peak_bytes(step) < 40_000, "NumPy's own buffer of 8,192 numbers, not 360,000 bytes"


def test_regularization_is_its_options():
    assert Regularization(l1=0.1) == Regularization(l1=0.1)
    assert repr(Regularization()) == "Regularization(l1=0, l2=0, max_norm=0)"
