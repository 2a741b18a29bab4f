"""Bounds on the gradient, which keep one bad batch from throwing the weights far away."""

from __future__ import annotations

import math

import numpy as np

from bpnet.nn.arena import Arena, Array
from bpnet.optim.blocks import blocks

_TRUSTED = {
    np.dtype(dtype): (float(np.finfo(dtype).tiny) * 1e8, float(np.finfo(dtype).max))
    for dtype in (np.float32, np.float64)
}
"""Sums of squares that rounding to 0 or to infinity can't have spoiled."""


def gradient_norm(arena: Arena) -> float:
    """Return the Euclidean norm of the whole gradient.

    It is finite if and only if the gradient is: where the squares leave the range of the
    arena's type, they are summed again, scaled, in float64.
    """
    grad = arena.grad
    square = float(np.vdot(grad, grad))  # np.dot's sum, but an overflow warns of nothing
    low, high = _TRUSTED[grad.dtype]
    return math.sqrt(square) if low <= square <= high else _scaled_norm(grad)


def _scaled_norm(grad: Array) -> float:
    """Return the norm as peak * sqrt(sum of (g / peak)^2)."""
    peak = 0.0
    for piece in blocks(len(grad)):
        highest = float(np.maximum.reduce(grad[piece]))
        lowest = float(np.minimum.reduce(grad[piece]))
        if math.isnan(highest):
            return math.nan
        peak = max(peak, highest, -lowest)
    if peak == 0 or math.isinf(peak):
        return peak
    total = 0.0
    for piece in blocks(len(grad)):
        scaled = grad[piece].astype(np.float64) / peak
        total += float(np.dot(scaled, scaled))
    return peak * math.sqrt(total)


def clip_norm(arena: Arena, limit: float, norm: float | None = None) -> float:
    """Shrink the gradient to a norm of `limit` if it is longer; return the norm that it had.

    The rule of ``torch.nn.utils.clip_grad_norm_``: the factor is limit / (norm + 1e-6). A gradient
    that isn't finite is left as it is.

    Parameters
    ----------
    arena
        Whose gradient it is.
    limit
        The largest norm allowed.
    norm
        Its norm, if it is known already.
    """
    if norm is None:
        norm = gradient_norm(arena)
    factor = limit / (norm + 1e-6)
    if factor < 1 and math.isfinite(norm):
        np.multiply(arena.grad, factor, arena.grad)
    return norm


def clip_value(arena: Arena, limit: float) -> None:
    """Bring every element of the gradient into -limit ... limit."""
    np.clip(arena.grad, -limit, limit, out=arena.grad)
