"""What is to be predicted, and with it the loss, the metrics and the weights of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bpnet.config.write import inline
from bpnet.data.columns import row_error
from bpnet.data.table import Column, Table, Tensor
from bpnet.errors import DataError

CLASSES = 20
"""A column of whole numbers with more different ones than this is a number to predict."""

UNEVEN = 3.0
"""How many times as frequent as the rarest class the most frequent one may be unweighted."""

FAR = 8.0
"""How far out a target may lie, in standard deviations, before it calls for a robust loss."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the target asks for.

    Attributes
    ----------
    kind
        ``class``, ``binary`` or ``number``.
    loss, why
        The loss as YAML, and why it is that one.
    metrics
        What is watched beside it, as YAML.
    monitor
        What early stopping looks at.
    notes
        What the reader should know, a sentence each.
    """

    kind: str
    loss: str
    why: str
    metrics: str
    monitor: str = "val/loss"
    notes: list[str] = field(default_factory=list)


def judge_target(source: Table | Tensor, targets: Sequence[Column]) -> Task:
    """Say what one or several columns to predict ask for.

    Raises
    ------
    DataError
        If a target has missing cells, or is nothing that can be predicted.
    """
    for target in targets:
        _refuse_gaps(source, target)
    if len(targets) > 1:
        return _several(source, targets)
    (target,) = targets
    values = target.values
    different, counts = np.unique(values, return_counts=True)
    if len(different) < 2:
        raise DataError(
            f"target '{target.name}' is the same in all rows, so there is nothing to learn",
            source.source,
        )
    if len(different) == 2:
        weight, why = _weight(counts)
        return Task(
            "binary",
            _loss("binary_cross_entropy", weight),
            f"the target has two values{why}",
            "[accuracy, f1, roc_auc]",
        )
    if target.kind == "category" or _are_codes(target, len(different)):
        if len(different) > max(50, len(values) / 2) or target.is_identifier or target.is_text:
            raise DataError(
                f"target '{target.name}' has {len(different)} different values in {len(values)} "
                "rows, too many for classes; choose another target",
                source.source,
            )
        return _classes(target, counts)
    return _number(target)


def _classes(target: Column, counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Task:
    weight, why = _weight(counts)
    notes = []
    if target.kind == "number":
        notes.append(
            f"{target.name} holds whole numbers, taken for {len(counts)} classes; where they are "
            "amounts, use loss: mse and metrics: [rmse, mae, r2]"
        )
    rare = int((counts < 10).sum())
    if rare:
        some = "One class has" if rare == 1 else f"{rare} classes have"
        notes.append(f"{some} fewer than 10 rows: expect little there")
    return Task(
        "class",
        _loss("cross_entropy", weight),
        f"the target has {len(counts)} classes{why}",
        "[accuracy, {type: f1, average: macro}]",
        notes=notes,
    )


def _number(target: Column) -> Task:
    values = target.values / np.abs(target.values).max()  # squares of huge numbers overflow
    spread = float(values.std())
    far = float(np.abs(values - np.median(values)).max()) / spread if spread else 0.0
    metrics = "[rmse, mae, r2]"
    if far > FAR:
        return Task(
            "number",
            "huber",
            "the target is a number; a few lie far out, and pull less than with mse",
            metrics,
        )
    return Task("number", "mse", "the target is a number", metrics, "val/rmse")


def _several(source: Table | Tensor, targets: Sequence[Column]) -> Task:
    names = ", ".join(target.name for target in targets[:5])
    if all(len(np.unique(target.values)) == 2 for target in targets):
        return Task(
            "binary", "binary_cross_entropy", "each target is a yes or no", "[accuracy, f1]"
        )
    if all(target.kind == "number" for target in targets):
        # Not by rmse: it is in the targets' own units, and the one with the largest would decide.
        return Task("number", "mse", "the targets are numbers", "[rmse, mae, r2]")
    raise DataError(
        f"several targets are all numbers, or all yes or no, but {names} are neither; "
        "choose one of them",
        source.source,
    )


def _refuse_gaps(source: Table | Tensor, target: Column) -> None:
    gaps = np.flatnonzero(target.missing)
    if len(gaps):
        raise row_error(
            source,
            int(gaps[0]),
            f"target '{target.name}' has no value in {len(gaps)} of {source.rows} rows; "
            "remove these rows first: nothing can be learned from them",
        )


def _are_codes(target: Column, different: int) -> bool:
    """Say whether whole numbers look like classes: few, and next to each other."""
    values = target.values
    if not bool((values == np.floor(values)).all()):
        return False
    near = values.max() - values.min() < 2 * different
    return bool(different <= min(CLASSES, len(values) / 5) and near)


def _weight(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[bool, str]:
    """Say whether classes need weights, and why."""
    if counts.max() < UNEVEN * counts.min():
        return False, ""
    share = 100 * counts.min() / counts.sum()
    return True, (
        f"; the rarest has {share:.2g} % of the rows, and counts as much as the others here"
    )


def _loss(name: str, weighted: bool) -> str:
    return inline({"type": name, "class_weight": "balanced"}) if weighted else name
