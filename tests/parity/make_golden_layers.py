"""Make golden_layers.npz: what PyTorch's layers give in float64.

    python tests/parity/make_golden_layers.py

The tests read the cases and, where torch is installed, the references from here; elsewhere the
saved arrays stand in for torch. Inputs and parameters are made by formula, nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bpnet.nn.arena import Array, Shape
from bpnet.nn.initializers import INITIALIZERS
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Layer
from bpnet.nn.layers.chain import Chain
from bpnet.nn.network import Network

GOLDEN = Path(__file__).with_name("golden_layers.npz")
RATE = 0.05
BATCHES = ((5, True), (5, True), (2, True), (3, False))
"""Rows of each batch, and whether it trains; after each, both sides descend by `RATE`."""

Spec = dict[str, Any]
"""A layer as a config has it: ``{"type": "dense", "units": 4}``."""

ROW, GRID = (6,), (2, 2, 3)


def of(kind: str, **options: Any) -> Spec:
    return {"type": kind, **options}


CASES: dict[str, tuple[Shape, Spec]] = {
    "dense": (ROW, of("dense", units=4)),
    "dense without bias": (ROW, of("dense", units=3, bias=False)),
    "relu": (GRID, of("relu")),
    "leaky_relu": (ROW, of("leaky_relu", slope=0.2)),
    "elu": (ROW, of("elu")),
    "elu with alpha": (GRID, of("elu", alpha=1.6)),
    "gelu": (GRID, of("gelu")),
    "gelu by tanh": (ROW, of("gelu", approximate="tanh")),
    "swish": (GRID, of("swish")),
    "swish with beta": (ROW, of("swish", beta=1.7)),
    "sigmoid": (ROW, of("sigmoid")),
    "tanh": (ROW, of("tanh")),
    "softplus": (ROW, of("softplus")),
    "softplus with beta": (GRID, of("softplus", beta=2.5)),
    "softmax": (ROW, of("softmax")),
    "softmax of images": (GRID, of("softmax")),
    "identity": (ROW, of("identity")),
    "dropout of nothing": (ROW, of("dropout", rate=0.0)),
    "batch_norm": (ROW, of("batch_norm")),
    "batch_norm of images": (GRID, of("batch_norm", momentum=0.3, epsilon=0.01)),
    "batch_norm without affine": (ROW, of("batch_norm", affine=False)),
    "layer_norm": (ROW, of("layer_norm")),
    "layer_norm of images": (GRID, of("layer_norm", epsilon=0.01)),
    "layer_norm over all": (GRID, of("layer_norm", over="all")),
    "layer_norm without affine": (GRID, of("layer_norm", affine=False)),
    "flatten": (GRID, of("flatten")),
    "reshape": (GRID, of("reshape", shape=[3, -1])),
    "residual": (
        ROW,
        of("residual", layers=[of("dense", units=6), of("relu"), of("dense", units=6)]),
    ),
    "residual with projection": (
        ROW,
        of(
            "residual",
            layers=[of("dense", units=5), of("batch_norm"), of("elu")],
            projection=of("dense", units=5),
        ),
    ),
}


def layer_from(spec: Spec) -> Layer:
    """Make the layer that a spec describes, with the layers and initializers inside it."""

    def value(option: Any) -> Any:
        if isinstance(option, dict):
            return layer_from(option)
        return [value(item) for item in option] if isinstance(option, list) else option

    options = {key: value(option) for key, option in spec.items() if key != "type"}
    if "init" in options:
        options["init"] = INITIALIZERS[options["init"]]()
    return LAYERS[spec["type"]](**options)


def wave(shape: Shape, phase: float) -> Array:
    """Return numbers between -2 and 2 without a pattern that a layer could mistake."""
    steps = np.arange(float(np.prod(shape)))
    return (np.cos(phase + 1.7 * steps) + np.sin(phase**2 + steps**1.5)).reshape(shape)


def build(case: str) -> Network:
    """Build the network of a case, with parameters and state that are far from plain."""
    shape, spec = CASES[case]
    network = Network([layer_from(spec)], shape, dtype="float64")
    for i, param in enumerate(network.arena.params.values()):
        param.value[...] = wave(param.shape, i)
    for i, state in enumerate(network.arena.states.values()):
        state.value[...] = 1.5 + 0.5 * wave(state.shape, i)
    return network


def batches(network: Network) -> Iterator[tuple[Array, Array, bool]]:
    """Yield inputs, upstream gradients, and whether the pass trains."""
    for i, (n, train) in enumerate(BATCHES):
        yield wave((n, *network.in_shape), i), wave((n, *network.out_shape), 0.5 + i), train


class TorchNetwork:
    """A bpnet network once more: PyTorch's own functions on copies of its tensors."""

    def __init__(self, network: Network) -> None:
        import torch

        self.torch, self.functional = torch, torch.nn.functional
        self.chain = network.chain
        self.params = {
            name: torch.tensor(param.value, requires_grad=True)
            for name, param in network.arena.params.items()
        }
        self.states = {
            name: torch.tensor(state.value) for name, state in network.arena.states.items()
        }

    def run(self, x: Array, dy: Array, train: bool) -> dict[str, Array]:
        """Run forward and backward, and return all that they give."""
        for param in self.params.values():
            param.grad = None
        inputs = self.torch.tensor(x, requires_grad=True)
        y = self._chain(self.chain, "", inputs, train)
        y.backward(self.torch.tensor(dy))
        return {
            "y": y.detach().numpy(),
            "dx": inputs.grad.numpy(),
            **{name: param.grad.numpy() for name, param in self.params.items()},
            **{name: state.numpy() for name, state in self.states.items()},
        }

    def descend(self, rate: float) -> None:
        """Take a step of gradient descent."""
        with self.torch.no_grad():
            for param in self.params.values():
                param -= rate * param.grad

    def _chain(self, chain: Chain, prefix: str, x: Any, train: bool) -> Any:
        for layer in chain.layers:
            x = self._layer(layer, f"{prefix}{layer.name}.", x, train)
        return x

    def _layer(self, layer: Any, name: str, x: Any, train: bool) -> Any:
        F = self.functional
        if layer.type == "dense":
            return F.linear(x, self.params[f"{name}W"].T, self.params.get(f"{name}b"))
        if layer.type == "residual":
            branch, skip = layer.chains()
            return self._chain(branch, name, x, train) + self._chain(skip, name, x, train)
        gamma, beta = self.params.get(f"{name}gamma"), self.params.get(f"{name}beta")
        if layer.type == "batch_norm":
            mean, variance = (self.states[f"{name}running_{what}"] for what in ("mean", "variance"))
            y = F.batch_norm(
                x.movedim(-1, 1), mean, variance, gamma, beta, train, layer.momentum, layer.epsilon
            )
            return y.movedim(1, -1)
        if layer.type == "layer_norm":
            shape = x.shape[1:] if layer.over == "all" else x.shape[-1:]
            return F.layer_norm(x, shape, gamma, beta, layer.epsilon)
        functions = {
            "relu": lambda: F.relu(x),
            "leaky_relu": lambda: F.leaky_relu(x, layer.slope),
            "elu": lambda: F.elu(x, layer.alpha),
            "gelu": lambda: F.gelu(x, approximate=layer.approximate),
            "swish": lambda: F.silu(layer.beta * x) / layer.beta,
            "sigmoid": lambda: self.torch.sigmoid(x),
            "tanh": lambda: self.torch.tanh(x),
            # PyTorch goes over to y = x where beta x > threshold; from 500 on that is exact.
            "softplus": lambda: F.softplus(x, layer.beta, threshold=500),
            "softmax": lambda: F.softmax(x, dim=-1),
            "identity": lambda: x,
            "dropout": lambda: F.dropout(x, layer.rate, train),
            "flatten": lambda: x.flatten(1),
            "reshape": lambda: x.reshape(len(x), *layer.shape),
        }
        return functions[layer.type]()


def make() -> dict[str, Array]:
    """Return, by ``CASE/BATCH``, all numbers that PyTorch gives, one tensor after the other."""
    golden: dict[str, Array] = {}
    for case in CASES:
        network = build(case)
        twin = TorchNetwork(network)
        for i, (x, dy, train) in enumerate(batches(network)):
            results = twin.run(x, dy, train).values()
            golden[f"{case}/{i}"] = np.concatenate([result.ravel() for result in results])
            twin.descend(RATE)
    return golden


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, **make())
