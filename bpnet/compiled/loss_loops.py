"""The loops of losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bpnet.compiled.loops import Number, compiled

if TYPE_CHECKING:
    from bpnet.nn.arena import Array


@compiled
def cross_entropy(z: Array, target: Array, p: Array, sums: Array) -> Number:
    """Write exp(z - highest) and its sums; return the sum over the rows of -log p of `target`."""
    rows, columns = z.shape
    loss = 0.0
    for i in range(rows):
        highest = z[i, 0]
        for j in range(1, columns):
            highest = max(highest, z[i, j])
        total = z.dtype.type(0)
        for j in range(columns):
            value = math.exp(z[i, j] - highest)
            p[i, j] = value
            total += value
        sums[i] = total
        loss += math.log(total) - (z[i, target[i]] - highest)
    return loss


@compiled
def cross_entropy_backward(p: Array, sums: Array, target: Array, scale: Number, dz: Array) -> None:
    """Write dz = scale (p / its sum - 1 where the class is right)."""
    rows, columns = p.shape
    for i in range(rows):
        share = scale / sums[i]
        for j in range(columns):
            dz[i, j] = p[i, j] * share
        dz[i, target[i]] -= scale
