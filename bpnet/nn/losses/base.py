"""What a loss is, and the arithmetic that all of them share.

Legend for all losses: N rows, K outputs (classes or targets), z logits ``(N, K)``, s_i the
weight of row i (1 where no weights are given), S the total that the sum is divided by.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from bpnet.nn.arena import Array, Scratch

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import DTypeLike

TargetKind = Literal["class", "binary", "number"]


@dataclass
class Loss:
    """How far the outputs are from the targets; its fields are its YAML options.

    The protocol: `build` once, then `forward` and `backward` in turn. Buffers come from
    `scratch` and are bound to the number of rows by `prepare`, so that a step allocates nothing.
    Targets and weights may have any real type; in the network's own nothing is converted.
    """

    type: ClassVar[str]
    """The name in `LOSSES`, which sets it."""

    target: ClassVar[TargetKind]
    """What it learns from: one class of several (int64 ``(N,)``, or probabilities ``(N, K)``),
    yes or no per output (0 or 1, ``(N, K)``), or numbers ``(N, K)``."""

    scratch: Scratch = field(init=False, repr=False, compare=False)

    outputs: int = field(init=False, repr=False, compare=False)
    """K."""

    rows: int = field(default=-1, init=False, repr=False, compare=False)
    """The number of rows that the buffers are bound to."""

    def build(
        self,
        outputs: int,
        *,
        dtype: DTypeLike = "float32",
        class_counts: Array | None = None,
        class_names: tuple[str, ...] = (),
    ) -> None:
        """Prepare for logits ``(N, outputs)``.

        Parameters
        ----------
        outputs
            K.
        dtype
            The network's.
        class_counts, class_names
            Training rows of each class ``(K,)`` and the classes' names, for `class_weight`.
            For a target of kind ``binary``: the rows with no and with yes ``(2, K)`` (or
            ``(2,)`` for one output), and the names of no and yes (one output) or of the K outputs.

        Raises
        ------
        OptionError
            If an option does not fit the target.
        """
        self.outputs = outputs
        self.scratch = Scratch(dtype)
        self.scale = np.zeros((), dtype)
        self.rows = -1

    def twin(self) -> Self:
        """Return the same loss, built, with buffers of its own, for another thread."""
        other = copy.copy(self)
        other.scratch = Scratch(self.scratch.dtype)
        other.scale = np.zeros_like(self.scale)
        other.rows = -1
        return other

    def prepare(self, n: int) -> None:
        """Bind the buffers for `n` rows."""
        raise NotImplementedError

    def total(self, target: Array, weight: Array | None = None) -> float:
        """Return the divisor of the mean: the sum of the rows' weights (classes' included)."""
        return float(len(target)) if weight is None else float(np.add.reduce(weight))

    def forward(
        self, z: Array, target: Array, weight: Array | None = None, total: float | None = None
    ) -> float:
        """Return the sum of the rows' weighted losses over `total` (default: their own total).

        Micro-batches that are given the total of their union have values and gradients that
        add up to the union's. A total of 0 (no rows, or all of weight 0) gives 0.
        """
        raise NotImplementedError

    def backward(self) -> Array:
        """Return d loss / d z ``(N, K)`` of the last forward, valid until the next backward.

        `z` must be as it was in the forward.
        """
        raise NotImplementedError

    def predict(self, z: Array) -> Array:
        """Return what the logits mean ``(N, K)``: probabilities, or the numbers themselves.

        Needs no `build`. Probabilities come in a new array; numbers are `z` itself.
        """
        raise NotImplementedError


CHUNK = 16_384
"""Numbers that one dot product may add up in the network's own precision."""


def sum_of_products(a: Array, b: Array) -> float:
    """Return the sum of a*b for flat arrays, exact to about the arrays' own precision.

    BLAS adds float32 in float32, whose error grows with the length; so long sums are taken
    in pieces that are added in float64.
    """
    if len(a) <= CHUNK:
        return float(np.dot(a, b))
    return sum(
        float(np.dot(a[start : start + CHUNK], b[start : start + CHUNK]))
        for start in range(0, len(a), CHUNK)
    )


def check_shapes(z: Array, target: Array) -> None:
    """Refuse a target that NumPy would broadcast against the logits."""
    if z.shape != target.shape:
        raise ValueError(f"expected a target of shape {z.shape}, received {target.shape}")
