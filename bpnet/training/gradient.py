"""The gradient of one optimizer step, from one batch or several accumulated ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass

if TYPE_CHECKING:
    from bpnet.training.replicas import Replicas
    from bpnet.training.state import TrainingState


def fill_gradient(
    state: TrainingState, group: list[Array], step: Pass, replicas: Replicas | None = None
) -> tuple[float, float]:
    """Fill the gradient of a step, penalties included; return its loss and its total weight.

    Parameters
    ----------
    state
        The training.
    group
        The rows of each batch of the step, as `Batches.group` gives them.
    step
        What travels with the batches.
    replicas
        Who goes through several batches side by side, to the same bits; None: one after the other.
    """
    network, loss, batches = state.network, state.loss, state.batches
    arena = network.arena
    if len(group) == 1:
        batch = batches.gather(group[0])
        total = loss.total(batch.target, batch.weight)
        value = state.rule.gradient(network, loss, batch, step, total)
    else:
        # The micro-batches share the divisor of the whole step, so their gradients add up to it.
        total = sum(loss.total(*batches.aims(rows)) for rows in group)
        passes = of_each(step, group, shards=batches.shards)
        if replicas is not None:
            value = replicas.add_up(group, passes, total)
        else:
            value = 0.0
            for i, (rows, one) in enumerate(zip(group, passes, strict=True)):
                value += state.rule.gradient(network, loss, batches.gather(rows), one, total)
                arena.accumulate(first=i == 0)
            arena.take_accumulated()
    state.regularization.add_gradient(arena)
    return value, total


def of_each(step: Pass, group: list[Array], *, shards: int) -> Sequence[Pass]:
    """Return what travels with each batch of a step.

    Accumulated batches draw from one random stream in turn. Shards each have one of their own, that
    starts with a number drawn from the step's: so nothing depends on which of them comes first.
    """
    if shards == 1 or step.rng is None:
        return [step] * len(group)
    seeds = step.rng.integers(1 << 63, size=len(group)).tolist()
    return [
        Pass(step.train, np.random.Generator(np.random.SFC64(seed)), step.mask) for seed in seeds
    ]
