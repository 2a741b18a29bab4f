"""Learning-rate schedules: pure functions of the step, so that resuming is free.

`SCHEDULES` is the one table of names; a new schedule is a dataclass with an `after` and one
line here. Where PyTorch has a scheduler of that name, it is the same, stepped after every
optimizer step. Factors are multiples of the optimizer's learning rate; `minimum`, `end` and
`max_learning_rate` are learning rates themselves.
"""

from __future__ import annotations

from bpnet.optim.schedules.base import Schedule
from bpnet.optim.schedules.decay import Constant, Exponential, InverseSqrt, MultiStep, StepDecay
from bpnet.optim.schedules.plateau import Plateau
from bpnet.optim.schedules.ramps import Cosine, CosineRestarts, Linear, OneCycle, Polynomial

SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": StepDecay,
    "multistep": MultiStep,
    "exponential": Exponential,
    "polynomial": Polynomial,
    "linear": Linear,
    "cosine": Cosine,
    "cosine_restarts": CosineRestarts,
    "one_cycle": OneCycle,
    "inverse_sqrt": InverseSqrt,
    "plateau": Plateau,
}
"""Every schedule by the name that configs use."""

for _name, _class in SCHEDULES.items():
    _class.type = _name

__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InverseSqrt",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Plateau",
    "Polynomial",
    "Schedule",
    "StepDecay",
]
