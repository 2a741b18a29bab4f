"""Blocks that nest layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.arena import Array, Scope, Shape
from bpnet.nn.layers.base import Layer, LayerOption, Pass, sides
from bpnet.nn.layers.chain import Chain


@dataclass
class Residual(Layer):
    """Add what the inner layers make of the input to the input itself (or its projection).

    y = branch(x) + skip(x); dx = branch'(dy) + skip'(dy). He et al., "Deep residual learning
    for image recognition" (2015), arXiv:1512.03385.
    """

    reads_output = False

    layers: Annotated[list[LayerOption], "the branch: layers as in model.layers"]
    projection: Annotated[
        LayerOption | None, "layer on the skip path, for a branch that changes the shape"
    ] = None

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        if not self.layers:
            raise OptionError("expected at least one layer", "layers")
        self.branch = Chain(self.layers)
        out_shape = self.branch.build(scope, in_shape, "layers")
        self.skip = Chain([self.projection] if self.projection else [])
        skip_shape = self._build_skip(scope, in_shape)
        if skip_shape != out_shape:
            raise self._mismatch(out_shape, skip_shape)
        self.scratch = scope.scratch()
        self.shape, self.in_shape = out_shape, in_shape
        return out_shape

    def _build_skip(self, scope: Scope, in_shape: Shape) -> Shape:
        if self.projection is not None:
            self.projection.name = self.projection.name or "projection"
            if any(layer.name == self.projection.name for layer in self.layers):
                raise OptionError(
                    f"a layer of the branch is named '{self.projection.name}' already",
                    "projection",
                    "name",
                )
        try:
            return self.skip.build(scope, in_shape, "projection")
        except OptionError as error:
            # In the config the projection is one layer, not the first of a list.
            raise OptionError(error.message, "projection", *error.path[2:]) from None

    def _mismatch(self, out_shape: Shape, skip_shape: Shape) -> OptionError:
        if self.projection is not None:
            return OptionError(
                f"expected {sides(out_shape)} as from the branch, received {sides(skip_shape)}",
                "projection",
            )
        advice = "give a projection that does the same"
        if len(out_shape) == len(skip_shape) == 1:
            advice = f"add projection: {{type: dense, units: {out_shape[0]}}}"
        return OptionError(
            f"the branch makes {sides(out_shape)} of the input, but the skip path keeps its "
            f"{sides(skip_shape)}; {advice}"
        )

    def prepare(self, n: int) -> None:
        self.rows = n
        self.y = self.scratch("y", (n, *self.shape))
        self.dx = self.scratch("dx", (n, *self.in_shape))

    def forward(self, x: Array, step: Pass) -> Array:
        if len(x) != self.rows:
            self.prepare(len(x))
        return np.add(self.branch.forward(x, step), self.skip.forward(x, step), self.y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        through_branch = self.branch.backward(dy, need_dx=need_dx)
        through_skip = self.skip.backward(dy, need_dx=need_dx)
        if not need_dx:
            return None
        assert through_branch is not None
        assert through_skip is not None
        return np.add(through_branch, through_skip, self.dx)

    def chains(self) -> Sequence[Chain]:
        return (self.branch, self.skip)
