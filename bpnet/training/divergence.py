"""Where the first number went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.layers.chain import Chain

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState


def diagnose(
    state: TrainingState,
    order: np.ndarray[Any, Any],
    step: Pass,
    value: float,
    norm: float,
) -> str:
    """Say which tensor is not finite, at which step and rows, and what usually helps.

    Parameters
    ----------
    state
        As it stands when the loss or the gradient's norm has been found not to be finite.
    order
        The order of the epoch's rows.
    step
        What travelled with the batch.
    value, norm
        The loss and the norm.
    """
    place = f"training diverged at step {state.step + 1} (epoch {state.epoch + 1})"
    rows = state.batches.group(order, state.position)
    taken = np.concatenate(rows)
    if len(state.batches.data.rows):  # their numbers in the source, not in the training part
        taken = state.batches.data.rows[taken]
    count = len(taken)
    what = _first_bad(state, rows, step)
    if what is None:
        finite = np.isfinite(value)
        what = f"the gradient norm is {norm:g}" if finite else f"the loss is {value:g}"
    remedy = "lower optimizer.learning_rate, set training.clip_norm, or add warm-up to the schedule"
    if count == 1:
        batch = f"on row {taken[0]} of the data"
    else:
        shown = ", ".join(map(str, taken[:4].tolist())) + (", ..." if count > 4 else "")
        batch = f"on a batch of {count} rows ({shown} of the data, from 0)"
    return f"{place} {batch}: {what}; {remedy}"


def _first_bad(state: TrainingState, rows: Any, step: Pass) -> str | None:
    for param in state.network.arena.params.values():
        if not np.isfinite(param.value).all():
            return f"weights {param.name} are not finite"
    for batch in map(state.batches.gather, rows):
        found = _first_bad_output(state.network.chain, batch.x, step, "")
        if found is not None:
            return found
    # Backwards, as the gradient flows: the last layer with a bad gradient is where it began.
    for param in reversed(list(state.network.arena.params.values())):
        if not np.isfinite(param.grad).all():
            return f"the gradient of {param.name} is not finite"
    return None


def _first_bad_output(chain: Chain, x: Any, step: Pass, prefix: str) -> str | None:
    layer: Layer
    for layer in chain.layers:
        x = layer.forward(x, step)
        if not np.isfinite(x).all():
            bad = int(np.size(x) - np.isfinite(x).sum())
            return f"{bad} of {np.size(x)} outputs of layer {prefix}{layer.name} are not finite"
    return None
