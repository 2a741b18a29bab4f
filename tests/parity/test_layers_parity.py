"""Layers against PyTorch in float64: always with saved arrays, and live where it is installed."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpnet.nn.arena import Array
from bpnet.nn.initializers import INITIALIZERS
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Pass
from bpnet.nn.network import Network

# How the references were made, the cases included: see there.
MADE = runpy.run_path(str(Path(__file__).with_name("make_golden_layers.py")))
CASES, RATE = MADE["CASES"], MADE["RATE"]
build, batches, layer_from, of, TorchNetwork = (
    MADE[name] for name in ("build", "batches", "layer_from", "of", "TorchNetwork")
)
TOLERANCE = 1e-10


@pytest.fixture(scope="module")
def golden() -> dict[str, Array]:
    with np.load(MADE["GOLDEN"]) as arrays:
        return {name: arrays[name] for name in arrays.files}


def run(network: Network, x: Array, dy: Array, train: bool) -> dict[str, Array]:
    """Run forward and backward, and return copies of all that they give."""
    y = network.forward(x, Pass(train, np.random.default_rng(0))).copy()
    dx = network.backward(dy, need_dx=True)
    assert dx is not None
    grads = {name: param.grad.copy() for name, param in network.arena.params.items()}
    states = {name: state.value.copy() for name, state in network.arena.states.items()}
    return {"y": y, "dx": dx.copy(), **grads, **states}


def assert_close(ours: dict[str, Array], theirs: dict[str, Array], where: object) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_allclose(
            value, theirs[name], rtol=TOLERANCE, atol=TOLERANCE, err_msg=f"{name} ({where})"
        )


def test_every_layer_of_the_table_has_its_case() -> None:
    assert {spec["type"] for _, spec in CASES.values()} == LAYERS.keys()


@pytest.mark.parametrize("case", CASES)
def test_layers_equal_the_saved_ones_of_pytorch(case: str, golden: dict[str, Array]) -> None:
    network = build(case)
    for i, (x, dy, train) in enumerate(batches(network)):
        ours = run(network, x, dy, train)
        ends = np.cumsum([value.size for value in ours.values()])
        assert golden[f"{case}/{i}"].shape == (ends[-1],)
        parts = np.split(golden[f"{case}/{i}"], ends[:-1])
        shaped = zip(ours.items(), parts, strict=True)
        assert_close(ours, {name: part.reshape(value.shape) for (name, value), part in shaped}, i)
        network.arena.theta -= RATE * network.arena.grad


def test_the_saved_arrays_are_what_pytorch_gives_today(golden: dict[str, Array]) -> None:
    pytest.importorskip("torch")
    assert_close(golden, MADE["make"](), "saved")


ACTIVATIONS = [
    *("relu", "leaky_relu", "elu", "gelu", "swish", "sigmoid", "tanh", "softplus", "softmax"),
    "identity",
]


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_equal_pytorch_from_tiny_to_huge(kind: str) -> None:
    pytest.importorskip("torch")
    sizes = 10.0 ** np.linspace(-12, 4, 200)
    x = np.concatenate([-sizes, [0.0], sizes])[:, None] * np.array([1.0, 0.5])
    dy = np.random.default_rng(1).standard_normal(x.shape)
    network = Network([LAYERS[kind]()], (2,), dtype="float64")
    assert_close(run(network, x, dy, True), TorchNetwork(network).run(x, dy, True), kind)


def random_layers(rng: np.random.Generator, width: int, depth: int) -> tuple[list[Any], int]:
    """Draw the specs of up to five layers over rows of `width`, and the width they end with."""
    specs: list[Any] = []
    for _ in range(int(rng.integers(2, 6))):
        kind = str(rng.choice(["dense", "activation", "norm", "residual", "dropout", "shape"]))
        if kind == "dense":
            width = int(rng.integers(2, 9))
            init = str(rng.choice([name for name in INITIALIZERS if name != "constant"]))
            specs.append(of("dense", units=width, bias=bool(rng.integers(2)), init=init))
        elif kind == "activation":
            specs.append(of(str(rng.choice(ACTIVATIONS))))
        elif kind == "norm":
            specs.append(of(str(rng.choice(["batch_norm", "layer_norm"])), epsilon=0.01))
        elif kind == "dropout":
            specs.append(of("dropout", rate=0.0))
        elif kind == "shape" and width % 2 == 0:
            inner = str(rng.choice(["softmax", "layer_norm", "batch_norm", "tanh"]))
            specs += [of("reshape", shape=[2, -1]), of(inner), of("flatten")]
        elif kind == "residual" and depth > 0:
            branch, out = random_layers(rng, width, depth - 1)
            block = of("residual", layers=branch)
            if out != width or rng.integers(2):
                block["projection"] = of("dense", units=out)
            specs.append(block)
            width = out
    return specs or [of("tanh")], width


def random_network(seed: int) -> tuple[list[Any], int]:
    """Draw the specs of a network, and the width of its input."""
    rng = np.random.default_rng([2024, seed])
    width = int(rng.integers(2, 9))
    middle, _ = random_layers(rng, 8, depth=3)
    return [of("dense", units=8), *middle, of("dense", units=3)], width


SEEDS = range(80)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_equal_pytorch(seed: int) -> None:
    pytest.importorskip("torch")
    specs, width = random_network(seed)
    network = Network([layer_from(spec) for spec in specs], (width,), dtype="float64", seed=seed)
    rng = np.random.default_rng(seed)
    for param in network.arena.params.values():
        param.value[...] += 0.3 * rng.standard_normal(param.shape)
    twin = TorchNetwork(network)
    for x, _, train in batches(network):
        x, dy = rng.standard_normal(x.shape), rng.standard_normal((len(x), 3))
        assert_close(run(network, x, dy, train), twin.run(x, dy, train), train)
        network.arena.theta -= 0.01 * network.arena.grad
        twin.descend(0.01)


def test_the_random_networks_hold_every_kind_of_layer() -> None:
    def kinds(specs: list[Any]) -> set[str]:
        within = [kinds(spec.get("layers", [])) for spec in specs]
        return {spec["type"] for spec in specs}.union(*within)

    assert set().union(*(kinds(random_network(seed)[0]) for seed in SEEDS)) == LAYERS.keys()
