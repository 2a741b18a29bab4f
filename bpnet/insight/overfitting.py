"""Proof that a network can learn: a few rows, by heart, with everything that gets in the way off.

Karpathy, "A recipe for training neural networks" (2019): overfit one batch, to the lowest loss that
can be reached. A network that can't do this has something wrong that more data won't mend.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bpnet.data.batches import Batches
from bpnet.data.dataset import Dataset
from bpnet.errors import DivergedError, UsageError
from bpnet.experiment import Experiment
from bpnet.insight.doctor.constant import best_constant, constant_loss
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.examination import examine
from bpnet.insight.doctor.looking import look
from bpnet.insight.doctor.probe import take
from bpnet.insight.untouched import untouched
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.nn.layers.dropout import Dropout
from bpnet.optim.regularization import Regularization
from bpnet.optim.schedules import SCHEDULES
from bpnet.streams import stream
from bpnet.training.events import StepEnd
from bpnet.training.fit import learn
from bpnet.training.guard import Guard
from bpnet.training.state import TrainingState

STEPS = 3000
"""Steps at most, each on all of the rows at once."""

LEARNED = 0.01
"""Part of the way from the least possible loss to a constant answer's that may be left."""

OTHER_RATES = (10.0, 0.1, 100.0, 0.01, 1000.0, 10_000.0)
"""What the learning rate is multiplied by, in turn, if it doesn't work; then come usual ones."""

USUAL_RATES = (1e-3, 1e-2, 1e-1)


@dataclass
class Overfit:
    """What came of learning a few rows by heart.

    Attributes
    ----------
    rows
        Which rows of the data, from 0.
    learned
        Whether the loss came within `LEARNED` of its least possible value.
    steps
        How many steps that took, or were tried.
    loss
        The loss at the end.
    start, constant, floor
        The loss at the start, that of the best constant answer, and the least possible one: above
        0 if equal inputs have different targets.
    switched_off
        What the config has that was left out.
    hints
        What may be wrong, and what to do.
    rate
        Another learning rate with which it did work; None if it wasn't needed or found.
    """

    rows: list[int]
    learned: bool
    steps: int
    loss: float
    start: float
    constant: float
    floor: float
    switched_off: list[str]
    hints: list[str] = field(default_factory=list)
    rate: float | None = None


def overfit(experiment: Experiment, count: int, *, steps: int = STEPS) -> Overfit:
    """Train on a few rows until they are known by heart, or to a limit of steps.

    The network, loss, optimizer and learning rate are the config's. Off are what keeps a network
    from learning by heart, or an experiment short: dropout, penalties and weight decay, label
    smoothing, the schedule, early stopping. Nothing is written. The experiment is used up by this.

    Parameters
    ----------
    experiment
        The training, ready to start.
    count
        How many training rows; of a classification as many of each class as can be.
    steps
        How many steps at most.

    Raises
    ------
    UsageError
        If the training part has no such number of rows.
    """
    state = experiment.state
    whole = state.batches.data
    if not 1 <= count <= len(whole):
        raise UsageError(
            f"--overfit: expected 1 to {len(whole)} rows, as many as there are in training, "
            f"received {count}"
        )
    rows = choose(whole, count, experiment.config.seed)
    data = take(whole, rows)
    off = list(_switch_off(experiment))
    state.batches = Batches(data, "full", shuffle=False, seed=experiment.config.seed)
    state.validation = None
    with np.errstate(all="ignore"):
        constant = constant_loss(state.loss, data, best_constant(state.loss, data))
    floor, equal = _floor(experiment, data)
    goal = floor + LEARNED * max(constant - floor, 0.0) if count > 1 else floor + LEARNED
    rate = state.schedule.base
    with untouched(state):
        losses, diverged = _train(state, rate, goal, steps)
    found = Overfit(
        rows=[int(row) for row in (data.rows if len(data.rows) else rows)],
        learned=bool(losses) and losses[-1] <= goal,
        steps=len(losses),
        loss=losses[-1] if losses else math.nan,
        start=losses[0] if losses else math.nan,
        constant=constant,
        floor=floor,
        switched_off=off,
    )
    if equal:
        found.hints.append(equal)
    if not found.learned:
        _explain(experiment, found, losses, diverged, goal, steps)
    return found


def choose(data: Dataset, count: int, seed: int) -> Array:
    """Return some rows, in order, as many of each class as there are, ``(count,)``."""
    order = stream(seed, "overfit").permutation(len(data))
    target = data.target
    if target.ndim == 2 and target.shape[1] == 1 and len(np.unique(target)) == 2:
        target = target[:, 0].astype(np.int64)  # yes or no
    if target.ndim > 1 or target.dtype.kind != "i":
        chosen: Array = np.sort(order[:count])
        return chosen
    seen: dict[int, int] = {}
    turns = []
    for row in order:
        kind = int(target[row])
        turns.append(seen.get(kind, 0))
        seen[kind] = seen.get(kind, 0) + 1
    balanced: Array = order[np.argsort(turns, kind="stable")[:count]]
    return np.sort(balanced)


def _switch_off(experiment: Experiment) -> Iterator[str]:
    """Take out what keeps a network from learning by heart; name what there was."""
    state = experiment.state
    dropped = False
    for _, layer, _ in state.network.walk():
        if isinstance(layer, Dropout) and layer.rate:
            layer.rate, dropped = 0.0, True
    if dropped:
        yield "dropout"
    regular = state.regularization
    if regular.l1 or regular.l2 or regular.max_norm:
        state.regularization = Regularization()
        yield "regularization"
    if state.optimizer.weight_decay:
        state.optimizer.weight_decay = 0
        yield "weight decay"
    loss: Any = state.loss
    if getattr(loss, "label_smoothing", 0):
        loss.label_smoothing = 0.0
        target = experiment.data.target
        loss.build(
            target.outputs,
            dtype=experiment.config.dtype,
            class_counts=target.class_counts,
            class_names=target.class_names,
        )
        yield "label smoothing"
    if experiment.config.schedule.type != "constant" or experiment.config.schedule.warm:
        yield "schedule"
    if experiment.config.early_stopping is not None:
        yield "early stopping"


def _train(state: TrainingState, rate: float, goal: float, steps: int) -> tuple[list[float], bool]:
    """Return the loss before every step, and whether the training diverged."""
    schedule = SCHEDULES["constant"]()
    schedule.build(rate, steps, 1)
    state.schedule = schedule
    losses: list[float] = []
    step, done, guard = Pass(train=True, rng=state.dropout), StepEnd(), Guard(state)
    order = state.batches.order(0)
    for _ in range(steps):
        state.position = 0
        try:
            learn(state, order, step, done, guard, state.replicas())
        except DivergedError:
            return losses, True
        losses.append(done.loss)
        if done.loss <= goal:
            break
    return losses, False


def _floor(experiment: Experiment, data: Dataset) -> tuple[float, str]:
    """Return the least possible loss, and which rows keep it above 0, in words."""
    loss = experiment.state.loss
    groups: dict[bytes, list[int]] = {}
    for i in range(len(data)):
        groups.setdefault(data.x[i].tobytes(), []).append(i)
    twins = [rows for rows in groups.values() if len(rows) > 1]
    torn = [rows for rows in twins if (data.target[rows] != data.target[rows[0]]).any()]
    if not torn:
        return 0.0, ""
    floor, total = 0.0, loss.total(data.target, data.weight)
    with np.errstate(all="ignore"):
        for rows in torn:
            part = take(data, rows)
            share = loss.total(part.target, part.weight) / total
            floor += share * constant_loss(loss, part, best_constant(loss, part))
    where = data.rows[torn[0]] if len(data.rows) else np.array(torn[0])
    shown = " and ".join(str(int(row)) for row in where[:2])
    return floor, (
        f"rows {shown} of the data (from 0) have equal inputs and different targets, so the loss "
        f"can't fall below {floor:.4g}"
    )


def _explain(
    experiment: Experiment,
    found: Overfit,
    losses: list[float],
    diverged: bool,
    goal: float,
    steps: int,
) -> None:
    """Add what may be wrong; try other learning rates."""
    state = experiment.state
    rate = state.schedule.base
    for other in [*(float(f"{rate * factor:.2g}") for factor in OTHER_RATES), *USUAL_RATES]:
        if not 0 < other <= 1e6:
            continue
        with untouched(state):
            again, _ = _train(state, other, goal, steps)
        if again and again[-1] <= goal:
            found.rate = other
            return
    findings = examine(Evidence(experiment, start=look(state)), None)
    for finding in findings:
        change = finding.change
        hint = f"{finding.rule}: {finding.text}"
        if change is not None and change.overrides:
            hint += f"; {shlex.join(change.overrides)}"
        found.hints.append(hint)
    if findings:
        pass  # that is more than can be read from the loss
    elif diverged:
        found.hints.append("the training diverged: look at inputs, targets and initialization")
    elif losses and losses[-1] > 2 * max(found.constant, losses[0]):
        found.hints.append("the loss grows: look at inputs, targets and initialization")
    elif losses and losses[-1] > 0.98 * found.constant:
        found.hints.append(
            "the loss stays at that of a constant answer: nothing of the inputs arrives at the "
            "output (dead units, zero weights, frozen layers, a tiny clip_norm, or inputs without "
            "content)"
        )
    elif len(losses) >= 10 and losses[-1] < 0.9 * losses[len(losses) * 9 // 10]:
        found.hints.append("the loss still falls: with more steps it may get there")
    else:
        found.hints.append("the network may be too small for these rows: give it more units")
    found.hints.append("bpnet doctor looks closer")
