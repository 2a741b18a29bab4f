"""What a divergence was and what usually helps, in a sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bpnet.nn.arena import Array
from bpnet.training.examination import Observation

if TYPE_CHECKING:
    from bpnet.training.divergence import Divergence
    from bpnet.training.state import TrainingState

SHOWN = 4
"""Rows that are listed."""

HUGE = 1e4
"""Inputs and targets of this size were never scaled."""


def explain(state: TrainingState, found: Divergence) -> str:
    """Say which tensor was the first that isn't finite, where and when, and what usually helps.

    Parameters
    ----------
    state
        The training, as it stood before the step.
    found
        The divergence, but for its message.
    """
    place = f"training diverged at step {found.step} (epoch {found.epoch})"
    advice = ", or ".join(_help(state, found))
    return f"{place} {_batch(found)}: {_what(found)}{_last(found)}; {advice}"


def _batch(found: Divergence) -> str:
    rows = np.concatenate(found.rows)
    if len(rows) == 1:
        return f"on row {rows[0]} of the data"
    parts = f"{len(found.rows)} batches with " if len(found.rows) > 1 else "a batch of "
    return f"on {parts}{len(rows)} rows ({_listed(rows)} of the data, from 0)"


def _listed(rows: Array) -> str:
    return ", ".join(map(str, rows[:SHOWN].tolist())) + (", ..." if len(rows) > SHOWN else "")


def _what(found: Divergence) -> str:
    """Say what was not finite first."""
    began = found.began
    if began is None:
        if found.reason:
            return f"{found.reason}, though the gradient is finite (its norm is {found.norm:.3g})"
        if math.isfinite(found.loss):
            return f"the gradient norm is {found.norm:g}"
        return f"the loss is {found.loss:g}"
    bad = began.nans + began.infs
    some = f"{bad} of {began.count}"
    reached = f"from inputs that reach {began.fed:.3g}"
    if began.part in ("output", "state"):
        parts = [p for p in found.seen if p.part == "weights" and p.layer == began.layer]
        if parts and began.part == "output":
            reached += f" and weights that reach {_largest(parts):.3g}"
    texts = {
        "weights": f"weights {began.name} are not finite: {some}",
        "input": f"{some} inputs are not finite",
        "target": f"{some} targets are not finite",
        "weight": f"{some} row weights are not finite",
        "output": f"{some} outputs of layer {began.layer} are not finite, {reached}",
        "state": f"{began.name} is not finite ({some}), {reached}",
        "loss": f"the loss is {found.loss:g}, of outputs that reach {began.fed:.3g}",
        "dz": f"the derivative of the loss is not finite for {some} outputs",
        "dx": f"the gradient that layer {began.layer} hands down is not finite ({some}), "
        f"of one that reaches {began.fed:.3g}",
        "gradient": f"the gradient of {began.name} is not finite ({some}), from one by the "
        f"outputs of {began.layer} that reaches {began.fed:.3g}",
        "sum": f"the gradient of {began.name} is not finite ({some}) once all batches and "
        "penalties are added up",
    }
    return texts[began.part] + _in_rows(found, began)


def _in_rows(found: Divergence, began: Observation) -> str:
    """Say which rows it was, unless it was all of them."""
    rows = found.rows[began.batch][list(began.rows)]
    if not len(rows) or len(rows) == sum(map(len, found.rows)):
        return ""
    if len(rows) == 1:
        return f", all in row {rows[0]}"
    return f", in {'rows' if len(rows) <= SHOWN else f'{len(rows)} rows:'} {_listed(rows)}"


def _last(found: Divergence) -> str:
    """Say how large loss and gradient were one step earlier."""
    if not math.isfinite(found.last_norm):
        return "; it is the first step" if found.step == 1 else ""
    return (
        f"; the step before had a loss of {found.last_loss:.3g} and a gradient norm of "
        f"{found.last_norm:.3g}"
    )


def _help(state: TrainingState, found: Divergence) -> list[str]:
    """Return what helps, the likeliest first."""
    began = found.began
    if began is not None and began.part in ("input", "target", "weight"):
        return ["correct these rows of the data"]
    if began is not None and began.part == "weights":
        return ["start from weights that are finite"]
    advice = []
    inputs, targets = (
        _largest([seen for seen in found.seen if seen.part == part]) for part in ("input", "target")
    )
    if inputs > HUGE:
        scale = "images" if len(state.network.in_shape) > 1 else "numeric"
        advice.append(f"scale the inputs, which reach {inputs:.3g} (data.{scale}.scale)")
    if targets > HUGE and state.loss.target == "number":
        advice.append(f"scale the targets, which reach {targets:.3g} (data.target_scale)")
    if found.step == 1 and found.stage != "update":
        if not advice:
            weights = _largest([seen for seen in found.seen if seen.part == "weights"])
            advice.append(f"start from smaller weights, as they reach {weights:.3g} (model.init)")
        return advice
    decay = state.optimizer.weight_decay
    if found.stage == "update" and decay * found.lr > 1:
        advice.append(f"lower optimizer.weight_decay from {decay:g}")
    rate, clip = state.optimizer.learning_rate, state.control.clip_norm
    lower = min(rate / 10, getattr(type(state.optimizer), "learning_rate", rate))
    advice.append(f"lower optimizer.learning_rate from {rate:g} to {lower:g}")
    if clip is None:
        advice.append("set training.clip_norm=1")
    else:
        advice.append(f"lower training.clip_norm from {clip:g} to {clip / 10:g}")
    if found.epoch == 1 and not state.schedule.warm:
        advice.append("let it rise slowly (schedule.warmup)")
    return advice


def _largest(seen: list[Observation]) -> float:
    """Return the largest absolute value of some tensors."""
    return max((max(-s.low, s.high) for s in seen if not math.isnan(s.size)), default=0.0)
