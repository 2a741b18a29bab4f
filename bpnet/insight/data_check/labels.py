"""Answers that look wrong, as networks that have not seen them say something else with confidence.

Confident learning (Northcutt, Jiang & Chuang, 2021, arXiv:1911.00068): the threshold of a class is
the mean probability that rows labelled with it get for it, out of fold. A row that reaches nine
tenths of the threshold of another class, and of none more probable, is suspect. Where classes
overlap that alone would doubt a tenth of all honest rows, so two things more are asked: the other
class must be more probable by 0.7, and it must win in every one of three divisions into folds, each
with networks of their own. Numbers have a rule of their own: see `amounts`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpnet.data.features import fit_features
from bpnet.data.preprocessing import CategoricalOptions, ClipOutliers, NumericOptions
from bpnet.data.table import Tensor
from bpnet.insight.data_check.amounts import TELLING, doubtful_amounts
from bpnet.insight.data_check.finding import Finding, percent
from bpnet.insight.data_check.folds import FOLDS, REPEATS, out_of_fold
from bpnet.insight.data_check.material import Material, as_table
from bpnet.nn.arena import Array

NEAR = 0.9
"""The part of a class's threshold that a row of another label must reach."""

MARGIN = 0.7
"""How much more probable the other class must be. With 5 % of the labels changed, over five draws,
it found 78 % of them on iris, 85 % on digits and 94 % on penguins; of the rows it named 89, 97 and
100 % were such. (With 0, a tenth of all rows is named where classes overlap.)"""

TEMPERATURES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)

ROWS = 50
"""Rows it takes."""

SAMPLED = 20_000
CLEAR = 0.4
"""Where suspects are at least this share of all that the networks get wrong, there is little else
that is hard, so the labels are the likelier cause: a warning, else a note."""

MANY = 0.01
"""The share of suspects from which they make a warning."""

CLIP = ClipOutliers(method="iqr", threshold=5.0)
"""How far from the others an input may lie; beyond it is moved to the bound."""

LEVELS = 255
_DETAILS = 8


def labels(material: Material) -> Iterator[Finding]:
    """Find answers that out-of-fold predictions contradict."""
    numbers = material.config.loss.target == "number"
    if not numbers and not material.is_class:
        material.skipped["labels"] = "there are several targets"
        return
    rows = material.sample(material.told, SAMPLED, "labels")
    if len(rows) < ROWS:
        material.skipped["labels"] = f"there are fewer than {ROWS} rows"
        return
    x = _inputs(material, rows)
    if x is None:
        material.skipped["labels"] = "no input column can be used"
    elif numbers:
        yield from doubtful_amounts(material, rows, x, _usual(material, rows))
    else:
        yield from _classes(material, rows, x)


def _inputs(material: Material, rows: Array) -> Array | None:
    """Return the inputs of some rows, prepared robustly whatever the config says."""
    if material.images is not None:
        tensor = Tensor(material.images[rows], {}, "the rows")
        features = fit_features(tensor, [], np.arange(len(rows)))
        return features.transform(tensor).x
    chosen = {}
    for name, column in material.inputs.items():
        different = np.unique(column.values[rows][~column.missing[rows]])
        if len(different) > 1 and (column.kind == "number" or len(different) <= LEVELS):
            chosen[name] = column
    if not chosen:
        return None
    table = as_table(chosen, rows)
    features = fit_features(
        table,
        list(chosen),
        np.arange(len(rows)),
        numeric=NumericOptions(outliers=CLIP),
        categorical=CategoricalOptions(max_levels=LEVELS),
    )
    return features.transform(table).x


def _usual(material: Material, rows: Array) -> Array:
    """Say of each row whether all of its numbers are within what networks are shown of them."""
    usual = np.ones(len(rows), bool)
    for column in material.inputs.values():
        if column.kind != "number":
            continue
        values = column.values[rows]
        there = ~np.isnan(values)
        if there.any():
            low, high = CLIP.bounds(values[there][None])
            usual &= ~there | ((values >= low) & (values <= high))
    return usual


def _classes(material: Material, rows: Array, x: Array) -> Iterator[Finding]:
    column = material.classes
    present, given = np.unique(column.values[rows], return_inverse=True)
    names = [column.levels[code] for code in present.tolist()]
    counts = np.bincount(given)
    if (counts < FOLDS).any():
        keep = (counts >= FOLDS)[given]
        rows, x = rows[keep], x[keep]
        present, given = np.unique(column.values[rows], return_inverse=True)
        names = [column.levels[code] for code in present.tolist()]
    if len(names) < 2 or len(rows) < ROWS:
        material.skipped["labels"] = f"fewer than two classes have {FOLDS} rows"
        return
    said = out_of_fold(x, given.astype(np.int64), len(names), material.config.seed, REPEATS)
    if said is None:
        material.skipped["labels"] = "the networks that were to judge them diverged"
        return
    said = calibrated(said, given)
    chances = said.mean(axis=0)
    wrong = int((chances.argmax(axis=1) != given).sum())
    guessed = len(given) - int(np.bincount(given).max())
    told = 1 - wrong / guessed
    if told < TELLING:
        accuracy = 1 - wrong / len(given)
        material.skipped["labels"] = (
            f"the inputs tell too little of '{column.name}' to doubt it: small networks get "
            f"{accuracy:.0%} right, guessing {1 - guessed / len(given):.0%}"
        )
        return
    suspect, better = suspects(said, given)
    if not len(suspect):
        return
    share = len(suspect) / len(rows)
    clear = share >= MANY and len(suspect) >= CLEAR * wrong
    chosen = rows[suspect]
    plural = "s" if len(suspect) > 1 else ""
    unsure = "" if clear else ", or may only be hard"
    yield Finding(
        "warning" if clear else "note",
        f"{len(suspect):,} row{plural} ({percent(len(suspect), len(rows))}) may have the wrong "
        f"'{column.name}'{unsure}: networks that did not learn from them are sure of another one",
        "look at these rows, the most doubtful first; mend the labels that are wrong",
        material.spots(chosen),
        (column.name,),
        measured=share,
        threshold=MANY,
        details=tuple(
            f"{material.place(int(rows[i]))}: {names[given[i]]}, looks like {names[j]} "
            f"({chances[i, j]:.0%})"
            for i, j in list(zip(suspect.tolist(), better.tolist(), strict=True))[:_DETAILS]
        ),
    )


def calibrated(said: Array, given: Array) -> Array:
    """Return probabilities that are as sure as they may be: softened by one temperature for all.

    Networks that learn few rows by heart are too sure of others. The temperature T of p^(1/T) is
    the one of `TEMPERATURES` with the least log loss out of fold (Guo et al., 2017,
    arXiv:1706.04599); it is never below 1.
    """
    logs = np.log(np.maximum(said, 1e-12))
    rows = np.arange(len(given))
    best, least = said, np.inf
    for temperature in TEMPERATURES:
        soft = np.exp((logs - logs.max(axis=2, keepdims=True)) / temperature)
        soft /= soft.sum(axis=2, keepdims=True)
        loss = float(-np.log(np.maximum(soft.mean(axis=0)[rows, given], 1e-12)).mean())
        if loss < least:
            best, least = soft, loss
    return best


def suspects(said: Array, given: Array) -> tuple[Array, Array]:
    """Return which rows have a doubtful label, the most doubtful first, and the likelier class.

    Parameters
    ----------
    said
        Out-of-fold probabilities ``(R, N, K)``.
    given
        The labels ``(N,)``; every class has rows.
    """
    chances = said.mean(axis=0)
    own = chances[np.arange(len(given)), given]
    count = chances.shape[1]
    threshold = np.bincount(given, own, count) / np.bincount(given, minlength=count)
    reached = np.where(chances >= NEAR * threshold, chances, -1.0)
    better = reached.argmax(axis=1)
    doubtful = (reached.max(axis=1) > 0) & (better != given)
    doubtful &= (said.argmax(axis=2) == better).all(axis=0)
    rows = np.flatnonzero(doubtful)
    margin = chances[rows, better[rows]] - own[rows]
    rows, margin = rows[margin >= MARGIN], margin[margin >= MARGIN]
    rows = rows[np.argsort(-margin, kind="stable")]
    return rows, better[rows]
