"""When to stop, and which epoch was the best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from bpnet.options import NonNegative, PositiveInt, Range


@dataclass
class EarlyStopping:
    """Stop once the monitored metric has not improved for `patience` epochs."""

    monitor: Annotated[
        str, "metric to watch: train/loss, val/loss or val/METRIC; also chooses the best epoch"
    ] = "val/loss"
    patience: Annotated[PositiveInt, "epochs without an improvement before the training stops"] = 10
    min_delta: Annotated[NonNegative, "smallest change that counts as an improvement"] = 0.0
    mode: Annotated[
        Literal["auto", "min", "max"], "whether less or more is better; auto: by the metric"
    ] = "auto"
    start_epoch: Annotated[
        int, Range(ge=1), "first epoch that counts; before it nothing stops and nothing is best"
    ] = 1
    restore_best: Annotated[
        bool, "whether the model keeps the best epoch's weights, not the last's"
    ] = True


@dataclass
class Monitor:
    """What has been seen of the monitored metric; all of it is saved in a checkpoint.

    Improving by more than `min_delta` resets the patience; being better at all makes an epoch
    the best one. The difference is absolute, so it means the same for scores below zero. NaN
    is worse than every number.

    Attributes
    ----------
    best
        The best value so far; NaN before the first.
    best_epoch
        Its epoch, from 1; 0 before the first.
    reference
        The value that an improvement is measured from.
    waited
        Epochs since the last improvement.
    """

    name: str
    mode: Literal["min", "max"]
    patience: int | None = None
    min_delta: float = 0.0
    start_epoch: int = 1
    best: float = math.nan
    best_epoch: int = 0
    reference: float = math.nan
    waited: int = 0

    def better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Say whether `value` is better than `than` by more than `by`."""
        if math.isnan(value):
            return False
        if math.isnan(than):
            return True
        return value < than - by if self.mode == "min" else value > than + by

    def observe(self, epoch: int, value: float) -> bool:
        """Take the value of an epoch (from 1); say whether it is the best so far."""
        if epoch < self.start_epoch:
            return False
        if self.better(value, self.reference, self.min_delta):
            self.reference = value
            self.waited = 0
        else:
            self.waited += 1
        improved = self.better(value, self.best)
        if improved:
            self.best, self.best_epoch = value, epoch
        return improved

    @property
    def exhausted(self) -> bool:
        """Whether the patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def state(self) -> dict[str, float]:
        """Return what `observe` changed."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "reference": self.reference,
            "waited": self.waited,
        }

    def restore(self, state: dict[str, float]) -> None:
        """Take over what :meth:`state` returned."""
        self.best = float(state["best"])
        self.best_epoch = int(state["best_epoch"])
        self.reference = float(state["reference"])
        self.waited = int(state["waited"])
