"""Where classes and labels are right and wrong: matrix, scores, thresholds, calibration.

Legend: N rows, C classes or labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bpnet.nn.arena import Array
from bpnet.report import judging, matrix, scales
from bpnet.report.chart import Chart
from bpnet.report.outcome import Outcome
from bpnet.report.section import Plot, Section, table
from bpnet.report.thinning import spread
from bpnet.report.wording import cut, figure, rows, share
from bpnet.training.metrics.base import true_class
from bpnet.training.metrics.reports import ClassScore, class_scores, confusion_matrix

NAMED = 5
"""Classes whose curves have a colour when there are many: those with the least area."""

FAINT = 40
"""Curves without one."""

LISTED = 20
"""Classes, and confusions, that a table shows at once."""


@dataclass(eq=False)
class Judgement:
    """What was found about answers that are classes or labels.

    Attributes
    ----------
    scores
        By class or label.
    counts
        The confusion matrix ``(C, C)``; None for several labels.
    confusions
        True class, predicted class, rows, and share of the true class, the most frequent first.
    bins
        Of the calibration.
    areas
        Area under the ROC curve by class or label, where it has rows of both sorts.
    curves
        Its ROC curve, and its curve of precision and recall.
    """

    outcome: Outcome
    names: tuple[str, ...]
    scores: list[ClassScore]
    counts: Array | None
    confusions: list[tuple[str, str, float, float]] = field(default_factory=list)
    bins: list[judging.Bin] = field(default_factory=list)
    areas: dict[str, float] = field(default_factory=dict)
    curves: dict[str, tuple[judging.Curve, judging.Curve]] = field(default_factory=dict)

    @property
    def labels(self) -> bool:
        """Whether each row has several labels, yes or no each."""
        return self.counts is None


def judge(outcome: Outcome) -> Judgement:
    """Look at answers that are classes or labels."""
    target, truth, output = outcome.target, outcome.truth, outcome.output
    weight = outcome.dataset.weight
    kind, names = target.kind, target.class_names
    counts = None
    if kind == "class" or target.outputs == 1:
        counts = confusion_matrix(kind, truth, output, weight)
    found = Judgement(outcome, names, class_scores(kind, names, truth, output, weight), counts)
    if counts is not None:
        found.confusions = _confusions(names, counts)
    chances, right = _decisions(outcome)
    repeated = None if weight is None else np.repeat(weight, chances.shape[1])
    found.bins = judging.calibration(chances.ravel(), right.ravel(), repeated)
    belongs, scores = _against_the_rest(outcome)
    for k, name in enumerate(names):
        if kind == "binary" and target.outputs == 1 and k == 0:
            continue  # the curve of no is that of yes, mirrored
        mine, score = belongs[:, k], scores[:, k]
        used = np.ones(len(mine)) if weight is None else weight
        if used[mine].any() and used[~mine].any():
            found.curves[name] = judging.threshold_curves(mine, score, weight)
            found.areas[name] = found.curves[name][0].area
    return found


def _confusions(names: tuple[str, ...], counts: Array) -> list[tuple[str, str, float, float]]:
    wrong = counts.astype(np.float64)
    np.fill_diagonal(wrong, 0)
    total = counts.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[: 4 * LISTED]
    pairs = [divmod(int(i), len(names)) for i in order]
    return [
        (names[i], names[j], float(wrong[i, j]), float(wrong[i, j] / total[i]))
        for i, j in pairs
        if wrong[i, j] > 0
    ]


def _decisions(outcome: Outcome) -> tuple[Array, Array]:
    """Return probabilities and whether it was so: of the answer given, or of yes, ``(N, .)``."""
    output, truth = outcome.output.astype(np.float64), outcome.truth
    if outcome.target.kind == "binary":
        return output, np.asarray(truth > 0.5)
    said = output.argmax(axis=1)
    return output.max(axis=1)[:, None], np.asarray(said == true_class(truth))[:, None]


def _against_the_rest(outcome: Outcome) -> tuple[Array, Array]:
    """Return whether each row belongs to each class or label, and its score, ``(N, C)``."""
    target, truth, output = outcome.target, outcome.truth, outcome.output
    if target.kind == "binary":
        scores = target.probabilities(output)
        yes = np.asarray(truth > 0.5)
        return (yes if target.outputs > 1 else np.hstack((~yes, yes))), scores
    return np.asarray(true_class(truth)[:, None] == np.arange(output.shape[1])), output


def section(found: Judgement) -> Section:
    """Return what is right and wrong."""
    outcome = found.outcome
    made = Section(
        "Where it is right and wrong",
        f"On the {rows(len(outcome))} of the {outcome.part} part, with the weights of "
        f"{outcome.weights}.",
    )
    if found.counts is not None:
        made.plots.append(_matrix(found))
    if found.curves:
        made.plots += [_roc(found), _precision(found)]
    if found.bins:
        made.plots.append(_calibration(found))
    made.tables.append(_by_class(found))
    if len(found.confusions) > 3 and len(found.names) > 5:
        made.tables.append(_pairs(found))
    return made


def _matrix(found: Judgement) -> Plot:
    assert found.counts is not None
    columns = found.outcome.target.columns
    column = columns[0] if len(columns) == 1 else "the classes"
    caption = (
        "A row for each true class, a column for each answer; the stronger its "
        "colour, the larger the share of the row. Blue is right, orange is wrong."
    )
    many = len(found.names)
    if many > matrix.NAMED:
        caption += " With so many classes the numbers are in the table of the confusions below."
    return Plot(
        "confusion_matrix", matrix.draw(found.names, found.counts, column), caption, many > 5
    )


def _chosen(areas: dict[str, float]) -> list[str]:
    """Return the classes whose curves have a colour: all, or of many those with the least area."""
    if len(areas) <= NAMED + 1:
        return list(areas)
    return sorted(areas, key=lambda name: areas[name])[:NAMED]


def _roc(found: Judgement) -> Plot:
    curves = {name: pair[0] for name, pair in found.curves.items()}
    chart = _thresholds(found, curves, "ROC", "false positive rate", "true positive rate")
    chart.aim((0, 0), (1, 1))
    caption = (
        "For every threshold: how many of the rows of a class are found, against how many others "
        "are taken for it. The nearer to the corner at the top left the better; the dashed line "
        "is guessing (area 0.5)."
    )
    return Plot("roc", chart.svg("ROC curves"), caption + _of_many(curves))


def _precision(found: Judgement) -> Plot:
    curves = {name: _steps(pair[1]) for name, pair in found.curves.items()}
    chart = _thresholds(found, curves, "precision and recall", "recall", "precision")
    caption = (
        "For every threshold: how many of a class's rows are found (recall), and how many of those "
        "found are of the class (precision). The nearer to the corner at the top right the "
        "better; for rare classes this tells more than ROC. AP is the average precision."
    )
    return Plot("precision_recall", chart.svg("Precision and recall"), caption + _of_many(curves))


def _of_many(curves: dict[str, judging.Curve]) -> str:
    if len(_chosen({name: c.area for name, c in curves.items()})) == len(curves):
        return ""
    return f" In colour: the {NAMED} classes with the least area."


def _thresholds(
    found: Judgement, curves: dict[str, judging.Curve], title: str, x_name: str, y_name: str
) -> Chart:
    areas = {name: curve.area for name, curve in curves.items()}
    chosen = _chosen(areas)
    word = "AUC" if title == "ROC" else "AP"
    keys = [(i, f"{cut(name, 18)} ({word} {areas[name]:.3f})") for i, name in enumerate(chosen)]
    unit = scales.Scale(0.0, 1.0)
    chart = Chart(
        title, unit, unit, x_name=x_name, y_name=y_name, keys=keys, height=300, square=True
    )
    others = [name for name in curves if name not in chosen]
    for i in spread(len(others), FAINT):
        chart.line(_points(curves[others[i]], 60), 7, "faint")
    for i, name in reversed(list(enumerate(chosen))):
        chart.line(_points(curves[name], 250), i)
    return chart


def _steps(curve: judging.Curve) -> judging.Curve:
    """Return a curve in steps, below which lies its area; slanting lines would promise more.

    From one recall to the next the precision is that of the next.
    """
    return judging.Curve(np.repeat(curve.x, 2)[:-1], np.repeat(curve.y, 2)[1:], curve.area)


def _points(curve: judging.Curve, most: int) -> list[tuple[float, float]]:
    """Return the points of a curve; of many those at even distances along it."""
    x, y = curve.x, curve.y
    if len(x) > most:
        along = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
        wanted = np.searchsorted(along, np.linspace(0, along[-1], most))
        keep = np.unique(np.append(np.minimum(wanted, len(x) - 1), (0, len(x) - 1)))
        x, y = x[keep], y[keep]
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _calibration(found: Judgement) -> Plot:
    unit = scales.Scale(0.0, 1.0)
    binary = found.outcome.target.kind == "binary"
    said = "probability of yes" if binary else "probability of the answer"
    was = "how often it was yes" if binary else "how often it was right"
    chart = Chart("calibration", unit, unit, x_name=said, y_name=was, height=300, square=True)
    total = sum(b.count for b in found.bins)
    for b in found.bins:
        told = f"{b.low:.1f} to {b.high:.1f}: {figure(round(b.count, 1))} of {figure(total)}"
        chart.bar(b.low, b.high, 0.25 * b.count / max(c.count for c in found.bins), told, 7, 0.35)
    chart.aim((0, 0), (1, 1))
    chart.line([(b.said, b.right) for b in found.bins], 0)
    for b in found.bins:
        chart.whisker(b.said, *judging.interval(b.right, b.count), color=0)
        told = f"said {share(b.said)}, was {share(b.right)} ({figure(round(b.count, 1))} answers)"
        chart.dot(b.said, b.right, told, 0)
    error = judging.calibration_error(found.bins)
    caption = (
        "Whether its probabilities can be taken at their word: points on the dashed line are "
        "right as often as they say, below it the network is too sure, above it not sure enough. "
        "Upright lines are 95 % intervals; grey bars show where the answers lie. The mean gap "
        f"(expected calibration error) is {figure(error)}."
    )
    return Plot("calibration", chart.svg("Calibration"), caption)


def _by_class(found: Judgement) -> str:
    ordered = sorted(found.scores, key=lambda s: (math.isnan(s.f1), s.f1))
    shown = ordered[:LISTED]
    word = "label" if found.labels else "class"
    body = [
        [
            cut(s.name, 40),
            figure(s.precision),
            figure(s.recall),
            figure(s.f1),
            figure(found.areas.get(s.name, math.nan)),
            figure(int(s.rows) if s.rows == int(s.rows) else s.rows),
        ]
        for s in shown
    ]
    caption = f"By {word}, the weakest first"
    if len(ordered) > len(shown):
        caption += f" ({len(shown)} of {len(ordered)})"
    return table([word, "precision", "recall", "f1", "ROC AUC", "rows"], body, caption=caption)


def _pairs(found: Judgement) -> str:
    body = [
        [cut(true, 40), cut(said, 40), figure(int(n) if n == int(n) else n), share(part)]
        for true, said, n, part in found.confusions[:LISTED]
    ]
    header = ["true", "taken for", "rows", "of the true class"]
    return table(header, body, caption="The most frequent confusions", left=(1,))
