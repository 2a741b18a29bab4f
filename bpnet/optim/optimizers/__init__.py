"""Optimizers: one update of the whole parameter vector, in blocks that stay in cache.

Each is PyTorch's of that name. `OPTIMIZERS` is the one table of names; a new optimizer is a
dataclass with an `update` and one line here.
"""

from __future__ import annotations

from bpnet.optim.optimizers.adam import Adam, AdamW, AmsGrad, NAdam
from bpnet.optim.optimizers.adaptive import Adagrad, RmsProp
from bpnet.optim.optimizers.base import Optimizer
from bpnet.optim.optimizers.descent import Momentum, Nesterov, Sgd

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": Sgd,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RmsProp,
    "adam": Adam,
    "amsgrad": AmsGrad,
    "nadam": NAdam,
    "adamw": AdamW,
}
"""Every optimizer by the name that configs use."""

for _name, _class in OPTIMIZERS.items():
    _class.type = _name

__all__ = [
    "OPTIMIZERS",
    "Adagrad",
    "Adam",
    "AdamW",
    "AmsGrad",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RmsProp",
    "Sgd",
]
