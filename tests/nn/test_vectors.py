from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bpnet.nn.layers import LAYERS
from bpnet.nn.network import Network
from bpnet.nn.vectors import padded, views


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("freeze", [[], ["dense_1"], ["batch_norm_1", "dense_2"]])
def test_the_layout_of_an_arena_finds_every_tensor_in_a_copy_of_its_vectors(dtype, freeze):
    parts = [LAYERS["dense"](7), LAYERS["batch_norm"](), LAYERS["dense"](3), LAYERS["dense"](2)]
    network = Network(parts, (5,), dtype=dtype, freeze=freeze)
    arena = network.arena
    arena.theta[:] = np.arange(len(arena.theta))
    arena.state[:] = -np.arange(len(arena.state))
    layout = json.loads(json.dumps(arena.layout(), sort_keys=True))
    assert layout == arena.layout()
    found = views(arena.theta.copy(), layout["theta"]) | views(arena.state.copy(), layout["state"])
    assert found.keys() == network.weights().keys()
    for name, value in network.weights().items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ([["W", [4, 4]], ["W", [4, 4]]], "two tensors are named 'W'"),
        ([["W", [4, 4]]], "take 16 numbers of a vector of 32"),
        ([["W", [4, 4]], ["b", [17]]], "'b' lies outside"),
        ([["W", [4, 4]], ["b", [10**9, 10**9, 10**9]]], "'b' lies outside"),
        ([["W", [10**30]]], "can't be of shape"),
        ([["W", [-4, -4]]], "can't be of shape"),
        ([["W", [4.0, 4]]], "can't be of shape"),
        ([["W", [True]]], "can't be of shape"),
        ([["W", ["4"]]], "can't be of shape"),
        ([["W", [1] * 99 + [16]]], "maximum supported dimension"),
        ([["W"]], "not enough values"),
    ],
    ids=str,
)
def test_a_layout_that_is_not_the_vectors_is_refused(layout: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        views(np.zeros(32, "f4"), layout)


def test_tensors_start_on_cache_lines() -> None:
    assert [padded(size, np.dtype("f4")) for size in (0, 1, 16, 17)] == [0, 16, 16, 32]
    assert [padded(size, np.dtype("f8")) for size in (0, 1, 8, 9)] == [0, 8, 8, 16]
