"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.arena import Array, Param, Scope, Shape
from bpnet.nn.initializers import InitializerOption
from bpnet.nn.layers.base import Layer, Pass, sides
from bpnet.options import PositiveInt


@dataclass
class Dense(Layer):
    """Connect every input with every unit.

    y = x W + b, with x (N, F), W (F, U), b (U,), y (N, U). Backward, from dy (N, U):
    dW = x' dy, db = sum of dy over N, dx = dy W'.
    """

    reads_output = False

    units: Annotated[
        Literal["auto"] | PositiveInt, "number of outputs; auto: as many as the target needs"
    ]
    bias: Annotated[bool, "whether b is added"] = True
    init: Annotated[InitializerOption | None, "how W starts; null: as model.init says"] = None
    bias_init: Annotated[
        InitializerOption | None, "how b starts; null: as model.bias_init says"
    ] = None

    def build(self, scope: Scope, in_shape: Shape) -> Shape:
        if len(in_shape) != 1:
            raise OptionError(
                f"dense takes one row of numbers per example, but its input is {sides(in_shape)}; "
                "put {type: flatten} before it"
            )
        units = scope.output_size if self.units == "auto" else self.units
        if units is None:
            raise OptionError("'auto' needs a target; give a number", "units")
        fans = (in_shape[0], units)
        self.W = scope.param("W", fans, self.init, decay=True)
        self.b: Param | None = None
        if self.bias:
            self.b = scope.param("b", (units,), self.bias_init, decay=False, fans=fans)
        self.scratch = scope.scratch()
        return (units,)

    def prepare(self, n: int) -> None:
        self.rows = n
        self.y = self.scratch("y", (n, self.W.shape[1]))
        self.dx = self.scratch("dx", (n, self.W.shape[0]))
        self.ones = np.ones(n, self.y.dtype)

    def forward(self, x: Array, step: Pass) -> Array:
        if len(x) != self.rows:
            self.prepare(len(x))
        self.x = x
        y = np.dot(x, self.W.value, self.y)
        if self.b is not None:
            self.add_to_rows(y, self.b.value)
        return y

    def add_to_rows(self, y: Array, b: Array) -> None:
        """Add `b` to every row of `y`."""
        np.add(y, b, y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        if not self.frozen:
            np.dot(self.x.T, dy, self.W.grad)
            if self.b is not None:
                np.dot(self.ones, dy, self.b.grad)  # the sum over N; faster than add.reduce
        return np.dot(dy, self.W.value.T, self.dx) if need_dx else None
