"""The compiled loops. Arrays are C-ordered and of one type; nothing is allocated.

Sums may be taken in any order, as NumPy's are; NaN and infinities are what they are in NumPy, so
that a training that diverges is seen to. Each update of an optimizer returns 0 if all numbers
that it wrote are finite, else NaN: x - x is 0 for nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numba

if TYPE_CHECKING:
    from bpnet.nn.arena import Array

Number = Any
"""A scalar of the arrays' type."""

_Loop = TypeVar("_Loop", bound=Callable[..., Any])


def compiled(loop: _Loop) -> _Loop:
    """Compile a loop at its first call for each type, and keep it on the disk for the next start.

    It lets go of the interpreter's lock, so that a team's threads run side by side.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract"}}
    return numba.njit(cache=True, **options)(loop)  # type: ignore[no-any-return]


@compiled
def add_to_rows(y: Array, b: Array) -> None:
    """Add `b` to every row of `y`."""
    rows, columns = y.shape
    for i in range(rows):
        for j in range(columns):
            y[i, j] += b[j]


@compiled
def relu(x: Array, y: Array, factor: Array, low: Number) -> None:
    """Write y = f x with f = 1 where x > 0, else `low`."""
    xs, ys, fs = x.reshape(-1), y.reshape(-1), factor.reshape(-1)
    one = x.dtype.type(1)
    for i in range(xs.size):
        f = one if xs[i] > 0 else low
        fs[i] = f
        ys[i] = xs[i] * f


@compiled
def tanh_backward(y: Array, dy: Array, dx: Array) -> None:
    """Write dx = (1 - y²) dy."""
    ys, ds, out = y.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    one = y.dtype.type(1)
    for i in range(ys.size):
        out[i] = (one - ys[i] * ys[i]) * ds[i]


@compiled
def sigmoid_backward(y: Array, dy: Array, dx: Array) -> None:
    """Write dx = y (1 - y) dy."""
    ys, ds, out = y.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    for i in range(ys.size):
        out[i] = (ys[i] - ys[i] * ys[i]) * ds[i]


@compiled
def dropout(x: Array, draws: Array, threshold: Number, scale: Number, y: Array) -> None:
    """Turn draws from [0, 1) into factors, `scale` or below the threshold 0; write y = f x."""
    xs, fs, ys = x.reshape(-1), draws.reshape(-1), y.reshape(-1)
    zero = x.dtype.type(0)
    for i in range(xs.size):
        f = scale if fs[i] >= threshold else zero
        fs[i] = f
        ys[i] = xs[i] * f


@compiled
def layer_norm(
    x: Array, gamma: Array, beta: Array, eps: Number, normal: Array, inverse: Array, y: Array
) -> None:
    """Write x̂ to `normal`, each row's 1 / √(variance + eps) to `inverse`, y = gamma x̂ + beta."""
    one, zero = x.dtype.type(1), x.dtype.type(0)
    rows, columns = x.shape
    share = one / x.dtype.type(columns)
    for i in range(rows):
        first, total = x[i, 0], zero
        for j in range(columns):
            total += x[i, j] - first
        mean, squares = total * share, zero
        for j in range(columns):
            centred = x[i, j] - first - mean
            normal[i, j] = centred
            squares += centred * centred
        scale = one / math.sqrt(squares * share + eps)
        inverse[i] = scale
        for j in range(columns):
            value = normal[i, j] * scale
            normal[i, j] = value
            y[i, j] = value * gamma[j] + beta[j]


@compiled
def layer_norm_dx(dy: Array, gamma: Array, normal: Array, inverse: Array, dx: Array) -> None:
    """Write dx = (g - mean of g - x̂ mean of g x̂) / √(variance + eps), with g = gamma dy."""
    one, zero = dy.dtype.type(1), dy.dtype.type(0)
    rows, columns = dy.shape
    share = one / dy.dtype.type(columns)
    for i in range(rows):
        plain, along = zero, zero
        for j in range(columns):
            g = gamma[j] * dy[i, j]
            dx[i, j] = g
            plain += g
            along += g * normal[i, j]
        plain, along = plain * share, along * share
        for j in range(columns):
            dx[i, j] = (dx[i, j] - plain - normal[i, j] * along) * inverse[i]


@compiled
def sums_over_rows(dy: Array, normal: Array, dgamma: Array, dbeta: Array) -> None:
    """Write Σ dy x̂ and Σ dy over the rows."""
    rows, columns = dy.shape
    dgamma[:] = 0
    dbeta[:] = 0
    for i in range(rows):
        for j in range(columns):
            dgamma[j] += dy[i, j] * normal[i, j]
            dbeta[j] += dy[i, j]


@compiled
def batch_moments(x: Array, centred: Array, mean: Array, variance: Array) -> None:
    """Write x - mean of its column to `centred`, and mean and biased variance of each column."""
    rows, columns = x.shape
    share = x.dtype.type(1) / x.dtype.type(rows)
    mean[:] = 0
    variance[:] = 0
    for i in range(rows):
        for j in range(columns):
            mean[j] += x[i, j] - x[0, j]
    for j in range(columns):
        mean[j] *= share
    for i in range(rows):
        for j in range(columns):
            value = x[i, j] - x[0, j] - mean[j]
            centred[i, j] = value
            variance[j] += value * value
    for j in range(columns):
        mean[j] += x[0, j]
        variance[j] *= share


@compiled
def scale_columns(x: Array, slope: Array, shift: Array, y: Array) -> None:
    """Write y = slope x + shift, column by column."""
    rows, columns = x.shape
    for i in range(rows):
        for j in range(columns):
            y[i, j] = x[i, j] * slope[j] + shift[j]


@compiled
def batch_norm_dx(
    dy: Array, centred: Array, along: Array, plain: Array, slope: Array, dx: Array
) -> None:
    """Write dx = slope (dy - plain - centred along), column by column."""
    rows, columns = dy.shape
    for i in range(rows):
        for j in range(columns):
            dx[i, j] = (dy[i, j] - plain[j] - centred[i, j] * along[j]) * slope[j]


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
