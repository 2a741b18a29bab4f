"""What is known of one training step: every array of it, as copies.

Legend: N rows, x and y a layer's input and output ``(N, ...)``; dx, dy, dW, ... the derivatives of
the loss by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bpnet.nn.arena import Array, Shape
from bpnet.nn.layers.base import Layer
from bpnet.nn.losses import Loss
from bpnet.optim.optimizers import Optimizer
from bpnet.optim.regularization import Regularization


@dataclass(eq=False)
class Numeric:
    """Derivatives by differences of the loss, shaped like what they are by.

    Attributes
    ----------
    values
        The slopes; NaN where none was estimated.
    kinks
        Where the slopes to the left and to the right differ.
    below, above, step
        The loss that far to either side; shaped alike.
    """

    values: Array
    kinks: Array
    below: Array
    above: Array
    step: Array


@dataclass(eq=False)
class TensorStep:
    """A parameter tensor in one step.

    Attributes
    ----------
    name, short
        ``dense_1.W`` and ``W``.
    frozen, decays
        Whether it stays as it is; whether penalties and weight decay act on it.
    before
        Its value before the step.
    of_loss
        The gradient of the loss alone; None if it is frozen.
    gradient
        With the penalties of `regularization` added.
    clipped
        After clipping: what the optimizer gets.
    updated, after
        Its value after the optimizer, and after the cap on the weights' norm.
    moments, new_moments
        What the optimizer keeps of it, before and after, by name.
    numeric
        The gradient, penalties included, by differences.
    """

    name: str
    short: str
    frozen: bool
    decays: bool
    before: Array
    of_loss: Array | None = None
    gradient: Array | None = None
    clipped: Array | None = None
    updated: Array | None = None
    after: Array | None = None
    moments: dict[str, Array] = field(default_factory=dict)
    new_moments: dict[str, Array] = field(default_factory=dict)
    numeric: Numeric | None = None

    @property
    def shape(self) -> Shape:
        """Its shape."""
        return self.before.shape

    @property
    def steepest(self) -> tuple[float, tuple[int, ...]]:
        """The size of its largest gradient, and where that is."""
        assert self.gradient is not None
        sizes = np.abs(self.gradient)
        place = np.unravel_index(int(sizes.argmax()), self.shape)
        return float(sizes.max()), tuple(int(i) for i in place)


@dataclass(eq=False)
class LayerStep:
    """A layer in one step.

    Attributes
    ----------
    name, layer
        Its dotted name, and the layer itself.
    x, y
        What came in and went out.
    dy, dx
        The derivatives of the loss by them; None where the backward pass did not go, as nothing
        below is trained.
    tensors
        Its own parameters.
    statistics
        Its running statistics before the step, by their short names.
    factor
        What a dropout layer multiplied by; None if it dropped nothing.
    numeric
        dy by differences.
    """

    name: str
    layer: Layer
    x: Array
    y: Array
    dy: Array | None = None
    dx: Array | None = None
    tensors: list[TensorStep] = field(default_factory=list)
    statistics: dict[str, Array] = field(default_factory=dict)
    factor: Array | None = None
    numeric: Numeric | None = None

    @property
    def type(self) -> str:
        """Its name in `LAYERS`."""
        return self.layer.type


@dataclass(eq=False)
class LossStep:
    """The loss in one step.

    Attributes
    ----------
    loss
        The loss itself.
    z, target, weight
        What it was given.
    meaning
        What the outputs mean: probabilities, or the numbers themselves.
    value, penalty, after
        The loss; the penalties beside it; and the loss of the same rows after the step.
    penalty_after
        The penalties after the step.
    dz
        Its derivative by z.
    total
        What the sum over the rows is divided by (see `Loss.forward`).
    """

    loss: Loss
    z: Array
    target: Array
    weight: Array | None
    meaning: Array
    value: float
    total: float
    dz: Array
    penalty: float = 0.0
    after: float = 0.0
    penalty_after: float = 0.0


@dataclass(frozen=True)
class Rule:
    """How a step's gradient became new weights.

    Attributes
    ----------
    optimizer, regularization
        The optimizer and what keeps the weights small.
    lr
        The learning rate of the step, from the schedule.
    step
        The number of the step, from 1.
    clip_norm, clip_value
        The bounds on the gradient; None for none.
    norm
        The length of the whole gradient before clipping.
    constants
        Numbers of the optimizer that change from step to step, as they were before.
    """

    optimizer: Optimizer
    regularization: Regularization
    lr: float
    step: int
    clip_norm: float | None
    clip_value: float | None
    norm: float
    constants: Mapping[str, float]


@dataclass(eq=False)
class Trace:
    """One training step with all of its numbers.

    Attributes
    ----------
    name
        The config's name.
    source, rows, split
        Where the rows come from, which ones they are (from 0), and which part each is in.
    inputs, outputs
        Names of the inputs and outputs, where they have any.
    answers
        The target of each row, as people know it.
    forward, backward
        The names of the layers in the order in which they ran.
    layers
        By name.
    loss, rule
        The loss, and how the weights moved.
    notes
        What the reader should know of this step.
    numeric
        The derivatives by the inputs, by differences.
    """

    name: str
    source: str
    rows: list[int]
    splits: list[str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    answers: list[str]
    forward: list[str]
    backward: list[str]
    layers: dict[str, LayerStep]
    loss: LossStep
    rule: Rule
    notes: list[str] = field(default_factory=list)
    numeric: Numeric | None = None

    @property
    def tensors(self) -> list[TensorStep]:
        """All parameter tensors, in the order of the layers' forward passes."""
        return [tensor for name in self.forward for tensor in self.layers[name].tensors]

    @property
    def foretold(self) -> float:
        """The change of the loss that the gradient foretold: each times its weight's change."""
        return sum(
            float(np.vdot(tensor.gradient, tensor.after - tensor.before))
            for tensor in self.tensors
            if tensor.gradient is not None and tensor.after is not None
        )

    @property
    def example(self) -> tuple[TensorStep, tuple[int, ...]] | None:
        """The parameter with the largest gradient: its tensor and index; None without any."""
        steepest = [(t.steepest, t) for t in self.tensors if t.gradient is not None and t.shape]
        if not steepest:
            return None
        (_, index), tensor = max(steepest, key=lambda entry: entry[0][0])
        return tensor, index

    @property
    def x(self) -> Array:
        """The inputs of the network."""
        first = next(iter(self.layers.values()))
        return first.x

    def numeric_of_dx(self, step: LayerStep) -> Numeric | None:
        """Return dx of a layer by differences: they are those of the output that it was given."""
        if step.dx is None:
            return None
        if step.x is self.x or np.array_equal(step.x, self.x):
            return self.numeric if self.layers[self.backward[-1]] is step else None
        for other in self.layers.values():
            if other.dy is None or other.y.shape != step.x.shape:
                continue
            if np.array_equal(other.y, step.x) and np.array_equal(other.dy, step.dx):
                return other.numeric
        return None
