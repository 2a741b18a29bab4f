"""The loops of optimizers: one pass over theta, gradient and moments.

Each returns 0 if all numbers that it wrote are finite, else NaN: x - x is 0 for nothing else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bpnet.compiled.loops import Number, compiled

if TYPE_CHECKING:
    from bpnet.nn.arena import Array


@compiled
def sgd(theta: Array, g: Array, rate: Number) -> Number:
    """Move theta by -rate g."""
    doubt = theta.dtype.type(0)
    for i in range(theta.size):
        new = theta[i] - rate * g[i]
        theta[i] = new
        doubt += new - new
    return doubt


@compiled
def momentum(theta: Array, g: Array, v: Array, inertia: Number, rate: Number) -> Number:
    """Roll: v = inertia v + g, theta -= rate v."""
    doubt = theta.dtype.type(0)
    for i in range(theta.size):
        roll = inertia * v[i] + g[i]
        new = theta[i] - rate * roll
        v[i] = roll
        theta[i] = new
        doubt += (new - new) + (roll - roll)
    return doubt


@compiled
def nesterov(theta: Array, g: Array, v: Array, inertia: Number, rate: Number) -> Number:
    """Roll, and look ahead: v = inertia v + g, theta -= rate (g + inertia v)."""
    doubt = theta.dtype.type(0)
    for i in range(theta.size):
        roll = inertia * v[i] + g[i]
        new = theta[i] - rate * (g[i] + inertia * roll)
        v[i] = roll
        theta[i] = new
        doubt += (new - new) + (roll - roll)
    return doubt


@compiled
def adagrad(theta: Array, g: Array, s: Array, floor: Number, rate: Number) -> Number:
    """Add up squares: s += g², theta -= rate g / (√s + floor)."""
    doubt = theta.dtype.type(0)
    for i in range(theta.size):
        total = s[i] + g[i] * g[i]
        new = theta[i] - rate * (g[i] / (math.sqrt(total) + floor))
        s[i] = total
        theta[i] = new
        doubt += (new - new) + (total - total)
    return doubt


@compiled
def rmsprop(theta: Array, g: Array, s: Array, keep: Number, floor: Number, rate: Number) -> Number:
    """Average squares: s = keep s + g², theta -= rate g / (√s + floor)."""
    doubt = theta.dtype.type(0)
    for i in range(theta.size):
        total = keep * s[i] + g[i] * g[i]
        new = theta[i] - rate * (g[i] / (math.sqrt(total) + floor))
        s[i] = total
        theta[i] = new
        doubt += (new - new) + (total - total)
    return doubt


@compiled
def adam(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    keep_m: Number,
    keep_v: Number,
    floor: Number,
    rate: Number,
) -> Number:
    """Average gradients and squares: theta -= rate m / (√v + floor)."""
    doubt = theta.dtype.type(0)
    for i in range(theta.size):
        mean = keep_m * m[i] + g[i]
        square = keep_v * v[i] + g[i] * g[i]
        new = theta[i] - rate * (mean / (math.sqrt(square) + floor))
        m[i] = mean
        v[i] = square
        theta[i] = new
        doubt += (new - new) + (mean - mean) + (square - square)
    return doubt


@compiled
def amsgrad(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array,
    keep_m: Number,
    keep_v: Number,
    floor: Number,
    rate: Number,
) -> Number:
    """Be `adam`, but divide by the root of the largest v so far."""
    doubt = theta.dtype.type(0)
    for i in range(theta.size):
        mean = keep_m * m[i] + g[i]
        square = keep_v * v[i] + g[i] * g[i]
        most = max(largest[i], square)
        new = theta[i] - rate * (mean / (math.sqrt(most) + floor))
        m[i] = mean
        v[i] = square
        largest[i] = most
        theta[i] = new
        doubt += (new - new) + (mean - mean) + (square - square)
    return doubt


@compiled
def nadam(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    keep_m: Number,
    keep_v: Number,
    ratio: Number,
    floor: Number,
    rate: Number,
) -> Number:
    """Be `adam` with a look ahead: theta -= rate (ratio m + g) / (√v + floor)."""
    doubt = theta.dtype.type(0)
    for i in range(theta.size):
        mean = keep_m * m[i] + g[i]
        square = keep_v * v[i] + g[i] * g[i]
        new = theta[i] - rate * ((ratio * mean + g[i]) / (math.sqrt(square) + floor))
        m[i] = mean
        v[i] = square
        theta[i] = new
        doubt += (new - new) + (mean - mean) + (square - square)
    return doubt
