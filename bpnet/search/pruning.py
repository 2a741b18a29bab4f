"""When a trial is hopeless, judged by trials that ended before it began.

Which those are is fixed by the order of the search and not by the clock, so that the same trials
are given up with any number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bpnet.config.searching import MedianRule, PatienceRule, PruningRule
from bpnet.search.store import Trial
from bpnet.search.task import Task


def arm(task: Task, rules: Iterable[PruningRule], earlier: Sequence[Trial]) -> None:
    """Tell a trial when to give up, from those that it is compared with."""
    curves = [_best_so_far(trial, task.mode) for trial in earlier]
    for rule in rules:
        if isinstance(rule, MedianRule):
            task.bounds = _bounds(rule, curves, task.mode)
        elif isinstance(rule, PatienceRule):
            ends = [curve[-1] for curve in curves if curve and curve[-1] is not None]
            task.stalled = rule.epochs
            task.to_beat = (min if task.mode == "min" else max)(ends, default=None)


def _best_so_far(trial: Trial, mode: str) -> list[float | None]:
    """Return the best score until each epoch."""
    better = min if mode == "min" else max
    best: float | None = None
    curve = []
    for score in trial.outcome.curve:
        if score is not None:
            best = score if best is None else better(best, score)
        curve.append(best)
    return curve


def _bounds(
    rule: MedianRule, curves: Sequence[Sequence[float | None]], mode: str
) -> list[float | None]:
    """Return for each epoch the score that a trial must reach; None asks for none."""
    bounds: list[float | None] = []
    for epoch in range(max(map(len, curves), default=0)):
        there = [c[epoch] for c in curves if len(c) > epoch]
        scores = sorted(
            (score for score in there if score is not None), reverse=mode == "min"
        )  # the worst first
        place = math.ceil(rule.share * len(scores)) - 1
        enough = len(there) >= rule.trials and epoch >= rule.warmup and 0 <= place < len(scores)
        bounds.append(scores[place] if enough else None)
    return bounds
