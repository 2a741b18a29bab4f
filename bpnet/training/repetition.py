"""A step that diverged, taken again by the very code that takes every step."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from bpnet.data.batches import Batches
from bpnet.data.dataset import Dataset
from bpnet.data.target import Target
from bpnet.errors import DivergedError
from bpnet.nn.arena import Array, aligned
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import Loss
from bpnet.nn.network import Network
from bpnet.optim.optimizers import Optimizer
from bpnet.optim.regularization import Regularization
from bpnet.optim.schedules.decay import Constant
from bpnet.training.divergence import Divergence
from bpnet.training.early_stopping import Monitor
from bpnet.training.events import StepEnd
from bpnet.training.fit import learn
from bpnet.training.state import Control, TrainingState


def repeat(
    found: Divergence,
    *,
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    regularization: Regularization,
    target: Target,
    clip_norm: float | None,
    clip_value: float | None,
) -> Divergence | None:
    """Take the step again; return how it diverges now, or None if it doesn't.

    Parameters
    ----------
    found
        The divergence.
    network, loss, optimizer, regularization, target
        Those of the training, built anew from its config.
    clip_norm, clip_value
        Of its config.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the divergence is not one of such a training.
    """
    data = Dataset(
        x=_joined([batch.x for batch in found.batches]),
        target=_joined([batch.target for batch in found.batches]),
        weight=_joined([batch.weight for batch in found.batches if batch.weight is not None])
        if found.batches[0].weight is not None
        else None,
        rows=np.concatenate(found.rows),
    )
    schedule = Constant()
    schedule.build(found.lr, 1, 1)
    state = TrainingState(
        network=network,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        batches=_Taken(data, found),
        control=Control(epochs=1, clip_norm=clip_norm, clip_value=clip_value, keep_best=False),
        monitor=Monitor("train/loss", "min"),
        target=target,
        regularization=regularization,
        step=found.step - 1,
        epoch=found.epoch - 1,
    )
    _check(state, found)
    network.arena.theta[:] = found.theta
    network.arena.state[:] = found.statistics
    if state.dropout is not None:
        state.dropout.bit_generator.state = found.random
    if found.optimizer:
        optimizer.restore(found.optimizer)
    before = StepEnd(step=found.step - 1, loss=found.last_loss, grad_norm=found.last_norm)
    with contextlib.suppress(DivergedError):
        step = Pass(train=True, rng=state.dropout)
        learn(state, np.arange(len(data)), step, before, replicas=state.replicas())
    return state.divergence


class _Taken(Batches):
    """One step of the batches that were taken, whatever their sizes."""

    def __init__(self, data: Dataset, found: Divergence) -> None:
        # Shuffled only so that batches are gathered into aligned buffers, as they were.
        super().__init__(data, len(found.rows[0]), accumulate=len(found.rows))
        self.shards = found.shards
        ends = np.cumsum([len(rows) for rows in found.rows])
        self._taken = np.split(np.arange(len(data)), ends[:-1])

    def group(self, order: Array, step: int) -> list[Array]:
        return self._taken


def _check(state: TrainingState, found: Divergence) -> None:
    """Refuse arrays that NumPy would stretch to fit, or that don't fit."""
    arena, network = state.network.arena, state.network
    x = state.batches.data.x
    wanted: dict[str, tuple[Array, Array]] = {
        "weights": (found.theta, arena.theta),
        "running statistics": (found.statistics, arena.state),
        "gradient": (found.gradient, arena.grad),
    }
    for name, (given, own) in wanted.items():
        if given.shape != own.shape or given.dtype != own.dtype:
            raise ValueError(f"its {name} are not those of its network")
    if x.shape[1:] != network.in_shape or x.dtype != arena.dtype:
        raise ValueError("its inputs are not those of its network")


def _joined(parts: list[Any]) -> Array:
    """Return the rows of some arrays in one, on the boundary where a network's buffers start."""
    rows = sum(map(len, parts))
    whole = aligned((rows, *parts[0].shape[1:]), parts[0].dtype)
    return np.concatenate(parts, out=whole)
