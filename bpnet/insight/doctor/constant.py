"""The loss of the best constant answer: what a network has that has learned nothing."""

from __future__ import annotations

import numpy as np

from bpnet.data.dataset import Dataset
from bpnet.nn.arena import Array
from bpnet.nn.losses import Loss

_FAR = 30.0
"""A logit at which a sigmoid is 0 or 1 for all purposes."""


def best_constant(loss: Loss, data: Dataset) -> Array:
    """Return the constant output with the least loss on some rows, ``(K,)``.

    The shares of the classes for cross-entropies (as logits), the mean for squares, the median for
    absolute errors; row and class weights are honoured.
    """
    if loss.target == "class":
        # With D_k the weight of class k, the gradient's sum at z = 0 is (D_1 + ... + D_K) / K - D_k
        # and the loss there (D_1 + ... + D_K) log K.
        zero = np.zeros(loss.outputs)
        value, slope = _at(loss, data, zero)
        total = value / np.log(loss.outputs) if loss.outputs > 1 else 1.0
        shares = np.maximum(total / loss.outputs - slope, 1e-12)
        logs: Array = np.log(shares / shares.sum())
        return logs
    if loss.target == "binary":
        no = _at(loss, data, np.full(loss.outputs, _FAR))[1]
        yes = -_at(loss, data, np.full(loss.outputs, -_FAR))[1]
        odds: Array = np.clip(np.log(np.maximum(yes, 1e-12) / np.maximum(no, 1e-12)), -_FAR, _FAR)
        return odds
    target = data.target.astype(np.float64)
    weights = None if data.weight is None else data.weight.astype(np.float64)
    candidates = [np.average(target, axis=0, weights=weights), np.median(target, axis=0)]
    return min(candidates, key=lambda z: _at(loss, data, z)[0])


def constant_loss(loss: Loss, data: Dataset, z: Array) -> float:
    """Return the loss of a constant output ``(K,)`` on some rows."""
    return _at(loss, data, z)[0]


def _at(loss: Loss, data: Dataset, z: Array) -> tuple[float, Array]:
    """Return the loss of a constant output, and the gradient's sum over the rows ``(K,)``."""
    outputs = np.tile(z.astype(data.x.dtype), (len(data), 1))
    value = loss.forward(outputs, data.target, data.weight)
    return value, loss.backward().sum(axis=0, dtype=np.float64)
