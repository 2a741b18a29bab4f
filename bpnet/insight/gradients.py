"""Whether backpropagation computes the right gradients for a config and its own data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bpnet.data.dataset import Dataset
from bpnet.errors import CheckFailedError
from bpnet.experiment import Experiment
from bpnet.nn.arena import Array
from bpnet.nn.gradcheck import EVERYTHING, TOLERANCE, GradientError, check_gradients

ROWS = 256
"""Rows of a batch that are used at most: every number that is checked takes two forward passes."""


@dataclass(frozen=True, slots=True)
class GradientReport:
    """What a check of all gradients found.

    Attributes
    ----------
    errors
        A row per tensor: the largest errors over all batches, all entries and kinks added up.
    tolerance
        The largest error that passes.
    batches
        Rows of each batch that was used.
    frozen
        Tensors that are frozen, so that they have no gradient to check.
    """

    errors: tuple[GradientError, ...]
    tolerance: float
    batches: tuple[int, ...]
    frozen: tuple[str, ...]

    @property
    def wrong(self) -> tuple[GradientError, ...]:
        """The rows over the tolerance."""
        return tuple(error for error in self.errors if not error.passed)

    @property
    def largest(self) -> GradientError:
        """The row with the largest error."""
        return max(self.errors, key=lambda error: error.error)

    @property
    def tensors(self) -> tuple[GradientError, ...]:
        """The rows of the tensors alone."""
        return tuple(error for error in self.errors if error.name != EVERYTHING)


def check(
    experiment: Experiment,
    *,
    batches: int = 2,
    rows: int = ROWS,
    directions: int = 3,
    entries: int = 20,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> GradientReport:
    """Compare the gradients of a training's batches with differences of its loss.

    The loss is the training's own: class weights, row weights and the penalties of
    `regularization` included, dropout with one and the same mask for each batch.

    Parameters
    ----------
    experiment
        The training, in float64 (see `exact.build_exact`). It is left as it was.
    batches
        How many batches of the first epoch: the last, which may be smaller, and those it starts
        with.
    rows
        Rows used of each at most.
    directions, entries
        Random directions, and single numbers at most, per tensor and batch.
    tolerance
        The largest relative error that passes.
    seed
        Where directions and entries come from.

    Raises
    ------
    CheckFailedError
        If the loss of a batch isn't finite, so that nothing can be compared.
    """
    state = experiment.state
    used = _batches(experiment, batches)
    found: list[list[GradientError]] = []
    for number, chosen in enumerate(used):
        part = _rows_of(state.batches.data, chosen[:rows])
        with np.errstate(all="ignore"):
            errors = check_gradients(
                state.network,
                part.x,
                loss=state.loss,
                target=part.target,
                weight=part.weight,
                penalty=state.regularization,
                directions=directions,
                entries=entries,
                tolerance=tolerance,
                seed=seed + number,
            )
            value = _loss(experiment, part)
        if not math.isfinite(value):
            raise CheckFailedError(
                f"the loss is {value:g} before the first step, so there is nothing to compare; "
                "scale the inputs (data.numeric.scale) or start from smaller weights (model.init)"
            )
        found.append(errors)
    params = state.network.arena.params.values()
    return GradientReport(
        tuple(_worst(same) for same in zip(*found, strict=True)),
        tolerance,
        tuple(min(len(chosen), rows) for chosen in used),
        tuple(param.name for param in params if param.frozen),
    )


def _batches(experiment: Experiment, count: int) -> list[Array]:
    """Return the rows of the first batches of the first epoch, and of its last."""
    batches = experiment.state.batches
    order, size = batches.order(0), batches.batch_size
    numbers = sorted({*range(min(count, batches.count) - 1), batches.count - 1})
    return [order[i * size : (i + 1) * size] for i in numbers]


def _rows_of(data: Dataset, rows: Array) -> Dataset:
    weight = None if data.weight is None else data.weight[rows]
    return Dataset(data.x[rows], data.target[rows], weight)


def _loss(experiment: Experiment, part: Dataset) -> float:
    state = experiment.state
    return state.loss.forward(state.network.predict(part.x), part.target, part.weight)


def _worst(same: tuple[GradientError, ...]) -> GradientError:
    """Join what the batches say of one tensor."""
    worst = max(same, key=lambda error: error.single)
    return replace(
        worst,
        size=max(error.size for error in same),
        along=max(error.along for error in same),
        entries=sum(error.entries for error in same),
        kinks=sum(error.kinks for error in same),
        zero=all(error.zero for error in same),
    )
