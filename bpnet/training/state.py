"""Everything that a training consists of, and all of it that changes with time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.data.batches import Batches
from bpnet.data.dataset import Dataset
from bpnet.data.target import Target
from bpnet.nn.arena import Array
from bpnet.nn.losses import Loss
from bpnet.nn.network import Network
from bpnet.nn.rules import Backpropagation, LearningRule
from bpnet.optim.blocks import blocks
from bpnet.optim.optimizers import Optimizer
from bpnet.optim.regularization import Regularization
from bpnet.optim.schedules import Schedule
from bpnet.streams import stream
from bpnet.threads.team import team
from bpnet.training.early_stopping import Monitor
from bpnet.training.metrics import Metric
from bpnet.training.replicas import Replicas

if TYPE_CHECKING:
    from bpnet.training.divergence import Divergence


@dataclass(slots=True)
class Control:
    """The settings of the loop.

    Attributes
    ----------
    epochs
        How many in all.
    seed
        Where the random streams start.
    clip_norm, clip_value
        Bounds of the gradient's norm and of each of its elements; None leaves them open.
    time_limit
        Seconds after which the training stops; None for no limit.
    keep_best
        Whether the best epoch's weights are set aside.
    """

    epochs: int
    seed: int = 0
    clip_norm: float | None = None
    clip_value: float | None = None
    time_limit: float | None = None
    keep_best: bool = True


@dataclass(eq=False, slots=True)
class TrainingState:
    """The parts of a training (rebuilt from its config) and its progress (saved).

    What is saved: parameters, running statistics, the optimizer's and the schedule's state,
    the monitor, the best weights, the dropout stream, the position in the epoch and its sums.
    The order of each epoch and the augmentation are functions of (seed, epoch), so the
    position is all that they need.
    """

    network: Network
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    batches: Batches
    control: Control
    monitor: Monitor
    target: Target
    regularization: Regularization = field(default_factory=Regularization)
    validation: Dataset | None = None
    metrics: Sequence[Metric] = ()
    rule: LearningRule = field(default_factory=Backpropagation)

    epoch: int = 0
    """Completed epochs."""
    position: int = 0
    """Optimizer steps done in the epoch that runs."""
    step: int = 0
    """Optimizer steps done in all."""
    samples: int = 0
    """Training rows seen in all."""
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    norm_sum: float = 0.0
    lr: float = 0.0
    """The learning rate of the last step."""
    elapsed: float = 0.0
    """Seconds of training, over all sessions of it."""
    best_theta: Array | None = None
    best_state: Array | None = None
    dropout: np.random.Generator | None = None
    stop_request: str = ""
    """Set from outside to pause after the step that runs; says why."""
    divergence: Divergence | None = None
    """The step that gave NaN or Inf, once there was one."""
    _replicas: Replicas | None = None

    def __post_init__(self) -> None:
        self.optimizer.bind(self.network.arena)
        if self.network.random:
            self.dropout = stream(self.control.seed, "dropout", self.epoch)

    def replicas(self) -> Replicas | None:
        """Return who shares the work, if batches are cut into shards; made at the first call."""
        shared_by = team(self.batches.shards)
        if self._replicas is None and shared_by is not None:
            self._replicas = Replicas(self, shared_by)
        return self._replicas

    def keep_best(self) -> None:
        """Set the weights of this moment aside as the best."""
        arena = self.network.arena
        if self.best_theta is None or self.best_state is None:
            self.best_theta, self.best_state = arena.theta.copy(), arena.state.copy()
        else:
            self.best_theta[:] = arena.theta
            self.best_state[:] = arena.state

    def use_best(self) -> bool:
        """Put the best weights, if any were set aside, into the network; say whether so."""
        if self.best_theta is None or self.best_state is None:
            return False
        self.network.arena.theta[:] = self.best_theta
        self.network.arena.state[:] = self.best_state
        return True

    def exchange_best(self) -> bool:
        """Let the network and the best weights, if any were set aside, change places; say whether.

        Done twice, all is as it was.
        """
        if self.best_theta is None or self.best_state is None:
            return False
        arena = self.network.arena
        for mine, best in ((arena.theta, self.best_theta), (arena.state, self.best_state)):
            for piece in blocks(len(mine)):
                moved = mine[piece].copy()
                mine[piece] = best[piece]
                best[piece] = moved
        return True

    def arrays(self) -> dict[str, Array]:
        """Return every array that changes with time; they are not copied."""
        arena = self.network.arena
        arrays = {"theta": arena.theta, "state": arena.state}
        if self.best_theta is not None and self.best_state is not None:
            arrays |= {"best/theta": self.best_theta, "best/state": self.best_state}
        arrays |= {f"optimizer/{name}": a for name, a in self.optimizer.state().items()}
        return arrays

    def facts(self) -> dict[str, Any]:
        """Return everything else that changes with time, as JSON values (NaN as a text)."""
        return {
            **{name: getattr(self, name) for name in _PROGRESS},
            "layout": self.network.arena.layout(),
            "schedule": _floats_out(self.schedule.state()),
            "watches": self.monitor.name,
            "mode": self.monitor.mode,
            "monitor": _floats_out(self.monitor.state()),
            "dropout": None if self.dropout is None else _generator_out(self.dropout),
        }

    def restore(self, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
        """Take over what :meth:`arrays` and :meth:`facts` returned.

        Raises
        ------
        ValueError, KeyError, TypeError
            If they are not those of such a training.
        """
        arena = self.network.arena
        if facts["layout"] != arena.layout():
            raise ValueError("its parameters are not those of this network")
        _copy(arrays["theta"], arena.theta)
        _copy(arrays["state"], arena.state)
        self.best_theta = self.best_state = None
        if self.control.keep_best and "best/theta" in arrays:
            self.best_theta = np.empty_like(arena.theta)
            self.best_state = np.empty_like(arena.state)
            _copy(arrays["best/theta"], self.best_theta)
            _copy(arrays["best/state"], self.best_state)
        prefix = "optimizer/"
        self.optimizer.restore(
            {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        )
        if facts["watches"] != self.monitor.name:
            raise ValueError(f"it watches {facts['watches']!r}, not {self.monitor.name}")
        if facts.get("mode", self.monitor.mode) != self.monitor.mode:  # not in the first files
            raise ValueError(f"its best is a {facts['mode']!r}, not a {self.monitor.mode}")
        for name in _PROGRESS:
            kind, value = type(getattr(self, name)), facts[name]
            if isinstance(value, bool) or not isinstance(value, (int, kind)):
                raise ValueError(f"expected a number for {name}, received {value!r}")
            setattr(self, name, kind(value))
        if not all(0 <= count < 2**63 for count in (self.epoch, self.step, self.samples)):
            raise ValueError("its counters are out of range")
        if not self.elapsed >= 0:
            raise ValueError(f"it has trained for {self.elapsed} s")
        if not 0 <= self.position <= self.batches.steps:
            raise ValueError(f"it stands at step {self.position} of {self.batches.steps} an epoch")
        self.schedule.restore(_floats_in(facts["schedule"]))
        self.monitor.restore(_floats_in(facts["monitor"]))
        if self.dropout is not None:
            self.dropout = _generator_in(facts["dropout"])


_PROGRESS = (
    "epoch",
    "position",
    "step",
    "samples",
    "loss_sum",
    "weight_sum",
    "norm_sum",
    "lr",
    "elapsed",
)


def _copy(source: Array, into: Array) -> None:
    if source.shape != into.shape or source.dtype != into.dtype:
        raise ValueError(
            f"expected {into.shape} {into.dtype} numbers, received {source.shape} {source.dtype}"
        )
    into[...] = source


def _floats_out(values: Mapping[str, float]) -> dict[str, float | str]:
    """Return the values with NaN and infinities, which JSON lacks, as texts."""
    return {
        name: repr(float(value)) if not np.isfinite(value) else value
        for name, value in values.items()
    }


def _floats_in(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(v) if isinstance(v, str) else v for name, v in values.items()}


def _generator_out(rng: np.random.Generator) -> dict[str, Any]:
    return dict(rng.bit_generator.state)


def _generator_in(state: Mapping[str, Any]) -> np.random.Generator:
    if state["bit_generator"] != "PCG64":
        raise ValueError(f"expected a PCG64 random stream, received {state['bit_generator']!r}")
    bits = np.random.PCG64()
    known: Any = dict(state)
    bits.state = known
    return np.random.Generator(bits)
