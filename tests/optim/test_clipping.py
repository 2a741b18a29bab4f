from __future__ import annotations

import math

import numpy as np
import pytest

from bpnet.optim.clipping import clip_norm, clip_value, gradient_norm


def filled(make_arena, dtype, W, b=0.0):
    arena = make_arena(dtype, W=(300, 2), b=2)
    arena.params["layer.W"].grad[...] = W
    arena.params["layer.b"].grad[...] = b
    return arena


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1.0, 1e-30, 1e-22, 1e-44, 1e19, 1e30, 3e38, 0.0])
def test_the_norm_is_right_at_every_size(size, dtype, make_arena):
    arena = filled(make_arena, dtype, size)
    size = float(arena.params["layer.W"].grad[0, 0])  # as rounded
    assert gradient_norm(arena) == pytest.approx(size * math.sqrt(600), rel=1e-6)


@pytest.mark.parametrize("size", [1e-200, 1e-320, 1e200, 1e306])
def test_the_norm_is_right_at_the_sizes_of_float64(size, make_arena):
    arena = filled(make_arena, "float64", size)
    assert gradient_norm(arena) == pytest.approx(size * math.sqrt(600), rel=1e-3, abs=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 311, 599])
def test_a_gradient_that_is_not_finite_has_no_finite_norm(place, bad, dtype, make_arena):
    arena = filled(make_arena, dtype, 1e30)
    arena.params["layer.W"].grad.flat[place] = bad
    before = arena.grad.copy()
    assert not math.isfinite(gradient_norm(arena))
    assert not math.isfinite(clip_norm(arena, 1.0))
    np.testing.assert_array_equal(arena.grad, before)


def test_nan_and_infinity_in_different_blocks_are_found(make_arena, monkeypatch):
    from bpnet.optim import blocks

    monkeypatch.setattr(blocks, "BLOCK", 64)
    arena = filled(make_arena, "float32", 1e30)
    arena.params["layer.W"].grad.flat[[3, 500]] = [math.inf, math.nan]
    assert math.isnan(gradient_norm(arena))
    arena.params["layer.W"].grad.flat[500] = 2.0
    assert gradient_norm(arena) == math.inf


@pytest.mark.parametrize("limit", [1e-3, 1.0, 10.0, 1e6])
def test_clipping_by_norm_is_pytorchs(limit, make_arena):
    torch = pytest.importorskip("torch")
    arena = filled(make_arena, "float64", np.sin(np.arange(600.0)).reshape(300, 2), 3.0)
    theirs = [torch.nn.Parameter(torch.zeros(p.shape)) for p in arena.params.values()]
    for ours, parameter in zip(arena.params.values(), theirs, strict=True):
        parameter.data = parameter.data.double()
        parameter.grad = torch.from_numpy(ours.grad.copy())
    norm = torch.nn.utils.clip_grad_norm_(theirs, limit)
    assert clip_norm(arena, limit) == pytest.approx(float(norm), rel=1e-14)
    for ours, parameter in zip(arena.params.values(), theirs, strict=True):
        np.testing.assert_allclose(ours.grad, parameter.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_clipped_gradient_has_the_limit_as_its_norm(dtype, make_arena):
    for size in (1e3, 1e30):
        arena = filled(make_arena, dtype, size)
        norm = gradient_norm(arena)
        assert clip_norm(arena, 5.0, norm) == norm
        assert gradient_norm(arena) == pytest.approx(5, rel=1e-5)


def test_a_short_gradient_is_left_as_it_is(make_arena):
    arena = filled(make_arena, "float32", 0.01)
    before = arena.grad.tobytes()
    clip_norm(arena, 100.0)
    clip_value(arena, 0.02)
    assert arena.grad.tobytes() == before


def test_clipping_by_value_bounds_every_element(make_arena):
    arena = filled(make_arena, "float32", np.linspace(-2, 2, 600).reshape(300, 2))
    clip_value(arena, 0.5)
    expected = np.clip(np.linspace(-2, 2, 600), -0.5, 0.5).reshape(300, 2)
    np.testing.assert_allclose(arena.params["layer.W"].grad, expected, rtol=1e-6)


def test_clipping_allocates_nothing(make_arena, peak_bytes):
    arena = make_arena("float32", W=(500, 100))
    arena.params["layer.W"].grad.fill(3.0)

    def step():
        clip_norm(arena, 1.0)
        clip_value(arena, 1e-4)

    assert peak_bytes(step) < 4_000
