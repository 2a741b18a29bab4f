"""Layers that only change how the numbers are arranged; what they return are views."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from bpnet.errors import OptionError
from bpnet.nn.arena import Array, Scope, Shape
from bpnet.nn.layers.base import Layer, Pass, sides


@dataclass
class Flatten(Layer):
    """Put all numbers of an example into one row: (N, H, W, C) becomes (N, H W C)."""

    fresh_output = False

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        self.in_shape = in_shape
        self.out_shape: Shape = (math.prod(in_shape),)
        return self.out_shape

    def forward(self, x: Array, step: Pass) -> Array:
        return x.reshape(len(x), *self.out_shape)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        return dy.reshape(len(dy), *self.in_shape) if need_dx else None

    def gain(self) -> float | None:
        return None


@dataclass
class Reshape(Flatten):
    """Arrange the numbers of each example anew, in their order (the last axis runs fastest)."""

    shape: Annotated[
        list[int], "sides of one example, without the batch; one may be -1: whatever remains"
    ]

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        count, wanted = math.prod(in_shape), tuple(self.shape)
        if not wanted or any(side < 1 and side != -1 for side in wanted) or wanted.count(-1) > 1:
            raise OptionError(
                f"expected positive integers, and -1 at most once, received {list(wanted)}", "shape"
            )
        known = math.prod(side for side in wanted if side != -1)
        if count % known or (known != count and -1 not in wanted):
            raise OptionError(
                f"the input's {count} numbers ({sides(in_shape)}) can't be arranged as "
                f"{sides(wanted)}",
                "shape",
            )
        self.in_shape = in_shape
        self.out_shape = tuple(count // known if side == -1 else side for side in wanted)
        return self.out_shape
