"""A training in memory, for as long as it takes to judge it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.data.dataset import Dataset
from bpnet.errors import DivergedError
from bpnet.experiment import Experiment
from bpnet.insight.doctor.constant import best_constant, constant_loss
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.looking import Updates, look
from bpnet.training.evaluate import Evaluation, evaluate
from bpnet.training.events import EpochEnd, StepEnd, Stopped
from bpnet.training.fit import fit
from bpnet.training.metrics.classes import Decisions

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState

JUDGED = 4096
"""Rows of a part that are judged, at most."""

MEASURED = 32
"""Steps whose updates are measured, evenly over the training."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a training in memory may take: optimizer steps, and seconds."""

    steps: int = 10_000
    seconds: float = 20.0


def observe(experiment: Experiment, limits: Limits) -> Evidence:
    """Train in memory, to the end or to a limit, and look at it before and after."""
    state = experiment.state
    planned = state.control.epochs * state.batches.steps
    seen = Evidence(experiment, planned=planned, start=look(state), in_memory=True)
    measure_base(seen)
    updates = Updates(state)
    stride = max(1, min(planned, limits.steps) // MEASURED)
    updates.before()
    rate, began = 0.0, time.perf_counter()
    try:
        for event in fit(state):
            if isinstance(event, StepEnd):
                updates.after()
                if event.step % stride == 0:
                    updates.before()
                rate = max(rate, event.lr)
                over = time.perf_counter() - began > limits.seconds
                if (event.step >= limits.steps or over) and event.step < planned:
                    break
            elif isinstance(event, EpochEnd):
                seen.rows.append(event.row)
            elif isinstance(event, Stopped):
                seen.complete = True
    except DivergedError as error:
        seen.diverged = str(error)
    seen.seconds = time.perf_counter() - began
    seen.steps, seen.rate, seen.updates = state.step, rate, updates.medians()
    seen.end = look(state)
    judge(seen)
    if state.position:  # cut off within an epoch: what there is of it
        row = {"epoch": state.epoch + 1, "step": state.step, "lr": state.lr}
        row |= {"train/loss": state.loss_sum / state.weight_sum if state.weight_sum else math.nan}
        row |= {"val/loss": seen.val_loss} if state.validation is not None else {}
        seen.rows.append(row)
    return seen


def measure_base(seen: Evidence) -> None:
    """Find the best constant answer and its losses."""
    assert seen.experiment is not None
    state, loss = seen.experiment.state, seen.experiment.state.loss
    data = front(state.batches.data)
    with np.errstate(all="ignore"):
        z = best_constant(loss, data)
        seen.base_train = constant_loss(loss, data, z)
        if state.validation is not None:
            seen.base_val = constant_loss(loss, state.validation, z)


def judge(seen: Evidence) -> None:
    """Score the network as it is on the training rows and the validation part."""
    assert seen.experiment is not None
    state = seen.experiment.state
    train = _evaluated(state, front(state.batches.data))
    seen.train_loss = train.scores["loss"]
    judged = train
    if state.validation is not None:
        judged = _evaluated(state, state.validation)
        seen.val_loss = judged.scores["loss"]
    seen.recall = _recall(state, train)


def _evaluated(state: TrainingState, data: Dataset) -> Evaluation:
    return evaluate(state.network, state.loss, data, (), state.target)


def front(data: Dataset) -> Dataset:
    """Return some of the rows, evenly spread, as a part of its own."""
    if len(data) <= JUDGED:
        return data
    return take(data, np.linspace(0, len(data) - 1, JUDGED).astype(np.int64))


def take(data: Dataset, rows: Any) -> Dataset:
    """Return these rows as a part of its own."""
    return Dataset(
        data.x[rows],
        data.target[rows],
        None if data.weight is None else data.weight[rows],
        data.rows[rows] if len(data.rows) else data.rows,
        truth=None if data.truth is None else data.truth[rows],
    )


def _recall(state: TrainingState, scored: Evaluation) -> dict[str, tuple[float, int]]:
    """Return each class's recall and training rows; empty for numbers and for several labels."""
    target = state.target
    counts = target.class_counts
    if counts is None or (counts.ndim > 1 and counts.shape[1] > 1):
        return {}
    with np.errstate(all="ignore"):
        decisions = Decisions.count(target.kind, scored.truth, scored.output, None)
        recall = decisions.recall()
    counts = np.asarray(counts).reshape(-1)
    if not len(recall) == len(counts) == len(target.class_names):
        return {}
    return {
        name: (float(share), int(count))
        for name, share, count in zip(target.class_names, recall, counts, strict=True)
    }
