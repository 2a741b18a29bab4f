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
from bpnet.training.divergence import diagnose
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
from bpnet.training.state import TrainingState


def fit(state: TrainingState) -> Iterator[Event]:
    """Train until the last epoch, early stopping, the time limit or a stop request.

    Raises
    ------
    DivergedError
        At the first step whose loss or gradient is not finite, before it changes a weight.
    """
    control, batches = state.control, state.batches
    yield Started(state.epoch, control.epochs, batches.steps)
    began = time.perf_counter() - state.elapsed
    done = StepEnd()
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
            learn(state, order, step, done)
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
    yield Stopped("finished", f"all {control.epochs} epochs are done")


def learn(state: TrainingState, order: np.ndarray[Any, Any], step: Pass, done: StepEnd) -> None:
    """Take one optimizer step, from one batch or several accumulated ones."""
    arena, control = state.network.arena, state.control
    with np.errstate(all="ignore"):  # overflow shows in the loss or the norm, checked below
        value, total, rows = _gradient(state, order, step)
        state.regularization.add_gradient(arena)
        norm = gradient_norm(arena)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise DivergedError(diagnose(state, order, step, value, norm))
        if control.clip_norm is not None:
            clip_norm(arena, control.clip_norm, norm)
        if control.clip_value is not None:
            clip_value(arena, control.clip_value)
        lr = state.schedule.lr(state.step)
        state.optimizer.step(lr)
        state.regularization.constrain(arena)
    state.step += 1
    state.position += 1
    state.samples += rows
    state.loss_sum += value * total
    state.weight_sum += total
    state.norm_sum += norm
    state.lr = lr
    done.epoch, done.step, done.samples = state.epoch + 1, state.step, state.samples
    done.loss, done.grad_norm, done.lr = value, norm, lr


def _gradient(
    state: TrainingState, order: np.ndarray[Any, Any], step: Pass
) -> tuple[float, float, int]:
    """Fill the gradient of this step; return its loss, total weight and number of rows."""
    network, loss, batches = state.network, state.loss, state.batches
    group = batches.group(order, state.position)
    if len(group) == 1:
        batch = batches.gather(group[0])
        total = loss.total(batch.target, batch.weight)
        value = state.rule.gradient(network, loss, batch, step, total)
        return value, total, len(group[0])
    # The micro-batches share the divisor of the whole step, so their gradients add up to it.
    total = sum(loss.total(batch.target, batch.weight) for batch in map(batches.gather, group))
    value = 0.0
    for i, rows in enumerate(group):
        value += state.rule.gradient(network, loss, batches.gather(rows), step, total)
        network.arena.accumulate(first=i == 0)
    network.arena.take_accumulated()
    return value, total, sum(map(len, group))


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
            state.network, state.loss, state.validation, state.metrics, state.target
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
