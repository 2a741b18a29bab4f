"""What the doctor knows of a training before it judges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from bpnet.experiment import Experiment


@dataclass(slots=True)
class LayerLook:
    """What one layer did with some rows.

    Attributes
    ----------
    name, type
        The layer's dotted name, and its name in the table of layers.
    size
        Root mean square of its outputs.
    dead
        Share of its units that gave 0 for every row; NaN unless it is a relu.
    saturated
        Share of its outputs where its slope is below a twentieth of the steepest; NaN unless it is
        a sigmoid or tanh.
    delta
        Root mean square, over the rows, of the length of the gradient that reaches the layer's
        outputs; NaN unless the layer has trained weights.
    """

    name: str
    type: str
    size: float = math.nan
    dead: float = math.nan
    saturated: float = math.nan
    delta: float = math.nan


@dataclass(slots=True)
class Look:
    """What a network did with some training rows, with the weights of one moment.

    Attributes
    ----------
    rows
        How many rows.
    input_size
        Root mean square of the inputs.
    loss
        Mean loss of the rows.
    layers
        Every layer, in the order of the forward pass.
    twins
        Layers whose units all start with the same weights.
    """

    rows: int
    input_size: float
    loss: float
    layers: list[LayerLook]
    twins: list[str] = field(default_factory=list)

    @property
    def weighted(self) -> list[LayerLook]:
        """The layers with trained weights."""
        return [layer for layer in self.layers if not math.isnan(layer.delta)]

    @property
    def gradient_ratio(self) -> float:
        """The gradient that reaches the first layer with weights over the last one's.

        NaN if there are fewer than two such layers, or no gradient at all.
        """
        layers = self.weighted
        if len(layers) < 2 or not layers[-1].delta > 0:
            return math.nan
        return layers[0].delta / layers[-1].delta


@dataclass(eq=False)
class Evidence:
    """A training with what was seen of it.

    Attributes
    ----------
    experiment
        The config with its data and network; None if the data is not there.
    rows
        The lines of metrics.jsonl, or the same of a training in memory.
    steps
        Optimizer steps that were taken.
    planned
        Optimizer steps of the whole training; 0 if unknown.
    complete
        Whether the training was seen to its end.
    diverged
        What was said when it diverged; empty if it didn't.
    start, end
        The network as it began, and at the newest moment there is.
    base_train, base_val
        Loss of the best constant answer (the classes' shares, the mean), found on the training
        rows.
    train_loss, val_loss
        Loss with the weights of the end, without dropout.
    recall
        Share of the rows of each class that are recognized at the end, by class name, and how
        many there are in training.
    updates
        By weight tensor: length of a step over the length of the weights, the median of some steps.
    rate
        The largest learning rate that was used.
    seconds
        How long the training took.
    in_memory
        Whether it was trained just now, in memory.
    gaps
        What could not be looked at, one sentence each.
    """

    experiment: Experiment | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    planned: int = 0
    complete: bool = False
    diverged: str = ""
    start: Look | None = None
    end: Look | None = None
    base_train: float = math.nan
    base_val: float = math.nan
    train_loss: float = math.nan
    val_loss: float = math.nan
    recall: dict[str, tuple[float, int]] = field(default_factory=dict)
    updates: dict[str, float] = field(default_factory=dict)
    rate: float = math.nan
    seconds: float = math.nan
    in_memory: bool = False
    gaps: list[str] = field(default_factory=list)

    def curve(self, name: str) -> list[float]:
        """Return a metric of every epoch; an epoch without a finite value is left out."""
        values = (row.get(name) for row in self.rows)
        return [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]

    @property
    def best_val(self) -> float:
        """The least loss of the validation part; NaN without one."""
        return min(self.curve("val/loss"), default=math.nan)

    @property
    def score(self) -> float:
        """What the training came to: its best validation loss, else its last training loss."""
        if self.diverged:
            return math.inf
        best = self.best_val
        return best if math.isfinite(best) else self.train_loss

    @property
    def base(self) -> float:
        """What a constant answer has where `score` is measured."""
        return self.base_val if math.isfinite(self.best_val) else self.base_train

    @property
    def unlearned(self) -> float:
        """The training loss over that of the best constant answer: 0 all learned, 1 nothing."""
        if not self.base_train > 0:
            return math.nan
        newest = self.train_loss
        if math.isnan(newest):
            newest = (self.curve("train/loss") or [math.nan])[-1]
        return newest / self.base_train
