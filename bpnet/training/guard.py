"""Watches over the steps of a training, and takes back the one that gives NaN or Inf.

A step is taken back before it is explained: weights, running statistics and the random stream are
put back to where they stood, and the same arithmetic runs once more under observation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.errors import DivergedError
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.nn.rules import Batch
from bpnet.nn.vectors import views
from bpnet.training.divergence import Divergence, Stage
from bpnet.training.events import StepEnd
from bpnet.training.examination import examine, largest
from bpnet.training.explanation import explain
from bpnet.training.gradient import of_each

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState


STRIDE = 16
"""Steps from one copy of the random stream's state to the next, as a copy takes 0.7 us. What the
steps in between drew depends on their rows alone, so they can be gone through again."""


class Guard:
    """Takes down what stands before each step, so cheaply that it can be done every time.

    Weights need no copy, as a step that diverges changes none. Only before an update that may
    overflow itself, from numbers larger than almost any training meets, they are copied.

    Attributes
    ----------
    statistics
        Whether there are running statistics.
    moving
        Whether computing a gradient moves anything: them, or a random stream.
    limit
        Norm of a gradient, or of a step along it, from which the update may overflow.
    wary
        Whether any update may, as the weights are so large already, or decay so strongly.
    """

    __slots__ = (
        "_groups",
        "_optimizer",
        "_random",
        "_rng",
        "_running",
        "_running_before",
        "_theta",
        "_zeros",
        "limit",
        "moving",
        "state",
        "statistics",
        "wary",
    )

    def __init__(self, state: TrainingState) -> None:
        arena = state.network.arena
        self.state = state
        self.statistics = arena.state.size > 0
        self.moving = self.statistics or state.dropout is not None
        self.limit = math.sqrt(float(np.finfo(arena.dtype).max)) * 1e-4
        self._running, self._running_before = arena.state, arena.state.copy()
        self._zeros = np.zeros_like(arena.state)
        self._rng: np.random.Generator | None = None
        self._random: Any = None
        self._groups: list[list[Array]] = []
        self._theta: Array | None = None
        self._optimizer: dict[str, Array] = {}
        self.wary = self._is_wary()

    def take_down(self, group: list[Array], rng: np.random.Generator | None) -> None:
        """Take down what computing the gradient of these batches moves."""
        if self.statistics:
            self._running_before[:] = self._running
        if rng is not None:
            if rng is not self._rng or len(self._groups) == STRIDE:
                self._rng, self._random = rng, rng.bit_generator.state
                self._groups.clear()
            self._groups.append(group)

    def finite_statistics(self) -> bool:
        """Say whether the running statistics are finite: 0 times any other number is NaN."""
        return not self.statistics or self._running.dot(self._zeros) == 0

    def take_down_weights(self) -> None:
        """Take down what an update moves."""
        state = self.state
        self._theta = state.network.arena.theta.copy()
        self._optimizer = {name: a.copy() for name, a in state.optimizer.state().items()}

    def went_well(self) -> None:
        """Drop what `take_down_weights` took down, and look how large the weights have become."""
        self._theta = None
        self._optimizer = {}
        self.wary = self._is_wary()

    def _is_wary(self) -> bool:
        optimizer, theta = self.state.optimizer, self.state.network.arena.theta
        decay = optimizer.weight_decay * optimizer.learning_rate
        if not optimizer.decoupled_weight_decay:
            decay = max(decay, optimizer.weight_decay)
        if decay > 1 or largest(theta) > self.limit:
            return True
        return any(largest(vector) > self.limit**2 for vector in optimizer.vectors.values())

    def stop(
        self,
        group: list[Array],
        step: Pass,
        done: StepEnd,
        *,
        loss: float,
        norm: float,
        total: float,
        lr: float,
        failed: DivergedError | None = None,
    ) -> DivergedError:
        """Take a step back, find out where it went wrong, and return the error that says so.

        The evidence is then in `state.divergence`, and the state is that before the step. Only if
        an update failed whose weights had not been taken down, there is neither.

        Parameters
        ----------
        group, step
            As for `fill_gradient`.
        done
            The step before.
        loss, norm, total, lr
            Of this step.
        failed
            What the update said, if that is what failed.
        """
        state, arena = self.state, self.state.network.arena
        stage: Stage = "gradient"
        reason = ""
        if failed is not None:
            stage, reason = "update", _reason(failed, state)
            if self._theta is None:
                place = f"training diverged at step {state.step + 1} (epoch {state.epoch + 1})"
                return DivergedError(f"{place}: {failed}")
            arena.theta[:] = self._theta
            state.optimizer.restore(self._optimizer)
        elif math.isfinite(loss) and math.isfinite(norm):
            stage = "statistics"
        gradient = arena.grad.copy()
        self._rewind(step)
        seen = examine(state, group, step)
        self._put_back(step.rng)
        if failed is not None:  # what the update has left of it is clipped and decayed
            gradient[:] = arena.grad
        arena.grad[:] = gradient
        rows = state.batches.data.rows
        state.divergence = divergence = Divergence(
            stage=stage,
            step=state.step + 1,
            epoch=state.epoch + 1,
            loss=loss,
            norm=norm,
            total=total,
            lr=lr,
            last_loss=done.loss if done.step else math.nan,
            last_norm=done.grad_norm if done.step else math.nan,
            theta=arena.theta.copy(),
            statistics=arena.state.copy(),
            gradient=gradient,
            random=self._random,
            batches=[self._kept(state.batches.gather(taken)) for taken in group],
            rows=[rows[taken] if len(rows) else taken.copy() for taken in group],
            shards=state.batches.shards,
            reason=reason,
            optimizer=self._optimizer,
            seen=seen,
        )
        divergence.message = explain(state, divergence)
        return DivergedError(divergence.message)

    def _kept(self, batch: Batch) -> Batch:
        """Return a batch that stays as it is; in their own order rows are views of the data."""
        if not self.state.batches.shuffle:
            return batch
        weight = None if batch.weight is None else batch.weight.copy()
        return Batch(batch.x.copy(), batch.target.copy(), weight)

    def _rewind(self, step: Pass) -> None:
        """Bring the random stream to where it stood before the step, and put all back."""
        self._put_back(step.rng)
        batches = self.state.batches
        for earlier in self._groups[:-1]:
            passes = of_each(step, earlier, shards=batches.shards)
            for rows, one in zip(earlier, passes, strict=True):
                self.state.network.forward(batches.gather(rows).x, one)
        if step.rng is not None:
            self._random = step.rng.bit_generator.state
        self._rng = None
        self._put_back(step.rng)

    def _put_back(self, rng: np.random.Generator | None) -> None:
        """Undo what computing a gradient moved."""
        self._running[:] = self._running_before
        if rng is not None:
            rng.bit_generator.state = self._random


def _reason(failed: DivergedError, state: TrainingState) -> str:
    """Return what the update said, without its advice, and the tensor that it spoiled first."""
    spoiled = nonfinite(state)
    what = str(failed).partition(";")[0]
    return f"{what}, first in {spoiled}" if spoiled else what


def nonfinite(state: TrainingState) -> str | None:
    """Return the name of a tensor of the training that isn't finite; None if all are."""
    arena = state.network.arena
    for vector, array in state.arrays().items():
        if array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        where, _, kind = vector.rpartition("/")
        if where == "optimizer" and array.shape != arena.grad.shape:
            return vector
        params = (arena.states if kind == "state" else arena.params).values()
        placed = [(p.name, p.shape) for p in params if where != "optimizer" or not p.frozen]
        named = views(array, placed)
        name = next(name for name, part in named.items() if not np.isfinite(part).all())
        return f"{kind} of {name}" if where else name
    return None


def check_finite(state: TrainingState) -> None:
    """Refuse to save a training that holds NaN or Inf.

    No step leaves any; this is for whoever is about to save, to be sure.

    Raises
    ------
    DivergedError
        With the name of the tensor.
    """
    name = nonfinite(state)
    if name is not None:
        raise DivergedError(
            f"after step {state.step} {name} holds NaN or Inf, so it is not saved; lower "
            "optimizer.learning_rate or set training.clip_norm"
        )
