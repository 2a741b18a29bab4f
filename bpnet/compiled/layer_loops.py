"""The loops of layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bpnet.compiled.loops import Number, compiled

if TYPE_CHECKING:
    from bpnet.nn.arena import Array


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
