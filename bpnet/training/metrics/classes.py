"""Metrics of decisions: which class, or which labels.

The class of a row is the one with the largest probability; a label applies where its
probability is above a half. All equal scikit-learn's functions of the same names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from bpnet.errors import OptionError
from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind
from bpnet.options import PositiveInt
from bpnet.training.metrics.base import Metric, is_positive, mean, true_class

Average = Annotated[
    Literal["auto", "macro", "micro", "weighted"],
    "macro: mean over the classes; micro: all classes' decisions counted together; weighted: "
    "mean by the classes' rows; auto: the positive class of a binary target, else macro",
]


@dataclass
class Accuracy(Metric):
    """The fraction of rows that are right; with several labels, of rows with all of them right."""

    kinds: ClassVar[tuple[TargetKind, ...]] = ("class", "binary")
    mode: ClassVar[Literal["max", "min"]] = "max"

    def measure(self, target: Array, output: Array, weight: Array | None) -> float:
        if self.kind == "class":
            right = output.argmax(axis=1) == true_class(target)
        else:
            right = (is_positive(output) == is_positive(target)).all(axis=1)
        return mean(right, weight)


@dataclass
class TopK(Metric):
    """The fraction of rows whose class is among the k most probable ones.

    Of equally probable classes the later one comes first.
    """

    kinds: ClassVar[tuple[TargetKind, ...]] = ("class",)
    mode: ClassVar[Literal["max", "min"]] = "max"

    k: Annotated[PositiveInt, "how many of the most probable classes count"] = 3

    @property
    def key(self) -> str:
        return f"top_{self.k}"

    def build(self, kind: TargetKind, outputs: int) -> None:
        super().build(kind, outputs)
        if self.k >= outputs:
            raise OptionError(
                f"expected less than the {outputs} classes there are, received {self.k}, "
                "which would always give 1",
                "k",
            )

    def measure(self, target: Array, output: Array, weight: Array | None) -> float:
        true = true_class(target)[:, None]
        own = np.take_along_axis(output, true, axis=1)
        later = np.arange(output.shape[1]) > true
        ahead = np.count_nonzero((output > own) | ((output == own) & later), axis=1)
        return mean(ahead < self.k, weight)


@dataclass
class Decisions:
    """Decisions by class: how many were right, were made, and should have been made, ``(K,)``."""

    right: Array
    made: Array
    due: Array

    @classmethod
    def count(
        cls, kind: TargetKind, target: Array, output: Array, weight: Array | None
    ) -> Decisions:
        """Count them: for each class (no and yes of a binary target), or for each label."""
        if kind == "binary" and output.shape[1] > 1:
            made, due = is_positive(output), is_positive(target)
            rows = np.ones(len(output)) if weight is None else weight.astype(np.float64)
            return cls(rows @ (made & due), rows @ made, rows @ due)
        predicted, true, classes = class_pairs(kind, target, output)
        hit = predicted == true
        return cls(
            np.bincount(true[hit], None if weight is None else weight[hit], classes),
            np.bincount(predicted, weight, classes),
            np.bincount(true, weight, classes),
        )

    def precision(self) -> Array:
        """Return the fraction of the decisions that are right; 0 where none was made."""
        return _ratio(self.right, self.made)

    def recall(self) -> Array:
        """Return the fraction of what was due that was found; 0 where nothing was."""
        return _ratio(self.right, self.due)

    def f1(self) -> Array:
        """Return the harmonic mean of precision and recall; 0 where both are."""
        return _ratio(2.0 * self.right, self.made + self.due)

    def together(self) -> Decisions:
        """Return the decisions of all classes as those of one."""
        return Decisions(*(np.atleast_1d(n.sum()) for n in (self.right, self.made, self.due)))

    def only(self, which: Array | slice) -> Decisions:
        """Return the decisions of some classes."""
        return Decisions(self.right[which], self.made[which], self.due[which])


def class_pairs(kind: TargetKind, target: Array, output: Array) -> tuple[Array, Array, int]:
    """Return the decided and the true class of each row, int ``(N,)``, and how many there are.

    A binary target has the classes no (0) and yes (1).
    """
    if kind == "class":
        return output.argmax(axis=1), true_class(target), output.shape[1]
    return is_positive(output[:, 0]).astype(np.intp), is_positive(target[:, 0]).astype(np.intp), 2


@dataclass
class DecisionMetric(Metric):
    """What precision, recall and F1 share: counts by class, then an average."""

    kinds: ClassVar[tuple[TargetKind, ...]] = ("class", "binary")
    mode: ClassVar[Literal["max", "min"]] = "max"

    average: Average = "auto"

    @property
    def key(self) -> str:
        return self.type if self.average == "auto" else f"{self.type}_{self.average}"

    def measure(self, target: Array, output: Array, weight: Array | None) -> float:
        found = Decisions.count(self.kind, target, output, weight)
        if self.average == "micro":
            return float(self.score(found.together())[0])
        if self.kind == "class" or self.outputs == 1:
            if self.kind == "binary" and self.average == "auto":
                return float(self.score(found)[1])
            # A class that neither occurs nor is predicted says nothing about the network.
            plain = found if weight is None else Decisions.count(self.kind, target, output, None)
            found = found.only(plain.made + plain.due > 0)
        score = self.score(found)
        if self.average == "weighted":
            return float(_ratio(score @ found.due, found.due.sum()))
        return float(score.mean())

    def score(self, found: Decisions) -> Array:
        """Return the score of each class, ``(K,)``."""
        raise NotImplementedError


@dataclass
class Precision(DecisionMetric):
    """How many of the rows that are said to be of a class are of it; 0 where none is said to."""

    def score(self, found: Decisions) -> Array:
        return found.precision()


@dataclass
class Recall(DecisionMetric):
    """How many of the rows of a class are found; 0 where there are none."""

    def score(self, found: Decisions) -> Array:
        return found.recall()


@dataclass
class F1(DecisionMetric):
    """The harmonic mean of precision and recall; 0 where both are 0."""

    def score(self, found: Decisions) -> Array:
        return found.f1()


def _ratio(part: Array, whole: Array) -> Array:
    """Return ``part / whole``, and 0 where the whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
