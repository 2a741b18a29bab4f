"""What a metric is. A new one is one dataclass in one file and one line in `METRICS`.

Legend for all metrics: N rows, K outputs (classes, labels or target columns).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind


@dataclass
class Metric:
    """How good the outputs are; its fields (those with ``init``) are its YAML options.

    The protocol: `build` once, then `compute` as often as needed, always over a whole split:
    the mean of a metric over batches is another number.
    """

    type: ClassVar[str]
    """The name in `METRICS`, which sets it."""

    kinds: ClassVar[tuple[TargetKind, ...]]
    """The targets that it suits."""

    mode: ClassVar[Literal["max", "min"]]
    """Whether more or less of it is better."""

    kind: TargetKind = field(init=False, repr=False, compare=False)
    outputs: int = field(init=False, repr=False, compare=False)

    @property
    def key(self) -> str:
        """The name in reports, where the options tell it apart: ``f1``, ``f1_micro``, ``top_3``."""
        return self.type

    def build(self, kind: TargetKind, outputs: int) -> None:
        """Prepare for a target of one of `kinds` with K outputs.

        Raises
        ------
        OptionError
            If an option does not fit the target.
        """
        self.kind = kind
        self.outputs = outputs

    def compute(self, target: Array, output: Array, weight: Array | None = None) -> float:
        """Return the metric of a whole split.

        Parameters
        ----------
        target
            The truth: classes (int ``(N,)``, or probabilities ``(N, K)``, of which the largest
            counts where a class is needed), 0 or 1 ``(N, K)``, or numbers ``(N, K)``.
        output
            What the network says, ``(N, K)``: probabilities, or numbers in the target's units.
        weight
            Weight of each row, ``(N,)``.

        Returns
        -------
        float
            NaN where the metric is undefined: without rows, with a total weight of 0, with an
            output that is NaN, and where the metric itself says so.
        """
        if not len(output) or (weight is not None and not weight.any()) or np.isnan(output).any():
            return float("nan")
        with np.errstate(over="ignore", invalid="ignore"):  # outputs of a diverging network
            return float(self.measure(target, output, weight))

    def measure(self, target: Array, output: Array, weight: Array | None) -> float:
        """Return the metric for at least one row of outputs without NaN; see :meth:`compute`."""
        raise NotImplementedError


def true_class(target: Array) -> Array:
    """Return the class of each row, int ``(N,)``, of classes or of their probabilities."""
    return target if target.ndim == 1 else target.argmax(axis=1)


def is_positive(output: Array) -> Array:
    """Return True where a probability (or a 0 or 1) means yes: above a half."""
    return output > 0.5


def mean(values: Array, weight: Array | None) -> float:
    """Return the (weighted) mean of one value per row, ``(N,)``, summed in float64."""
    if weight is None:
        return float(values.mean(dtype=np.float64))
    return float(np.dot(values, weight.astype(np.float64)) / weight.sum(dtype=np.float64))
