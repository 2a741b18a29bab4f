"""The gradient of one optimizer step, from one batch or several accumulated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState


def fill_gradient(state: TrainingState, group: list[Array], step: Pass) -> tuple[float, float]:
    """Fill the gradient of a step, penalties included; return its loss and its total weight.

    Parameters
    ----------
    state
        The training.
    group
        The rows of each batch of the step, as `Batches.group` gives them.
    step
        What travels with the batches.
    """
    network, loss, batches = state.network, state.loss, state.batches
    arena = network.arena
    if len(group) == 1:
        batch = batches.gather(group[0])
        total = loss.total(batch.target, batch.weight)
        value = state.rule.gradient(network, loss, batch, step, total)
    else:
        # The micro-batches share the divisor of the whole step, so their gradients add up to it.
        total = sum(loss.total(batch.target, batch.weight) for batch in map(batches.gather, group))
        value = 0.0
        for i, rows in enumerate(group):
            value += state.rule.gradient(network, loss, batches.gather(rows), step, total)
            arena.accumulate(first=i == 0)
        arena.take_accumulated()
    state.regularization.add_gradient(arena)
    return value, total
