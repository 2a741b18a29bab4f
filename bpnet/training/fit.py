"""The training loop: a generator of events.

Stopping and scheduling are explicit policies in here; whoever iterates only watches, and
ends the training by closing the generator. When an event arrives, the state is consistent:
it may be saved right then.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from bpnet.errors import DivergedError
from bpnet.nn.layers.base import Pass
from bpnet.optim.clipping import clip_norm, clip_value, gradient_norm
from bpnet.streams import stream
from bpnet.training.evaluate import evaluate
from bpnet.training.events import (
    EpochEnd,
    Event,
    Improved,
    LearningRateDropped,
    Started,
    StepEnd,
    Stopped,
)
from bpnet.training.gradient import fill_gradient
from bpnet.training.guard import Guard
from bpnet.training.replicas import Replicas
from bpnet.training.state import TrainingState


def fit(state: TrainingState) -> Iterator[Event]:
    """Train until the last epoch, early stopping, the time limit or a stop request.

    Raises
    ------
    DivergedError
        At the first step whose loss, gradient or update is not finite. Nothing has changed then,
        and `state.divergence` holds what `bpnet replay` needs.
    """
    control, batches = state.control, state.batches
    yield Started(state.epoch, control.epochs, batches.steps)
    began = time.perf_counter() - state.elapsed
    done, guard, replicas = StepEnd(), Guard(state), state.replicas()
    while state.epoch < control.epochs:
        if state.monitor.exhausted:
            yield Stopped("early_stopping", _patience_message(state))
            return
        epoch_began = time.perf_counter()
        order = batches.order(state.epoch)
        if state.position == 0 and state.dropout is not None:
            state.dropout = stream(control.seed, "dropout", state.epoch)
        step = Pass(train=True, rng=state.dropout)
        while state.position < batches.steps:
            learn(state, order, step, done, guard, replicas)
            yield done
            state.elapsed = time.perf_counter() - began
            if state.stop_request:
                yield Stopped("interrupted", state.stop_request)
                return
            if control.time_limit is not None and state.elapsed >= control.time_limit:
                yield Stopped("time_limit", f"the time limit of {control.time_limit:g} s is up")
                return
        yield from _finish_epoch(state, epoch_began)
        state.elapsed = time.perf_counter() - began
    done_all = f"all {control.epochs} epochs are" if control.epochs > 1 else "the one epoch is"
    yield Stopped("finished", f"{done_all} done")


def learn(
    state: TrainingState,
    order: np.ndarray[Any, Any],
    step: Pass,
    done: StepEnd,
    guard: Guard | None = None,
    replicas: Replicas | None = None,
) -> None:
    """Take one optimizer step, from one batch or several accumulated ones.

    Parameters
    ----------
    state
        The training.
    order
        The rows in the order of the epoch.
    step
        What travels with the batches.
    done
        The step before; afterwards, this one.
    guard
        Watches over all steps of one training; without it, one is made for this step.
    replicas
        Who shares the work; None: nobody.

    Raises
    ------
    DivergedError
        If loss, gradient or update are not finite; then nothing has changed.
    """
    arena, control = state.network.arena, state.control
    guard = guard or Guard(state)
    group = state.batches.group(order, state.position)
    lr = state.schedule.lr(state.step)
    if guard.moving:
        guard.take_down(group, step.rng)
    with np.errstate(all="ignore"):  # overflow shows in the loss or the norm, checked below
        value, total = fill_gradient(state, group, step, replicas)
        norm = gradient_norm(arena)
        if not (math.isfinite(value) and math.isfinite(norm) and guard.finite_statistics()):
            raise guard.stop(group, step, done, loss=value, norm=norm, total=total, lr=lr)
        risky = guard.wary or norm > guard.limit or norm * lr > guard.limit
        if risky:
            guard.take_down_weights()
        if control.clip_norm is not None:
            clip_norm(arena, control.clip_norm, norm)
        if control.clip_value is not None:
            clip_value(arena, control.clip_value)
        try:
            state.optimizer.step(lr, None if replicas is None else replicas.team)
            state.regularization.constrain(arena)
        except DivergedError as error:
            raise guard.stop(
                group, step, done, loss=value, norm=norm, total=total, lr=lr, failed=error
            ) from None
    if risky:
        guard.went_well()
    state.step += 1
    state.position += 1
    for rows in group:
        state.samples += len(rows)
    state.loss_sum += value * total
    state.weight_sum += total
    state.norm_sum += norm
    state.lr = lr
    done.epoch, done.step, done.samples = state.epoch + 1, state.step, state.samples
    done.loss, done.grad_norm, done.lr = value, norm, lr


def _finish_epoch(state: TrainingState, began: float) -> Iterator[Event]:
    """Evaluate the epoch, close its books and report it."""
    number = state.epoch + 1
    row: dict[str, Any] = {
        "epoch": number,
        "step": state.step,
        "samples": state.samples,
        "lr": state.lr,
        "time_s": 0.0,
        "train/loss": state.loss_sum / state.weight_sum if state.weight_sum else math.nan,
    }
    if state.validation is not None:
        scores = evaluate(
            *(state.network, state.loss, state.validation, state.metrics, state.target),
            state.replicas(),
        ).scores
        row |= {f"val/{name}": value for name, value in scores.items()}
    row["grad_norm"] = state.norm_sum / state.position
    value = row[state.monitor.name]
    best = state.monitor.observe(number, value)
    row["best"] = best
    if best and state.control.keep_best:
        state.keep_best()
    before = state.schedule.lr(state.step)
    if state.schedule.observes:
        state.schedule.observe(value, state.monitor.mode)
    after = state.schedule.lr(state.step)
    state.epoch, state.position = number, 0
    state.loss_sum = state.weight_sum = state.norm_sum = 0.0
    row["time_s"] = round(time.perf_counter() - began, 6)
    yield EpochEnd(number, row)
    if best:
        yield Improved(number, state.monitor.name, value)
    if state.schedule.observes and after < before:
        yield LearningRateDropped(number, before, after)


def _patience_message(state: TrainingState) -> str:
    monitor = state.monitor
    return (
        f"{monitor.name} has not improved for {monitor.waited} epochs; "
        f"the best was {monitor.best:.6g} in epoch {monitor.best_epoch}"
    )
