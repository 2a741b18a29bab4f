"""Columns that give the answer away.

For each column, by itself, half of the rows tell the other half, and the other way round: a row's
answer is the commonest class, or the mean of the target, among rows with the same value, or, of
numbers with more than 64 different ones, among the 3 nearest. A missing cell is a value of its own.
How far that gets from always saying the commonest class (or the mean) to no error at all is the
column's power: 0 to 1 (Goodman and Kruskal's lambda, 1954, or R², on rows not learned from). Of
numbers with numbers the square of the rank correlation counts if it is more. Few honest columns
come near 1 by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bpnet.data.table import Column
from bpnet.insight.data_check.finding import Finding, Level
from bpnet.insight.data_check.material import Material
from bpnet.insight.data_check.statistics import correlation, ranks
from bpnet.nn.arena import Array
from bpnet.streams import stream

SURE = 0.99
"""A power from which on a column is the answer in other words: an error."""

LIKELY = 0.98
"""A power from which on it may be: a warning."""

STRONG = 0.95
"""A power from which on a column is worth a note: lags of a smooth series get there, honestly."""

DIFFERENT = 64
"""Up to so many different numbers each is taken for itself."""

NEAREST = 3
ROWS = 20
"""Rows it takes."""

SAMPLED = 200_000
PIXELS = 4096
"""Numbers of an image up to which each is looked at."""


def leaks(material: Material) -> Iterator[Finding]:
    """Find columns that tell the target nearly by themselves."""
    rows = material.used
    if len(rows) < ROWS:
        material.skipped["leaks"] = f"there are fewer than {ROWS} rows"
        return
    rows = material.sample(rows, SAMPLED, "leaks")
    half = stream(material.config.seed, "data check halves").permutation(len(rows)) % 2 == 0
    for target in material.targets.values():
        is_class = material.config.loss.target != "number"
        if is_class and not material.is_class and material.config.loss.target == "class":
            continue  # probabilities
        answer = target.as_category() if is_class else target
        for name, column in _columns(material, rows):
            strength = power(column, answer.take(rows), half)
            if strength >= STRONG:
                yield _finding(material, name, target.name, strength, is_class)


def _finding(
    material: Material, name: str, target: str, strength: float, is_class: bool
) -> Finding:
    level: Level = "error" if strength >= SURE else "warning" if strength >= LIKELY else "note"
    if material.width == 1:
        level = "note"  # whatever can be learned is learned from it
    what = "of the way from guessing to certainty" if is_class else "of its variance (R²)"
    remedy = (
        f"data.exclude: [{name}] if it is known only with the answer, or made from it; if it is "
        "known before, all is well"
    )
    if material.images is not None:
        remedy = "see what these numbers hold; a mark in the images may give their class away"
    return Finding(
        level,
        f"'{name}' alone tells '{target}': {strength:.1%} {what}",
        remedy,
        columns=(name,),
        measured=strength,
        threshold=LIKELY,
    )


def _columns(material: Material, rows: Array) -> Iterator[tuple[str, Column]]:
    """Yield the columns, and the numbers of images."""
    for name, column in material.inputs.items():
        yield name, column.take(rows)
    if material.images is None or material.images[0].size > PIXELS:
        return
    shape = material.images.shape[1:]
    flat = material.images[rows].reshape(len(rows), -1)
    for i in range(flat.shape[1]):
        place = ", ".join(str(int(k)) for k in np.unravel_index(i, shape))
        yield f"[{place}]", Column(f"[{place}]", "number", flat[:, i].astype(np.float64))


def power(column: Column, target: Column, half: Array) -> float:
    """Return how well one column tells the target by itself, at most 1.

    Parameters
    ----------
    column
        The column, ``(N,)``.
    target
        Categories or numbers, ``(N,)``.
    half
        Which rows are one half, bool ``(N,)``.
    """
    if column.kind == "category":
        return _power_of_values(
            np.where(column.values < 0, len(column.levels), column.values), target, half
        )
    different, codes = np.unique(column.values, return_inverse=True)  # NaN is last
    if len(different) <= DIFFERENT:
        return _power_of_values(codes, target, half)
    strength = _power(
        target, half, lambda learned, tried: _by_nearest(column.values, target, learned, tried)
    )
    if target.kind == "number":
        there = ~np.isnan(column.values)
        if there.mean() > 0.9:
            related = correlation(ranks(column.values[there]), ranks(target.values[there]))
            strength = max(strength, related**2)
    return strength


def _power_of_values(codes: Array, target: Column, half: Array) -> float:
    return _power(target, half, lambda learned, tried: _by_value(codes, target, learned, tried))


def _power(target: Column, half: Array, told: Callable[[Array, Array], Array]) -> float:
    """Return the power of answers that `told` gives for rows, from rows to learn from."""
    error = total = 0.0
    rows = np.flatnonzero(half), np.flatnonzero(~half)
    for learned, tried in (rows, rows[::-1]):
        said, truth = told(learned, tried), target.values[tried]
        if target.kind == "category":
            usual = np.bincount(target.values[learned]).argmax()
            error += float((said != truth).sum())
            total += float((truth != usual).sum())
        else:
            error += float(((said - truth) ** 2).sum())
            total += float(((truth - target.values[learned].mean()) ** 2).sum())
    return max(0.0, 1 - error / total) if total > 0 else 0.0


def _by_value(codes: Array, target: Column, learned: Array, tried: Array) -> Array:
    """Answer by the rows with the same value; where there are none, with what is usual."""
    width, values = int(codes.max()) + 1, target.values[learned]
    if target.kind == "category":
        count = int(target.values.max()) + 1
        table = np.bincount(codes[learned] * count + values, minlength=width * count)
        table = table.reshape(width, count)
        usual = table.sum(axis=0).argmax()
        answers = np.where(table.sum(axis=1) > 0, table.argmax(axis=1), usual)
    else:
        counts = np.bincount(codes[learned], minlength=width)
        sums = np.bincount(codes[learned], values, minlength=width)
        answers = np.where(counts > 0, sums / np.maximum(counts, 1), values.mean())
    said: Array = answers[codes[tried]]
    return said


def _by_nearest(column: Array, target: Column, learned: Array, tried: Array) -> Array:
    """Answer by the rows with the nearest numbers; missing cells by the other missing ones."""
    said = np.empty(len(tried), target.values.dtype if target.kind == "category" else np.float64)
    gaps = np.isnan(column)
    for is_gap in (False, True):
        asked = np.flatnonzero(gaps[tried] == is_gap)
        known = learned[gaps[learned] == is_gap]
        if is_gap or not len(known):
            said[asked] = _usual(target, known if len(known) else learned)
        else:
            said[asked] = _of_neighbours(column, target, known, tried[asked])
    return said


def _usual(target: Column, rows: Array) -> float:
    """Return the commonest class of some rows, or their mean."""
    values = target.values[rows]
    return float(np.bincount(values).argmax() if target.kind == "category" else values.mean())


def _of_neighbours(column: Array, target: Column, learned: Array, tried: Array) -> Array:
    """Answer each row by the `NEAREST` learned ones; no cell is missing."""
    order = learned[np.argsort(column[learned], kind="stable")]
    around = min(2 * NEAREST, len(order))
    start = np.searchsorted(column[order], column[tried]) - around // 2
    places = np.clip(start, 0, len(order) - around)[:, None] + np.arange(around)
    distance = np.abs(column[order][places] - column[tried][:, None])
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :NEAREST]
    answers = target.values[order][np.take_along_axis(places, nearest, axis=1)]
    if target.kind == "number":
        mean: Array = answers.mean(axis=1)
        return mean
    votes = (answers[:, :, None] == answers[:, None, :]).sum(axis=2)
    said: Array = answers[np.arange(len(answers)), votes.argmax(axis=1)]
    return said
