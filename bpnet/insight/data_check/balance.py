"""How often each class is there, in the training and in the other parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpnet.insight.data_check.finding import Finding, Level, percent, some
from bpnet.insight.data_check.material import Material

RATIO = 9.0
"""From here on (a tenth of two classes) always saying the largest class seems good."""

SLIGHT = 4.0
"""From here on imbalance is worth a note."""

FEW = 10
"""Fewer training rows of a class teach little."""


def imbalance(material: Material) -> Iterator[Finding]:
    """Find rare classes, and classes that a part lacks."""
    if material.config.loss.target == "number":
        return
    weighs = getattr(material.config.loss, "class_weight", None)
    for name, target in material.targets.items():
        if not material.is_class and material.config.loss.target == "class":
            return  # probabilities, not classes
        column = target.as_category()
        rows = material.rows_of("train")
        codes = column.values[rows]
        counts = np.bincount(codes[codes >= 0], minlength=len(column.levels))
        present = np.flatnonzero(counts)
        if len(present) < 2:
            only = column.levels[present[0]] if len(present) else "nothing"
            yield Finding(
                "error",
                f"target '{name}' is {only!r} in all {len(rows):,} training rows",
                "give it rows of another class",
                columns=(name,),
            )
            continue
        order = present[np.argsort(-counts[present], kind="stable")]
        most, least = int(counts[order[0]]), int(counts[order[-1]])
        said = [f"{column.levels[c]} {counts[c]:,}" for c in order.tolist()]
        shown = some(said) if len(said) <= 6 else f"{', '.join(said[:2])}, ..., {said[-1]}"
        if most >= SLIGHT * least:
            level: Level = "warning" if most >= RATIO * least and not weighs else "note"
            alone = percent(most, counts.sum())
            yield Finding(
                level,
                f"the classes of '{name}' are unevenly frequent, {most / least:.1f} to 1 "
                f"({shown}); always saying {column.levels[order[0]]!r} has an accuracy of {alone}",
                "the loss weighs them already (class_weight); watch f1 rather than accuracy"
                if weighs
                else f"loss: {{type: {material.config.loss.type}, class_weight: balanced}}, and "
                "metrics: [f1] rather than accuracy",
                columns=(name,),
                measured=most / least,
                threshold=RATIO,
            )
        few = [column.levels[c] for c in order.tolist() if counts[c] < FEW]
        if few and len(rows) >= 2 * FEW:
            rare = np.flatnonzero(np.isin(column.values, np.flatnonzero(counts < FEW)))
            yield Finding(
                "warning",
                f"{len(few)} class{'es' if len(few) > 1 else ''} of '{name}' "
                f"{'have' if len(few) > 1 else 'has'} fewer than {FEW} training rows: {some(few)}",
                "collect more of them, or join them with another class",
                material.spots(rare[material.part[rare] >= 0]),
                (name,),
                measured=float(least),
                threshold=float(FEW),
            )
        for part in material.parts[1:]:
            yield from _lacking(material, name, part, present.tolist())


def _lacking(material: Material, name: str, part: str, present: list[int]) -> Iterator[Finding]:
    """Find classes of the training that a part has no row of, and those that only it has."""
    column = material.targets[name].as_category()
    codes = set(column.values[material.rows_of(part)].tolist()) - {-1}
    lacking = [column.levels[code] for code in present if code not in codes]
    if lacking:
        yield Finding(
            "warning",
            f"{part} has no row of {len(lacking)} of the {len(present)} classes of '{name}': "
            f"{some(lacking)}",
            "its metrics say nothing of them; give it more rows, or data.stratify: true",
            columns=(name,),
        )
