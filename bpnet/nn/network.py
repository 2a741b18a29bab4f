"""A network: a chain of layers over one arena."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bpnet.nn.arena import Arena, Array, Plan, Scope, Shape
from bpnet.nn.freezing import Freezing
from bpnet.nn.initializers import He, Initializer, Zeros
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.layers.chain import Chain
from bpnet.nn.vectors import first_not_finite

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


EVALUATED = 1024
"""Rows that are evaluated at once: large enough for BLAS, small enough for the cache."""


class Network:
    """Layers with their parameters, from one input row to the last layer's output (logits).

    Parameters
    ----------
    layers
        The layers; they belong to this network from now on.
    in_shape
        Shape of one input, without the batch.
    dtype
        ``float32`` or ``float64``.
    seed
        Where the parameters' random streams start.
    init, bias_init
        Initializers of weights and biases whose layer names none.
    output_size
        What ``units: auto`` stands for.
    freeze
        Layers that keep their parameters and running statistics as they are, by dotted name;
        ``*`` stands for any characters, a block for all in it. See `Freezing`.

    Raises
    ------
    OptionError
        If the shapes do not connect, or `freeze` does not fit the layers; its path names which.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        in_shape: Shape,
        *,
        dtype: DTypeLike = "float32",
        seed: int = 0,
        init: Initializer | None = None,
        bias_init: Initializer | None = None,
        output_size: int | None = None,
        freeze: Sequence[str] = (),
    ) -> None:
        freezing = Freezing(freeze)
        self.in_shape = in_shape
        plan = Plan(
            np.dtype(dtype), init or He(), bias_init or Zeros(), output_size, freezing.chooses
        )
        self._build(layers, plan)
        freezing.check([name for name, _, _ in self.walk()], plan.params, plan.states)
        self.arena = Arena(plan)
        self.arena.initialize(seed)

    def _build(self, layers: Sequence[Layer], plan: Plan) -> None:
        self._plan = plan
        self.chain = Chain(layers)
        self.out_shape = self.chain.build(Scope(plan), self.in_shape, "layers")

    def replica(self) -> Network:
        """Return a network of the same layers over the same weights, for another thread.

        Its gradient and its buffers are its own. There are none of networks with running
        statistics, which one thread would move under the other's feet.
        """
        assert not self.arena.states
        other = copy.copy(self)
        layers = [layer.unbuilt() for layer in self.layers]
        other._build(layers, replace(self._plan, params=[], states=[], scratches=[]))
        other.arena = Arena(other._plan, weights=self.arena)
        return other

    @property
    def layers(self) -> list[Layer]:
        """The outermost layers, in order."""
        return self.chain.layers

    @property
    def random(self) -> bool:
        """Whether any layer draws random numbers while training."""
        return any(layer.random for _, layer, _ in self.walk())

    def forward(self, x: Array, step: Pass) -> Array:
        """Return the output for a batch, ``(N, *out_shape)``, valid until the next forward."""
        return self.chain.forward(x, step)

    def backward(self, dz: Array, *, need_dx: bool = False) -> Array | None:
        """Fill `arena.grad` from dL/dz, ``(N, *out_shape)``; return dL/dx if it is needed.

        If it isn't, the layers below the lowest one that is trained are left out.
        """
        return self.chain.backward(dz, need_dx=need_dx)

    def predict(self, x: Array, batch_size: int = EVALUATED) -> Array:
        """Return the output for all rows of `x`, evaluated in batches, in an array of its own."""
        z = np.empty((len(x), *self.out_shape), self.arena.dtype)
        step = Pass(train=False)
        for start in range(0, len(x), batch_size):
            rows = slice(start, start + batch_size)
            z[rows] = self.forward(x[rows], step)
        return z

    def walk(self) -> Iterator[tuple[str, Layer, Shape]]:
        """Yield the dotted name, the layer and its output's shape, nested layers included."""
        return _walk(self.chain, "")

    def weights(self) -> dict[str, Array]:
        """Return all tensors by name, parameters first; the arrays are views."""
        named = [*self.arena.params.values(), *self.arena.states.values()]
        return {param.name: param.value for param in named}

    def take(self, weights: Mapping[str, Array]) -> None:
        """Copy arrays of any floating-point type into the tensors of their names: all, or none.

        Raises
        ------
        ValueError
            If a name is unknown, a shape differs, or a number is not finite in this network's
            type.
        """
        mine = self.weights()
        converted = {}
        for name, array in weights.items():
            if name not in mine or array.shape != mine[name].shape:
                raise ValueError(f"{name} does not fit this network")
            with np.errstate(over="ignore", under="ignore"):
                converted[name] = array.astype(self.arena.dtype)
        bad = first_not_finite(converted)
        if bad is not None:
            raise ValueError(f"{bad} holds a number that is not finite in {self.arena.dtype}")
        for name, array in converted.items():
            mine[name][...] = array


def _walk(chain: Chain, prefix: str) -> Iterator[tuple[str, Layer, Shape]]:
    for layer, shape in zip(chain.layers, chain.shapes[1:], strict=True):
        name = f"{prefix}{layer.name}"
        yield name, layer, shape
        for inner in layer.chains():
            yield from _walk(inner, f"{name}.")
