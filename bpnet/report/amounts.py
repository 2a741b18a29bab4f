"""How far predicted numbers are off: against the truth, and how the errors are spread.

Legend: N rows, K targets.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bpnet.nn.arena import Array
from bpnet.report import scales
from bpnet.report.chart import Chart
from bpnet.report.outcome import Outcome
from bpnet.report.section import Plot, Section, table
from bpnet.report.thinning import spread
from bpnet.report.wording import cut, figure, rows
from bpnet.training.metrics.reports import residuals

TARGETS = 4
"""Targets with plots of their own."""

POINTS = 2000
"""Rows of a plot at most; the largest errors are always among them."""

NAMED = 8
"""Largest errors that say which row they are."""


def section(outcome: Outcome) -> Section:
    """Return how far the numbers are off."""
    names = outcome.target.columns
    made = Section(
        "Where it is right and wrong",
        f"On the {rows(len(outcome))} of the {outcome.part} part, with the weights of "
        f"{outcome.weights}; errors are prediction minus truth.",
    )
    if len(names) > TARGETS:
        made.intro += f" Drawn are the first {TARGETS} of {len(names)} targets."
    truth, said = outcome.truth.astype(np.float64), outcome.output.astype(np.float64)
    for k, name in enumerate(names[:TARGETS]):
        if np.isfinite(said[:, k]).all():
            suffix = f"_{k + 1}" if len(names) > 1 else ""
            made.plots.append(_against(outcome, name, truth[:, k], said[:, k], suffix))
            made.plots.append(_errors(name, said[:, k] - truth[:, k], suffix))
    found = [dataclasses.asdict(row) for row in residuals(names, truth, said)]
    heads = {"q05": "5 %", "q25": "25 %", "q75": "75 %", "q95": "95 %", "low": "lowest"}
    heads |= {"high": "highest", "name": "target"}
    header = [heads.get(key, key) for key in found[0]]
    body = [[cut(str(row["name"]), 40), *map(figure, list(row.values())[1:])] for row in found]
    made.tables.append(table(header, body[:50], caption="Errors, in the target's own units"))
    return made


def _against(outcome: Outcome, name: str, truth: Array, said: Array, suffix: str) -> Plot:
    both = [*truth.tolist(), *said.tolist()]
    axis = scales.fitting(both)
    chart = Chart(
        f"{cut(name, 30)}: predicted against true",
        axis,
        axis,
        x_name="true",
        y_name="predicted",
        height=300,
        square=True,
    )
    chart.aim((axis.low, axis.low), (axis.high, axis.high))
    order = np.argsort(-np.abs(said - truth), kind="stable")
    worst, others = order[:NAMED], np.sort(order[NAMED:])
    kept = others[spread(len(others), POINTS)]
    chart.cloud(list(zip(truth[kept].tolist(), said[kept].tolist(), strict=True)))
    for row in worst.tolist():
        a, b = float(truth[row]), float(said[row])
        told = f"{outcome.place(row)}: true {figure(a)}, predicted {figure(b)}"
        chart.dot(a, b, told, 1)
    caption = (
        "Each point is a row; on the dashed line the prediction is right, above it too high, "
        f"below it too low. Orange are the {len(worst)} largest errors, which say their row."
    )
    if len(kept) < len(others):
        caption += f" Shown are {POINTS:,} of the other {len(others):,} rows."
    return Plot(f"predicted{suffix}", chart.svg(f"{name}, predicted against true"), caption)


def _errors(name: str, error: Array, suffix: str) -> Plot:
    low, high = (float(v) for v in np.quantile(error, (0.005, 0.995)))
    if not high > low:
        low, high = low - (abs(low) * 0.05 or 1.0), high + (abs(high) * 0.05 or 1.0)
    bins = max(5, min(40, round(len(error) ** 0.5)))
    counts, edges = np.histogram(np.clip(error, low, high), bins, (low, high))
    axis = scales.Scale(low, high)
    upper = scales.fitting(counts.tolist(), zero=True)
    chart = Chart(
        f"{cut(name, 30)}: errors",
        axis,
        dataclasses.replace(upper, whole=True),
        x_name="predicted minus true",
        y_name="rows",
        height=300,
    )
    for count, a, b in zip(counts.tolist(), edges.tolist(), edges[1:].tolist(), strict=False):
        if count:
            chart.bar(a, b, count, f"{figure(a)} to {figure(b)}: {rows(count)}")
    if low < 0 < high:
        chart.upright(0.0)
    mean, spread_ = float(error.mean()), float(error.std())
    caption = (
        f"How the errors are spread: mean {figure(mean)}, standard deviation {figure(spread_)}. "
        "A heap around 0 is what it should be; a heap beside it is a bias, a long tail are rows "
        "that the network does not understand. The outermost bars hold all that lies further out."
    )
    return Plot(f"residuals{suffix}", chart.svg(f"Errors of {name}"), caption)
