"""The network of a trace as columns of units, from the input to the loss, and how they connect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bpnet.insight.trace.record import LayerStep, Trace
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Layer
from bpnet.nn.layers.residual import Residual

Ties = Literal["weights", "all", "one", "whole"]
"""How a column hangs on another: by a weight per pair of units, every unit on all, each on its own,
or as a whole."""

UNITS = 8
"""Units of a column that are drawn; of more, all but the last place, which says how many more."""

OUTPUTS = 10
"""The same for the last layer's."""


@dataclass
class Column:
    """A layer, the input or the loss in the picture.

    Attributes
    ----------
    number
        Its place, from 0, the input's.
    name
        The layer's; ``input`` and ``loss`` for the other two.
    step
        The layer; None for input and loss.
    values
        Of each row, ``(N, ...)``.
    deltas
        The derivatives of the loss by them; None where there are none.
    sources
        The columns that it is computed from, and how.
    consumer
        The layer in whose backward pass its deltas are computed; empty for the loss itself.
    """

    number: int
    name: str
    step: LayerStep | None
    values: Array
    deltas: Array | None
    sources: list[tuple[Column, Ties]] = field(default_factory=list)
    consumer: str = ""

    @property
    def drawn(self) -> int:
        """How many units are drawn; 0 if it is drawn as a whole."""
        if self.values.ndim != 2:
            return 0
        count = self.values.shape[1]
        most = OUTPUTS if self.consumer == "loss" else UNITS
        return count if count <= most else most - 1

    @property
    def hidden(self) -> int:
        """How many units are not drawn."""
        return self.values.shape[1] - self.drawn if self.values.ndim == 2 else 0


@dataclass
class Plan:
    """All columns, in the order in which they are computed."""

    columns: list[Column]

    def of(self, name: str) -> Column:
        """Return the column of a layer, or ``input`` or ``loss``."""
        return next(column for column in self.columns if column.name == name)


def make_plan(trace: Trace) -> Plan:
    """Lay out the network of a trace."""
    outermost = [step for step in trace.layers.values() if "." not in step.name]
    layers = [step.layer for step in outermost]
    first = trace.layers[trace.backward[-1]] if trace.backward else outermost[0]
    reaches_input = first.dx is not None and np.array_equal(first.x, trace.x)
    given = Column(0, "input", None, trace.x, first.dx if reaches_input else None)
    given.consumer = first.name
    columns = [given]
    last = _lay_out(trace, layers, "", given, columns)
    loss = trace.loss
    row_losses = np.full((len(trace.rows), 1), loss.value)
    end = Column(len(columns), "loss", None, row_losses, None, [(last, "all")])
    last.consumer = "loss"
    columns.append(end)
    return Plan(columns)


def _lay_out(
    trace: Trace, layers: Sequence[Layer], prefix: str, source: Column, columns: list[Column]
) -> Column:
    """Add the columns of a chain of layers; return the last one."""
    for layer in layers:
        step = trace.layers[f"{prefix}{layer.name}"]
        if isinstance(layer, Residual):
            inner = f"{step.name}."
            branch = _lay_out(trace, layer.layers, inner, source, columns)
            skip = source
            if layer.projection is not None:
                skip = _lay_out(trace, [layer.projection], inner, source, columns)
                skip.consumer = f"{step.name}"
            sources: list[tuple[Column, Ties]] = [(branch, "one"), (skip, "one")]
            branch.consumer = step.name
        else:
            sources = [(source, _ties(step))]
        source.consumer = step.name
        column = Column(len(columns), step.name, step, step.y, step.dy, sources)
        columns.append(column)
        source = column
    return source


def _ties(step: LayerStep) -> Ties:
    if step.x.ndim != 2 or step.y.ndim != 2:
        return "whole"
    if step.type == "dense":
        return "weights"
    if step.type in ("softmax", "layer_norm"):
        return "all"
    return "one" if step.x.shape == step.y.shape else "all"
