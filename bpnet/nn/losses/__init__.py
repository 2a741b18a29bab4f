"""Losses, from logits. All are means over the batch, weighted where rows have weights.

`LOSSES` is the one table of names; a new loss is one dataclass and one line here.
"""

from __future__ import annotations

from bpnet.nn.losses.base import Loss, TargetKind
from bpnet.nn.losses.binary import BinaryCrossEntropy
from bpnet.nn.losses.cross_entropy import CrossEntropy
from bpnet.nn.losses.regression import Huber, MeanAbsoluteError, MeanSquaredError, Regression

LOSSES: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "cross_entropy": CrossEntropy,
    "binary_cross_entropy": BinaryCrossEntropy,
}
"""Every loss by the name that configs use."""

for _name, _class in LOSSES.items():
    _class.type = _name

__all__ = [
    "LOSSES",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Regression",
    "TargetKind",
]
