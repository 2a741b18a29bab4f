"""What a training tells those who watch it. Watching changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

StopReason = Literal["finished", "early_stopping", "time_limit", "interrupted"]


@dataclass(slots=True)
class Started:
    """The training begins, or goes on, at `epoch` (completed ones) of `epochs`."""

    epoch: int
    epochs: int
    steps_per_epoch: int


@dataclass(slots=True)
class StepEnd:
    """An optimizer step is done. The same object comes again after each step.

    Attributes
    ----------
    epoch, step
        The epoch that runs, from 1, and the optimizer steps done in all.
    samples
        Training rows seen in all.
    loss, grad_norm, lr
        The loss of the step's rows, the gradient's norm before clipping, the learning rate.
    """

    epoch: int = 0
    step: int = 0
    samples: int = 0
    loss: float = 0.0
    grad_norm: float = 0.0
    lr: float = 0.0


@dataclass(slots=True)
class EpochEnd:
    """An epoch is done and evaluated; `row` is its line of metrics.jsonl."""

    epoch: int
    row: dict[str, Any]


@dataclass(slots=True)
class Improved:
    """The monitored metric is better than ever; the weights have been set aside."""

    epoch: int
    metric: str
    value: float


@dataclass(slots=True)
class LearningRateDropped:
    """The plateau schedule lowered the learning rate."""

    epoch: int
    before: float
    after: float


@dataclass(slots=True)
class Stopped:
    """The training is over, or has been asked to pause (``interrupted``)."""

    reason: StopReason
    message: str


Event = Started | StepEnd | EpochEnd | Improved | LearningRateDropped | Stopped
