"""How the numbers of one layer come about: what the kinds of layers say in `derivations`.

Legend: n a row, i an input, j an output; x (N, F), y (N, U).
"""

from __future__ import annotations

from typing import Any

from bpnet.insight.trace.arithmetic import Derivation
from bpnet.insight.trace.record import LayerStep, Trace
from bpnet.nn.arena import Array


class Steps:
    """How the numbers of one layer come about; this one knows nothing but the values."""

    def __init__(self, trace: Trace, step: LayerStep) -> None:
        self.trace = trace
        self.step = step
        self.layer: Any = step.layer
        self.x, self.y = step.x, step.y

    @property
    def dy(self) -> Array:
        """dy; the backward pass must have gone here."""
        assert self.step.dy is not None
        return self.step.dy

    @property
    def dx(self) -> Array:
        """dx; the backward pass must have gone here."""
        assert self.step.dx is not None
        return self.step.dx

    def output(self, n: int, j: int) -> Derivation | None:
        """Derive y[j] of row n."""
        return None

    def input(self, n: int, i: int) -> Derivation | None:
        """Derive dx[i] of row n."""
        return None

    def gradient(self, short: str, index: tuple[int, ...]) -> Derivation | None:
        """Derive the gradient of one number of a parameter, over all rows, without penalties."""
        return None


def of_row(rows: list[int], n: int) -> str:
    """Say which row a term belongs to, where there are several."""
    return f" of row {rows[n]}" if len(rows) > 1 else ""
