"""Rows that are there more than once: copies, contradictions, and rows shared between parts.

Equal rows are no mistake where a table has few columns with few values: as many are expected by
chance. What is expected is estimated within each class, as if the columns were independent there:
the sum over classes of C(n, 2) times the product over columns of the probability that two rows
match. Ten times as many count as chance, as columns hang together within a class, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from bpnet.data.table import Column
from bpnet.insight.data_check.finding import Finding, Level, percent
from bpnet.insight.data_check.keys import groups, row_keys
from bpnet.insight.data_check.material import Material
from bpnet.insight.data_check.statistics import bins, match_rate
from bpnet.nn.arena import Array

CHANCE = 10.0
"""So many times the expected number of equal pairs is still chance."""

GRAVE = 0.05
"""From this share of a part's rows on, those it has in common with training make an error."""

SCATTER = 0.05
"""From this share of the target's variance on, contradictions of numbers make a warning."""

_PROBED = 100_000
_DETAILS = 5


def duplicates(material: Material) -> Iterator[Finding]:
    """Find rows of a file that equal an earlier row of it, in all inputs and the target."""
    told = material.told
    rows, group = groups(_keys(material, with_target=True, with_source=True)[told])
    if not len(rows):
        return
    rows = told[rows]
    copies = np.sort(rows[np.r_[False, group[1:] == group[:-1]]])
    sizes = np.bincount(group)
    pairs = float((sizes * (sizes - 1.0) / 2).sum())
    expected = _expected_pairs(material, with_target=True)
    level: Level = "note" if pairs <= CHANCE * expected else "warning"
    by_chance = " (about as many as chance makes)" if level == "note" else ""
    plural = (
        "rows are exact copies of earlier ones"
        if len(copies) > 1
        else ("row is an exact copy of an earlier one")
    )
    yield Finding(
        level,
        f"{len(copies):,} {plural}, {percent(len(copies), len(material))} of all{by_chance}",
        "remove the copies, unless they are cases of their own that happen to be alike; a copy "
        "counts twice in the training, and one in val or test makes the score too good",
        material.spots(copies),
        measured=float(len(copies)),
        details=_pairs_of_rows(material, rows, group),
    )


def conflicts(material: Material) -> Iterator[Finding]:
    """Find rows with equal inputs and different targets."""
    told = material.told
    rows, group = groups(_keys(material, with_target=False)[told])
    if not len(rows):
        return
    rows = told[rows]
    if material.config.loss.target == "number":
        yield from _scatter(material, rows, group)
        return
    answers = row_keys(_targets(material), None, len(material))[rows]
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    differs = answers != answers[starts][group]
    torn = np.zeros(len(starts), bool)
    torn[group[differs]] = True
    chosen = torn[group]
    if not chosen.any():
        return
    rows, group = rows[chosen], group[chosen]
    count = int(torn.sum())
    pairs = float(sum(_unequal_pairs(answers[chosen], group)))
    expected = _expected_pairs(material, with_target=False)
    level: Level = "note" if pairs <= CHANCE * expected else "warning"
    by_chance = " (about as many as chance makes)" if level == "note" else ""
    yield Finding(
        level,
        f"{len(rows):,} rows in {count:,} group{'s' if count > 1 else ''} have equal inputs but "
        f"different answers{by_chance}",
        "decide which answer is right, or add the column that tells these rows apart; no network "
        "can get all of them right",
        material.spots(np.sort(rows)),
        measured=float(len(rows)),
        details=_pairs_of_rows(material, rows, group, answers=True),
    )


def _scatter(material: Material, rows: Array, group: Array) -> Iterator[Finding]:
    """Find equal inputs with different numbers to predict."""
    lost, torn = 0.0, np.zeros(int(group[-1]) + 1, bool)
    for target in material.targets.values():
        values = target.values[rows].astype(np.float64)
        counts = np.bincount(group)
        means = np.bincount(group, values) / counts
        off = values - means[group]
        spread = target.values[material.used].astype(np.float64)
        total = float(((spread - spread.mean()) ** 2).sum())
        if total > 0:
            lost = max(lost, float((off**2).sum()) / total)
        size = np.abs(values).max() if len(values) else 0.0
        torn[group[np.abs(off) > 1e-9 * size]] = True
    chosen = torn[group]
    if not chosen.any():
        return
    rows, group = rows[chosen], group[chosen]
    count = int(torn.sum())
    yield Finding(
        "warning" if lost >= SCATTER else "note",
        f"{len(rows):,} rows in {count:,} group{'s' if count > 1 else ''} have equal inputs but "
        f"different answers; no network can get an R² above {1 - lost:.4f} on all rows",
        "if they are measurements made several times, all is well; else mend the answers, or add "
        "the column that tells these rows apart",
        material.spots(np.sort(rows)),
        measured=lost,
        threshold=SCATTER,
        details=_pairs_of_rows(material, rows, group, answers=True),
    )


def overlap(material: Material) -> Iterator[Finding]:
    """Find rows that are in two parts."""
    inputs = _keys(material, with_target=False)
    whole = _keys(material, with_target=True)
    for here, there in (("val", "train"), ("test", "train"), ("test", "val")):
        mine, others = (np.intersect1d(material.rows_of(p), material.told) for p in (here, there))
        if not len(mine) or not len(others):
            continue
        shared = mine[np.isin(whole[mine], whole[others])]
        alike = int(np.isin(inputs[mine], inputs[others]).sum()) - len(shared)
        if not len(shared):
            continue
        chance = 2 * len(mine) * len(others) / len(material) ** 2
        expected = chance * _expected_pairs(material, with_target=True)
        share = len(shared) / len(mine)
        level: Level = "error" if share >= GRAVE else "warning"
        if len(shared) <= CHANCE * expected:
            level = "note"
        name = "training" if there == "train" else there
        partner = {
            key: row for row, key in zip(others.tolist(), whole[others].tolist(), strict=True)
        }
        by_chance = ", about as many as chance makes" if level == "note" else ""
        more = f" ({alike:,} more have the inputs of one, with another answer)" if alike else ""
        yield Finding(
            level,
            f"{len(shared):,} of {len(mine):,} {here} rows ({percent(len(shared), len(mine))}) "
            f"are {name} rows, too{by_chance}{more}",
            f"remove them from one of the two; what the network has "
            f"{'seen' if there == 'train' else 'been chosen by'}, it needs only remember",
            material.spots(shared),
            measured=share,
            threshold=GRAVE,
            details=tuple(
                f"{material.place(row)} = {material.place(partner[int(whole[row])])}"
                for row in shared[:_DETAILS].tolist()
            ),
        )


def _targets(material: Material) -> list[Column]:
    if material.is_class:
        return [material.classes]
    return list(material.targets.values())


def _keys(material: Material, *, with_target: bool, with_source: bool = False) -> Array:
    start = None
    if with_source and len(material.sources) > 1:
        start = material.source_of.astype(np.uint64)
    columns: Iterable[Column] = material.compared
    if with_target:
        columns = [*columns, *_targets(material)]
    return row_keys(columns, material.images, len(material), start)


def _expected_pairs(material: Material, *, with_target: bool) -> float:
    """Return how many pairs of equal rows chance makes: of one class, or of two classes."""
    if material.images is not None:
        return 0.0
    rows = material.used
    if len(rows) > _PROBED:
        rows = np.sort(
            np.random.Generator(np.random.PCG64(material.config.seed)).choice(
                rows, _PROBED, replace=False
            )
        )
    scale = (len(material.used) / len(rows)) ** 2
    inputs = material.compared
    if not with_target:
        return scale * len(rows) ** 2 / 2 * _match(inputs, rows)
    target = next(iter(material.targets.values()))
    values = target.values[rows]
    classes = values if target.kind == "category" else bins(values.astype(np.float64), 10)
    pairs = 0.0
    extra = [] if material.config.loss.target != "number" else list(material.targets.values())
    for each in np.unique(classes):
        own = rows[classes == each]
        if len(own) > 1:
            pairs += len(own) * (len(own) - 1) / 2 * _match([*inputs, *extra], own)
    return scale * pairs


def _match(columns: list[Column], rows: Array) -> float:
    """Return the probability that two of the rows are equal, were the columns independent."""
    probability = 1.0
    for column in columns:
        probability *= 0.0 if column.is_text else match_rate(column.values[rows])
        if not probability:
            break
    return probability


def _unequal_pairs(answers: Array, group: Array) -> Iterator[float]:
    for start, stop in _runs(group):
        _, counts = np.unique(answers[start:stop], return_counts=True)
        count = stop - start
        yield (count * count - float((counts**2).sum())) / 2


def _runs(group: Array) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.r_[True, group[1:] != group[:-1], True])
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def _pairs_of_rows(
    material: Material, rows: Array, group: Array, *, answers: bool = False
) -> tuple[str, ...]:
    """Say of the first groups which rows are in them, and their answers."""
    runs = sorted(_runs(group), key=lambda run: int(rows[run[0]]))[:_DETAILS]
    said = []
    for start, stop in runs:
        shown = rows[start : min(stop, start + _DETAILS)]
        if answers:
            texts = [f"{material.place(row)} ({_answer(material, row)})" for row in shown.tolist()]
        else:
            texts = [material.place(row) for row in shown.tolist()]
        more = f" and {stop - start - len(shown)} more" if stop - start > len(shown) else ""
        said.append((" / " if answers else " = ").join(texts) + more)
    return tuple(said)


def _answer(material: Material, row: int) -> str:
    cells = [target.take(np.array([row])).texts()[0] for target in material.targets.values()]
    return ", ".join("nothing" if cell is None else cell for cell in cells[:5])
