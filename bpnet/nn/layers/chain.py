"""Layers one after the other: the body of a network, and of every block that nests layers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from bpnet.errors import OptionError
from bpnet.nn.arena import Array, Scope, Shape
from bpnet.nn.layers.base import Layer, Pass

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A layer's name: tensors are named after it, with dots between the levels."""


class Chain:
    """A sequence of layers that is built, run forward and run backward as one.

    Attributes
    ----------
    layers
        The layers, each with its final `name`.
    shapes
        Shape between the layers, without the batch: ``shapes[i]`` enters layer i.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)
        self.shapes: list[Shape] = []
        self._lowest = 0  # no layer below this one is trained

    def build(self, scope: Scope, in_shape: Shape, *step: str | int) -> Shape:
        """Build all layers in turn and return the shape of one output.

        Parameters
        ----------
        scope
            Where the layers' scopes hang.
        in_shape
            Shape of one input.
        step
            Where the layers stand in the config, below the caller: ``"layers"``.

        Raises
        ------
        OptionError
            From a layer, with ``step`` and the layer's index in its path.
        """
        self.shapes = [in_shape]
        self._lowest = len(self.layers)
        counts: Counter[str] = Counter()
        names: set[str] = set()
        for i, layer in enumerate(self.layers):
            counts[layer.type] += 1
            layer.name = layer.name or f"{layer.type}_{counts[layer.type]}"
            if layer.name in names:
                raise OptionError(
                    f"another layer is named '{layer.name}' already", *step, i, "name"
                )
            if not NAME.fullmatch(layer.name):
                raise OptionError(
                    "a layer's name has letters, digits, '_' and '-' only, "
                    f"received {layer.name!r}",
                    *step,
                    i,
                    "name",
                )
            names.add(layer.name)
            below = self.layers[i - 1] if i else None
            layer.rows = -1  # whatever an earlier build has bound is void
            layer.inplace = (
                layer.can_overwrite
                and below is not None
                and below.fresh_output
                and not below.reads_output
            )
            params_below = len(scope.plan.params)
            inner = scope.child(layer.name, self._gain_after(i, scope))
            layer.frozen = inner.frozen
            try:
                shape = layer.build(inner, self.shapes[-1])
            except OptionError as error:
                raise error.within(*step, i) from None
            self.shapes.append(shape)
            if not all(param.frozen for param in scope.plan.params[params_below:]):
                self._lowest = min(self._lowest, i)
        return self.shapes[-1]

    def _gain_after(self, i: int, scope: Scope) -> float:
        """Return the gain that the layers behind layer `i` recommend for its weights."""
        for layer in self.layers[i + 1 :]:
            gain = layer.gain()
            if gain is not None:
                return gain
        return scope.gain

    def forward(self, x: Array, step: Pass) -> Array:
        """Return the last layer's output."""
        for layer in self.layers:
            x = layer.forward(x, step)
        return x

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Fill all gradients, from the last layer to the first; return dL/dx if it is needed.

        If it isn't, the layers below the first one with trained parameters are left out.
        """
        upstream: Array | None = dy
        end = 0 if need_dx else self._lowest
        for i in range(len(self.layers) - 1, end - 1, -1):
            assert upstream is not None
            upstream = self.layers[i].backward(upstream, need_dx=need_dx or i > end)
        return upstream if need_dx else None
