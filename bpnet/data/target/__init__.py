"""Which target a loss needs: `TARGETS` is the one table of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bpnet.data.columns import Source
from bpnet.data.saved import Saved
from bpnet.data.target.base import Target, TargetScale
from bpnet.data.target.binary import BinaryTarget
from bpnet.data.target.classes import ClassTarget, SharesTarget, label_column
from bpnet.data.target.numbers import NumberTarget
from bpnet.errors import DataError
from bpnet.nn.arena import Array
from bpnet.nn.losses import TargetKind

__all__ = ["TARGETS", "Target", "TargetScale", "fit_target", "strata", "target_from_state"]

AnyTarget = ClassTarget | SharesTarget | BinaryTarget | NumberTarget

TARGETS: dict[str, type[AnyTarget]] = {
    "class": ClassTarget,
    "shares": SharesTarget,
    "binary": BinaryTarget,
    "number": NumberTarget,
}
"""The targets by their names in model files."""


def fit_target(
    source: Source,
    names: Sequence[str],
    kind: TargetKind,
    rows: Array,
    *,
    scale: TargetScale = "standard",
) -> Target:
    """Fit the target that a loss needs on the training rows.

    Parameters
    ----------
    source
        Where the columns are.
    names
        The target columns.
    kind
        What the loss learns from, `Loss.target`.
    rows
        Indices of the training rows.
    scale
        How numbers are scaled inside.

    Raises
    ------
    DataError
        If the columns hold nothing of that kind.
    """
    if not len(rows):
        raise DataError("there are no training rows", source.source)
    columns = tuple(names)
    if kind == "number":
        return NumberTarget.fit(source, columns, rows, scale)
    if kind == "binary":
        return BinaryTarget.fit(source, columns, rows)
    if len(columns) == 1:
        return ClassTarget.fit(source, columns[0], rows)
    return SharesTarget.fit(source, columns, rows)


def target_from_state(facts: object, arrays: Mapping[str, Array]) -> Target:
    """Make the target whose ``to_state`` gave these facts and arrays.

    Raises
    ------
    RunError
        If no target gave them.
    """
    saved = Saved(facts, arrays, "target")
    target = TARGETS[saved.text("type", tuple(TARGETS))].from_state(saved)
    saved.finish()
    return target


def strata(source: Source, names: Sequence[str], kind: TargetKind) -> Array | None:
    """Return a number for the class of every row, int ``(N,)``; None without classes.

    Classes are there for a single target column and a loss for classes or for yes and no.

    Raises
    ------
    DataError
        If such a column can't be one of classes.
    """
    if kind == "number" or len(names) != 1:
        return None
    return label_column(source, names[0], np.arange(source.rows)).values
