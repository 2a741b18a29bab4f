"""The epochs of a trial as they come: its curve, and whether it is to end early."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bpnet.search.task import Task


class Watch:
    """Follows the epochs of a trial and sees when it is to end."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.curve: list[float | None] = []
        self.keeps_best = True
        self._best: float | None = None
        self._best_epoch = 0

    def better(self, score: float, than: float) -> bool:
        return score < than if self.task.mode == "min" else score > than

    def see(self, row: Mapping[str, Any]) -> str:
        """Take the row of an epoch; return why the trial is hopeless, or nothing."""
        score = row.get(self.task.metric)
        if not isinstance(score, int | float) or not math.isfinite(score):
            score = None
        epoch = len(self.curve) + 1
        if row.get("best") or not self.keeps_best or not self.curve:
            self.curve.append(score)
        else:
            self.curve.append(self.curve[-1])
        kept = self.curve[-1]
        if kept is not None and (self._best is None or self.better(kept, self._best)):
            self._best, self._best_epoch = kept, epoch
        return self._behind(epoch) or self._stalled(epoch)

    def _behind(self, epoch: int) -> str:
        bounds, metric = self.task.bounds, self.task.metric
        bound = bounds[epoch - 1] if epoch <= len(bounds) else None
        if bound is None or (self._best is not None and not self.better(bound, self._best)):
            return ""
        best = "none" if self._best is None else f"{self._best:.6g}"
        return (
            f"median: after epoch {epoch} its best {metric} was {best}, and that of the earlier "
            f"trials {bound:.6g}"
        )

    def _stalled(self, epoch: int) -> str:
        limit, goal = self.task.stalled, self.task.to_beat
        if limit is None or goal is None or epoch - self._best_epoch < limit:
            return ""
        if self._best is not None and not self.better(goal, self._best):
            return ""
        best = "none" if self._best is None else f"{self._best:.6g}"
        return (
            f"patience: no better {self.task.metric} than {best} for {limit} epochs, and an "
            f"earlier trial reached {goal:.6g}"
        )

    @property
    def is_enough(self) -> bool:
        """Whether the trial has come to the epoch after which it pauses."""
        return self.task.until is not None and len(self.curve) >= self.task.until
