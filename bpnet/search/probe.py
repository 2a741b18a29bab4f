"""What a search would do, and about how long it would take."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bpnet.config.searching import Halving, Hyperband, Tpe
from bpnet.errors import BpnetError
from bpnet.experiment import build
from bpnet.search import sharing
from bpnet.search.methods import Request
from bpnet.search.methods.halving import brackets, rungs
from bpnet.search.plan import Plan
from bpnet.search.space import Point
from bpnet.training.events import EpochEnd, StepEnd
from bpnet.training.fit import fit

PROBES = 3
"""Points that are trained for a moment."""

MOMENT = 0.5
"""Seconds for which each is trained, at most."""

START = 0.05
"""Seconds that a run's directory, model and last evaluation take."""


@dataclass(frozen=True)
class Preview:
    """A search that has not begun.

    Attributes
    ----------
    points
        Those of the first round.
    total
        How many points there will be in all.
    trainings
        How many trainings of a point: seeds times folds.
    epochs
        How many epochs they train together, at most.
    seconds
        About how long one process takes; None if no point could be trained.
    """

    points: list[Point]
    total: int
    trainings: int
    epochs: int
    seconds: float | None


def preview(plan: Plan) -> Preview:
    """Return what a search would do; a few of its points are trained for a moment, in memory."""
    requests: list[Request] = next(plan.proposals())
    points = [request.point for request in requests]
    method, epochs = plan.search.method, plan.config.training.epochs
    trainings = len(plan.units)
    total = len(points)
    if isinstance(method, Tpe):
        total = method.points
    elif isinstance(method, Hyperband):
        total = sum(count for count, _ in brackets(method, epochs))
    work = [_epochs(plan, point) for point in points]
    trained = math.ceil(sum(work) * total / len(points))
    if isinstance(method, Halving):
        trained = _climbed(len(points), method.first, method.reduction, epochs)
    elif isinstance(method, Hyperband):
        starts = brackets(method, epochs)
        trained = sum(_climbed(n, first, method.reduction, epochs) for n, first in starts)
    times = [t for point in _spread(points) if (t := _time_of_epoch(plan, point)) is not None]
    each = sum(times) / len(times) if times else None
    seconds = None if each is None else (trained * each + START * total) * trainings
    return Preview(points, total, trainings, trained * trainings, seconds)


def _epochs(plan: Plan, point: Point) -> int:
    return int(point.values.get("training.epochs", plan.config.training.epochs))


def _climbed(count: int, first: int | None, reduction: int, epochs: int) -> int:
    """Return how many epochs the rungs of one halving train."""
    before = total = 0
    for points, until in rungs(count, first, reduction, epochs):
        total += points * (until - before)
        before = until
    return total


def _spread(points: Sequence[Point]) -> list[Point]:
    """Return a few points: the first, the last and some between."""
    count = min(PROBES, len(points))
    if count == 1:
        return [points[0]]
    return [points[round(i * (len(points) - 1) / (count - 1))] for i in range(count)]


def _time_of_epoch(plan: Plan, point: Point) -> float | None:
    """Return the seconds that an epoch of a point takes; None if it can't be trained."""
    own = plan.assignments(dict(point.values), plan.config.seed, -1)
    try:
        state = build(plan.document.override(own).without({"search"}), sharing.data_for).state
        began = time.perf_counter()
        for event in fit(state):
            gone = time.perf_counter() - began
            if isinstance(event, StepEnd | EpochEnd) and gone > MOMENT:
                break
        done = state.epoch + state.position / state.batches.steps
        return (time.perf_counter() - began) / done if done else None
    except BpnetError:
        return None
