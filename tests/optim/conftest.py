from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from bpnet.nn.arena import Arena, Plan, Scope


@dataclass
class Waves:
    """An initializer that needs no random stream."""

    def draw(self, shape, fans, gain, rng):
        return np.cos(np.arange(float(np.prod(shape)))).reshape(shape)


def make_arena(dtype: str = "float64", W: tuple[int, ...] = (5, 3), b: int = 3) -> Arena:
    plan = Plan(np.dtype(dtype), Waves(), Waves(), None)
    scope = Scope(plan).child("layer")
    scope.param("b", (b,), decay=False)
    scope.param("W", W, decay=True)
    arena = Arena(plan)
    arena.initialize(0)
    return arena


def padding(arena: Arena) -> np.ndarray:
    """Return which numbers of the arena belong to no parameter."""
    free = np.ones(len(arena.theta), bool)
    for param in arena.params.values():
        start = (param.value.ctypes.data - arena.theta.ctypes.data) // arena.dtype.itemsize
        free[start : start + param.size] = False
    return free


def peak_bytes(call: Callable[[], Any]) -> int:
    """Return how much memory a call holds at most, beyond what was there."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.fixture
def arena() -> Arena:
    return make_arena()


@pytest.fixture(name="make_arena")
def _make_arena():
    return make_arena


@pytest.fixture(name="padding")
def _padding():
    return padding


@pytest.fixture(name="peak_bytes")
def _peak_bytes():
    return peak_bytes
