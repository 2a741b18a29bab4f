"""Numbers that lie far from all others of their column.

The distance of a number is counted from the column's median, in robust standard deviations of its
own side: 1.4826 times the median distance of the numbers on that side (a "double" MAD, which
follows skewed columns). Beyond 3.5 (Iglewicz & Hoaglin, 1993) a number is far; as the tails of
many honest columns are long, it also has to stand apart: at least twice as far as the farthest of
the others. So a smooth tail, however long, has no outliers, and 9999 among ages has. Where nearly
all numbers are positive, large ones have to stand apart in their logarithms as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpnet.data.preprocessing import numeric_options
from bpnet.data.table import Column
from bpnet.insight.data_check.finding import Finding, Level, some
from bpnet.insight.data_check.material import Material
from bpnet.insight.data_check.statistics import GAUSSIAN
from bpnet.nn.arena import Array

FAR = 3.5
"""Robust standard deviations from which on a number is far."""

APART = 2.0
"""How many times as far as the others an outlier is."""

CLEARLY = 3.0
"""How many times as far a warning takes; nearer ones are a note, as honest tails get there."""

POSITIVE = 0.95
"""From this share of positive numbers on, large ones must stand apart in their logarithms, too."""

FEW = 0.02
"""More than this share of the rows on one side are a group of their own, unless all are equal."""

STAND_INS = 0.3
"""Equal numbers that stand apart are taken for stand-ins of missing cells up to this share."""

ROWS = 20
"""Rows it takes to know what is usual."""


def outliers(material: Material) -> Iterator[Finding]:
    """Find numbers that stand apart, in inputs and in a target of numbers."""
    data, used = material.config.data, material.used
    columns = {n: c for n, c in material.inputs.items() if c.kind == "number"}
    if material.config.loss.target == "number":
        columns |= {n: c for n, c in material.targets.items() if c.kind == "number"}
    for name, column in columns.items():
        rows, values, distance = standing_apart(column, used)
        if not len(rows):
            continue
        is_input = name in material.inputs
        rule = numeric_options(name, data.numeric, data.columns).outliers.type
        handled = is_input and rule != "none"
        same = len(np.unique(values)) == 1
        inside = column.values[np.setdiff1d(used, rows)]
        inside = inside[~np.isnan(inside)]
        clear = distance.min() >= CLEARLY * max(FAR, reach(inside, column.values[used]))
        level: Level = "warning" if clear and not handled else "note"
        shown = [f"{v:.6g}" for v in dict.fromkeys(values.tolist())]
        if same and len(rows) > 3:
            remedy = f"if {shown[0]} stands for a missing cell, leave those cells empty"
        else:
            remedy = "mend the cells if they are slips"
        if is_input and not handled:
            remedy += f"; or data.columns: {{{name}: {{outliers: clip}}}}"
        elif handled:
            remedy += f"; the config has `outliers: {rule}`"
        cells = f"{len(rows):,} cells" if len(rows) > 1 else "one cell"
        yield Finding(
            level,
            f"column '{name}' has {cells} far from the rest: {some(shown, 4)}; the others are "
            f"{inside.min():.6g} to {inside.max():.6g}",
            remedy,
            material.spots(rows),
            (name,),
            measured=float(distance.max()),
            threshold=FAR * APART,
        )


def standing_apart(column: Column, used: Array) -> tuple[Array, Array, Array]:
    """Return the rows with an outlier in a column, their values and distances, the farthest first.

    Parameters
    ----------
    column
        A column of numbers.
    used
        The rows that count.
    """
    rows = used[~column.missing[used]]
    values = column.values[rows]
    nothing = (rows[:0], values[:0], values[:0])
    if len(rows) < ROWS:
        return nothing
    off = values - np.median(values)
    if not np.isfinite(off).all():
        return nothing
    found, distance = _apart(off)
    positive = values > 0
    if positive.mean() >= POSITIVE:  # sizes and amounts spread by factors: both scales must agree
        logs = np.log(values[positive])
        apart, _ = _apart(logs - np.median(logs))
        found[positive] &= apart | (off[positive] < 0)
    order = np.argsort(-distance[found], kind="stable")
    return rows[found][order], values[found][order], distance[found][order]


def reach(inside: Array, everything: Array) -> float:
    """Return how far the farthest of the numbers inside is, in robust deviations of all."""
    off = np.abs(inside - np.nanmedian(everything))
    spread = GAUSSIAN * float(np.median(off[off > 0])) if (off > 0).any() else 0.0
    return float(off.max()) / spread if spread else 0.0


def _apart(off: Array) -> tuple[Array, Array]:
    """Say which deviations from the median stand apart; return robust distances, too."""
    found, distance = np.zeros(len(off), bool), np.zeros(len(off))
    for side in (off > 0, off < 0):
        found[side], distance[side] = _beyond_gap(np.abs(off[side]), np.abs(off), len(off))
    return found, distance


def _beyond_gap(side: Array, both: Array, count: int) -> tuple[Array, Array]:
    """Say which distances of one side stand apart, and return them in robust deviations."""
    none = np.zeros(len(side), bool)
    if not len(side):
        return none, side
    spread = GAUSSIAN * float(np.median(side))
    if len(side) < ROWS / 2:  # too few to know their own spread: that of both sides
        moved = both[both > 0]
        spread = GAUSSIAN * float(np.median(moved)) if len(moved) >= ROWS / 2 else 0.0
    if not spread:
        return none, none.astype(np.float64)
    far = side / spread
    order = np.argsort(far)
    sorted_far = far[order]
    before = np.maximum(np.r_[0.0, sorted_far[:-1]], FAR)
    gaps = np.flatnonzero(sorted_far >= APART * before)
    if not len(gaps):
        return none, far
    for start in gaps.tolist():
        group = sorted_far[start:]
        same = group[0] == group[-1]
        if len(group) <= max(1.0, (STAND_INS if same else FEW) * count):
            none[order[start:]] = True
            break
    return none, far
