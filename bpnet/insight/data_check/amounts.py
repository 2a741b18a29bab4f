"""Numbers to predict that look wrong, as networks that have not seen them expect other ones.

A row is suspect where the networks' error stands apart from all others, by the rule of `outliers`.
Honest rows get there, too, where networks only guess: where an input is far from all others, and
at the ends, where they say too little of what is most. So three things more are asked: that all
inputs are usual ones; that the error does not lead farther outward from an end of what the
networks expect of all rows; and that of amounts, nearly all positive, the ratio stands apart, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpnet.data.table import Column, number_text
from bpnet.insight.data_check.finding import Finding, Level
from bpnet.insight.data_check.folds import REPEATS, out_of_fold
from bpnet.insight.data_check.material import Material
from bpnet.insight.data_check.outliers import CLEARLY, FAR, POSITIVE, reach, standing_apart
from bpnet.insight.data_check.statistics import GAUSSIAN
from bpnet.nn.arena import Array

TELLING = 0.5
"""How far networks must get from guessing to certainty before they may doubt an answer."""

END = 0.1
"""Share of the rows at either end of what is expected."""

_DETAILS = 8


def doubtful_amounts(material: Material, rows: Array, x: Array, usual: Array) -> Iterator[Finding]:
    """Find numbers that out-of-fold predictions contradict.

    Parameters
    ----------
    material
        The data.
    rows
        The rows to judge, ``(N,)``.
    x
        Their inputs as networks get them, ``(N, ...)``.
    usual
        Which of them may be judged, bool ``(N,)``.
    """
    columns = list(material.targets.values())
    values = np.stack([column.values[rows].astype(np.float64) for column in columns], axis=1)
    middle = np.median(values, axis=0)
    spread = GAUSSIAN * np.median(np.abs(values - middle), axis=0)
    spread = np.where(spread > 0, spread, values.std(axis=0))
    if not (spread > 0).all():
        material.skipped["labels"] = "a target is constant"
        return
    scaled = np.clip((values - middle) / spread, -1e3, 1e3).astype(np.float32)
    said = out_of_fold(x, scaled, len(columns), material.config.seed, REPEATS)
    if said is None:
        material.skipped["labels"] = "the networks that were to judge them diverged"
        return
    expected = np.median(said, axis=0)
    for k, column in enumerate(columns):
        off = scaled[:, k] - expected[:, k]
        before = float(np.median(np.abs(scaled[:, k] - np.median(scaled[:, k]))))
        if np.median(np.abs(off)) > (1 - TELLING) * before:
            material.skipped["labels"] = (
                f"the inputs tell too little of '{column.name}' to doubt it"
            )
            continue
        there = expected[:, k] * spread[k] + middle[k]
        suspect, distance = _suspects(values[:, k], there, usual)
        if not len(suspect):
            continue
        inside = np.delete(off, suspect).astype(np.float64)
        clear = distance.min() >= CLEARLY * max(FAR, reach(inside, off))
        level: Level = "warning" if clear else "note"
        plural = "s" if len(suspect) > 1 else ""
        unsure = "" if clear else ", or may only be hard"
        yield Finding(
            level,
            f"{len(suspect):,} row{plural} may have the wrong '{column.name}'{unsure}: it is far "
            "from what networks expect that did not learn from them",
            "look at these rows, the most doubtful first; mend the numbers that are wrong",
            material.spots(rows[suspect]),
            (column.name,),
            measured=float(distance.max()),
            details=tuple(
                f"{material.place(int(rows[i]))}: {number_text(float(values[i, k]))}, looks like "
                f"{there[i]:.4g}"
                for i in suspect[:_DETAILS].tolist()
            ),
        )


def _suspects(values: Array, expected: Array, usual: Array) -> tuple[Array, Array]:
    """Return which numbers are doubtful, the most doubtful first, and how far their errors are."""
    found, distance = _apart(values - expected)
    if (values > 0).mean() >= POSITIVE:
        least = float(values[values > 0].min())
        ratio = np.log(np.maximum(values, least)) - np.log(np.maximum(expected, least))
        also, _ = _apart(ratio)
        keep = np.isin(found, also) | (values[found] <= 0)
        found, distance = found[keep], distance[keep]
    low, high = np.quantile(expected, (END, 1 - END))
    outward = ((expected >= high) & (values > expected)) | ((expected <= low) & (values < expected))
    keep = usual[found] & ~outward[found]
    return found[keep], distance[keep]


def _apart(errors: Array) -> tuple[Array, Array]:
    column = Column("error", "number", errors.astype(np.float64))
    found, _, distance = standing_apart(column, np.arange(len(errors)))
    return found, distance
