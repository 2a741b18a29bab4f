"""A step that gave NaN or Inf, with all that is needed to take it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.rules import Batch
from bpnet.training.examination import Observation

Stage = Literal["gradient", "statistics", "update"]
"""Where it showed: in the loss or the gradient; only in the running statistics; or only in the
update, made from a finite gradient."""


@dataclass(eq=False, kw_only=True, slots=True)
class Divergence:
    """A step that gave NaN or Inf, with all that is needed to take it again.

    Attributes
    ----------
    stage
        Where it showed.
    step, epoch
        Which step it would have been, in which epoch, both from 1.
    loss, norm, total
        The loss, the norm of the gradient, and the weight of the rows that the loss is divided by.
    lr
        The learning rate of the step.
    last_loss, last_norm
        Loss and norm of the step before; NaN if there was none.
    reason
        What the optimizer said, if it was the update.
    batches, rows
        The batches of the step, and which rows of the data they are.
    shards
        Into how many of these each batch had been cut.
    theta, statistics, random
        Weights, running statistics and random stream, as they stood before the step.
    optimizer
        The optimizer's vectors as they stood before the step, if it was the update.
    gradient
        The gradient, penalties included, before clipping.
    seen
        What every tensor of the step looked like, in the order of their computation.
    message
        Where it began, and what usually helps.
    """

    stage: Stage
    step: int
    epoch: int
    loss: float
    norm: float
    total: float
    lr: float
    last_loss: float
    last_norm: float
    theta: Array
    statistics: Array
    gradient: Array
    random: Any = None
    batches: list[Batch]
    rows: list[Array]
    shards: int = 1
    reason: str = ""
    optimizer: dict[str, Array] = field(default_factory=dict)
    seen: list[Observation] = field(default_factory=list)
    message: str = ""

    @property
    def began(self) -> Observation | None:
        """The first tensor of the step that was not finite."""
        return next((seen for seen in self.seen if not seen.finite), None)

    def arrays(self) -> dict[str, Array]:
        """Return its arrays by name; `facts` has the rest, and `read_divergence` reads both."""
        numbers = [getattr(self, name) for name in _NUMBERS]
        arrays = {"theta": self.theta, "state": self.statistics, "gradient": self.gradient}
        arrays |= {"numbers": np.array(numbers, np.float64)}
        arrays |= {f"optimizer/{name}": array for name, array in self.optimizer.items()}
        for i, (batch, rows) in enumerate(zip(self.batches, self.rows, strict=True)):
            arrays |= {f"batch/{i}/x": batch.x, f"batch/{i}/target": batch.target}
            arrays[f"batch/{i}/rows"] = rows
            if batch.weight is not None:
                arrays[f"batch/{i}/weight"] = batch.weight
        return arrays

    def facts(self) -> dict[str, Any]:
        """Return everything else as JSON values."""
        return {name: getattr(self, name) for name in _FACTS}

    def differences(self, other: Divergence) -> list[str]:
        """Name what another one, of the same step, has otherwise, down to the last bit."""
        found = []
        for name, title in _NUMBERS.items():
            mine, theirs = getattr(self, name), getattr(other, name)
            if np.float64(mine).tobytes() != np.float64(theirs).tobytes():
                found.append(f"the {title} was {mine!r} and is {theirs!r}")
        if (self.stage, self.reason) != (other.stage, other.reason):
            found.append(
                f"it showed in the {self.stage} ({self.reason or 'not finite'}) and shows in the "
                f"{other.stage} ({other.reason or 'not finite'})"
            )
        mine, theirs = self.gradient, other.gradient
        if mine.tobytes() != theirs.tobytes():
            unequal = mine.view(_BITS[mine.dtype]) != theirs.view(_BITS[theirs.dtype])
            found.append(f"{int(unequal.sum())} of {mine.size} numbers of the gradient differ")
        return found


_NUMBERS = {
    "loss": "loss",
    "norm": "gradient norm",
    "total": "total weight of the rows",
    "lr": "learning rate",
    "last_loss": "loss of the step before",
    "last_norm": "gradient norm of the step before",
}
_FACTS = ("stage", "step", "epoch", "random", "reason", "message", "shards")
_BITS = {np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64}


def read_divergence(arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Divergence:
    """Make the divergence whose `arrays` and `facts` these are.

    Raises
    ------
    ValueError, KeyError, TypeError
        If these are those of none.
    """
    facts = {"shards": 1, **facts}  # files of the first bpnet have none
    known = {name: facts[name] for name in _FACTS}
    texts, whole = ("stage", "reason", "message"), ("step", "epoch", "shards")
    if not all(isinstance(known[name], str) for name in texts):
        raise ValueError("its facts are no texts")
    if not all(type(known[name]) is int and known[name] > 0 for name in whole):
        raise ValueError("its step, epoch or number of shards is no positive integer")
    if known["shards"] > len(arrays):  # each shard has arrays of its own
        raise ValueError(f"it can't have had {known['shards']} shards")
    if known["stage"] not in ("gradient", "statistics", "update"):
        raise ValueError(f"it can't have shown in {known['stage']!r}")
    numbers = arrays["numbers"]
    if numbers.shape != (len(_NUMBERS),) or numbers.dtype != np.float64:
        raise ValueError("its numbers are not those of a step")
    count = sum(name.startswith("batch/") and name.endswith("/x") for name in arrays)
    pairs = [_read_batch(arrays, f"batch/{i}/") for i in range(count)]
    if not pairs:
        raise ValueError("it has no batch")
    prefix = "optimizer/"
    return Divergence(
        **known,
        **dict(zip(_NUMBERS, numbers.tolist(), strict=True)),
        theta=arrays["theta"],
        statistics=arrays["state"],
        gradient=arrays["gradient"],
        optimizer={n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)},
        batches=[batch for batch, _ in pairs],
        rows=[rows for _, rows in pairs],
    )


def _read_batch(arrays: Mapping[str, Array], prefix: str) -> tuple[Batch, Array]:
    """Return a batch, and which rows of the data it is."""
    weight = arrays.get(f"{prefix}weight")
    batch = Batch(arrays[f"{prefix}x"], arrays[f"{prefix}target"], weight)
    rows = arrays[f"{prefix}rows"]
    parts = [batch.x, batch.target] if weight is None else [batch.x, batch.target, weight]
    if rows.ndim != 1 or rows.dtype.kind != "i" or not len(rows):
        raise ValueError("it does not say which rows a batch is")
    if any(part.shape[:1] != rows.shape for part in parts):
        raise ValueError("a batch has inputs, targets and weights of different lengths")
    return batch, rows
