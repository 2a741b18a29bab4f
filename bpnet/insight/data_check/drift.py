"""Columns whose values are distributed otherwise in val or test than in the training.

Numbers are compared by the test of Kolmogorov and Smirnov, categories (and whether a cell is
missing) by the chi-square test. With many columns some differ by accident, so p-values are
multiplied by the number of comparisons (Bonferroni, 1936); and as with many rows any trifle is
significant, the difference must be of some size, too: a largest distance of distribution functions
of 0.1, or a population stability index of 0.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bpnet.data.table import Column
from bpnet.insight.data_check.finding import Finding, Level, some
from bpnet.insight.data_check.material import Material
from bpnet.insight.data_check.statistics import (
    chi_square,
    kolmogorov_smirnov,
    stability_index,
)
from bpnet.insight.data_check.values import shares
from bpnet.nn.arena import Array

ALPHA = 0.001
"""How often, at most, drift is seen in any column of a part where there is none."""

SHIFT = 0.1
"""The size from which a difference counts."""

LARGE = 0.25
"""The size from which it is a warning, whatever the p-value's margin."""

ROWS = 20
"""Rows it takes in each part."""

SAMPLED = 200_000


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a column of a part is from the training's."""

    column: str
    size: float
    p: float
    text: str


def drift(material: Material) -> Iterator[Finding]:
    """Find columns, and the target, that are distributed otherwise in another part."""
    train = material.rows_of("train")
    columns = {**material.inputs, **_answers(material), **_brightness(material)}
    if len(material.parts) < 2:
        material.skipped["drift"] = "there is only one part"
        return
    for part in material.parts[1:]:
        rows = material.rows_of(part)
        if min(len(rows), len(train)) < ROWS:
            material.skipped["drift"] = f"{part} or train has fewer than {ROWS} rows"
            continue
        ours = material.sample(train, SAMPLED, "drift")
        theirs = material.sample(rows, SAMPLED, "drift")
        shifts = [shift for c in columns.values() for shift in _compare(c, ours, theirs)]
        found = [s for s in shifts if s.size >= SHIFT and s.p * len(shifts) < ALPHA]
        found.sort(key=lambda shift: -shift.size)
        for level, chosen in _by_level(found):
            names = tuple(dict.fromkeys(shift.column for shift in chosen))
            yield Finding(
                level,
                f"{len(names)} column{'s are' if len(names) > 1 else ' is'} distributed otherwise "
                f"in {part} than in train: {some([s.text for s in chosen], 4)}",
                "find out why: other sources, times or units; shuffle before dividing, or if new "
                "rows will differ like that, weigh what the training shows with care",
                columns=names,
                measured=chosen[0].size,
                threshold=LARGE if level == "warning" else SHIFT,
            )
        yield from _new_levels(material, part, rows, train)


def _by_level(found: list[Shift]) -> Iterator[tuple[Level, list[Shift]]]:
    large = [shift for shift in found if shift.size >= LARGE]
    small = [shift for shift in found if shift.size < LARGE]
    if large:
        yield "warning", large
    if small:
        yield "note", small


def _compare(column: Column, ours: Array, theirs: Array) -> Iterator[Shift]:
    """Compare a column of two parts."""
    a, b = column.values[ours], column.values[theirs]
    if column.kind == "category":
        ours_by, theirs_by = (shares(codes, len(column.levels)) for codes in (a, b))
        yield _by_counts(column, ours_by, theirs_by)
        return
    gaps_a, gaps_b = np.isnan(a), np.isnan(b)
    if gaps_a.any() or gaps_b.any():
        missing = [np.array([(~gaps).sum(), gaps.sum()]) for gaps in (gaps_a, gaps_b)]
        _, p = chi_square(*missing)
        share_a, share_b = float(gaps_a.mean()), float(gaps_b.mean())
        yield Shift(
            column.name,
            abs(share_a - share_b),
            p,
            f"{column.name} (missing in {share_a:.0%}, here {share_b:.0%})",
        )
    a, b = a[~gaps_a], b[~gaps_b]
    if min(len(a), len(b)) >= ROWS:
        distance, p = kolmogorov_smirnov(a, b)
        middle = f"median {np.median(a):.4g}, here {np.median(b):.4g}"
        yield Shift(column.name, distance, p, f"{column.name} ({middle}; KS {distance:.2f})")


def _by_counts(column: Column, ours: Array, theirs: Array) -> Shift:
    _, p = chi_square(ours, theirs)
    size = stability_index(*_joined(ours, theirs))
    share_a, share_b = ours / ours.sum(), theirs / theirs.sum()
    most = int(np.abs(share_a - share_b).argmax())
    level = column.levels[most] if most < len(column.levels) else "(missing)"
    return Shift(
        column.name,
        size,
        p,
        f"{column.name} ({level!r} {share_a[most]:.0%}, here {share_b[most]:.0%}; PSI {size:.2f})",
    )


def _joined(ours: Array, theirs: Array) -> tuple[Array, Array]:
    """Count values that are rare in both parts together, as they would each seem a shift."""
    rare = ours + theirs < 10
    return np.r_[ours[~rare], ours[rare].sum()], np.r_[theirs[~rare], theirs[rare].sum()]


def _new_levels(material: Material, part: str, rows: Array, train: Array) -> Iterator[Finding]:
    """Find categories that the training has none of."""
    for name, column in material.inputs.items():
        if column.kind != "category":
            continue
        known = np.zeros(len(column.levels) + 1, bool)
        known[column.values[train]] = True
        known[-1] = True
        new = rows[~known[column.values[rows]]]
        if not len(new):
            continue
        levels = [column.levels[code] for code in np.unique(column.values[new]).tolist()]
        yield Finding(
            "warning" if len(new) >= 0.05 * len(rows) else "note",
            f"column '{name}' has {some([repr(level) for level in levels], 4)} in {len(new):,} "
            f"{part} row{'s' if len(new) > 1 else ''} and in no training row",
            "mend the spelling, add such rows to the training, or let "
            "data.categorical.unseen say what they are",
            material.spots(new),
            (name,),
            measured=len(new) / len(rows),
        )


def _answers(material: Material) -> dict[str, Column]:
    if material.is_class:
        return {material.classes.name: material.classes}
    return dict(material.targets)


def _brightness(material: Material) -> dict[str, Column]:
    """Return the mean and the spread of each image, for what images have no columns."""
    images = material.images
    if images is None:
        return {}
    flat = images.reshape(len(images), -1)
    mean, spread = np.empty(len(flat)), np.empty(len(flat))
    for first in range(0, len(flat), 4096):
        block = flat[first : first + 4096].astype(np.float64)
        mean[first : first + 4096] = block.mean(axis=1)
        spread[first : first + 4096] = block.std(axis=1)
    names = ("mean of the image", "spread of the image")
    return {n: Column(n, "number", v) for n, v in zip(names, (mean, spread), strict=True)}
