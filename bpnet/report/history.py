"""How a training went, epoch by epoch."""

from __future__ import annotations

import math
import re

from bpnet.report import scales
from bpnet.report.chart import Chart
from bpnet.report.record import Record
from bpnet.report.section import Plot, Section
from bpnet.report.thinning import Point
from bpnet.report.wording import figure

SHARES = ("accuracy", "precision", "recall", "f1", "roc_auc", "top")
"""Metrics between 0 and 1, by how their names begin."""

PANELS = 24
"""Metrics that have a plot of their own."""


def is_share(metric: str) -> bool:
    """Say whether a metric (``val/f1``, or ``f1``) lies between 0 and 1."""
    return metric.rpartition("/")[2].startswith(SHARES)


def section(record: Record) -> Section:
    """Return the curves of a run."""
    made = Section("How it learned")
    if not record.rows:
        made.intro = "No epoch has been completed yet."
        return made
    parted = (name.partition("/") for name in record.metrics)
    names = list(dict.fromkeys(name for part, _, name in parted if part in _COLORS and name))
    for name in names[:PANELS]:
        made.plots.append(_metric(record, name))
    if len(names) > PANELS:
        made.intro = f"Shown are {PANELS} of {len(names)} metrics."
    if record.values("lr"):
        made.plots.append(_rate(record))
    if record.values("grad_norm"):
        made.plots.append(_norm(record))
    return made


def _metric(record: Record, name: str) -> Plot:
    lines = [f"{part}/{name}" for part in _COLORS if f"{part}/{name}" in record.metrics]
    curves = {line: record.curve(line) for line in lines}
    chart = _chart(record, name, curves, bounds=(0.0, 1.0) if is_share(name) else None)
    _mark_epochs(chart, record)
    caption = _LOSS if name == "loss" else _OTHER
    if chart.y.log:
        caption += " The axis is logarithmic."
    monitored = record.monitor
    if monitored.partition("/")[2] == name and record.best_epoch is not None:
        value = dict(record.curve(monitored)).get(float(record.best_epoch), math.nan)
        caption += f" The best {monitored} is {figure(value)}, in epoch {record.best_epoch}."
    plot = "learning_" + re.sub(r"[^\w.-]", "_", name)[:60]  # a file may say anything
    return Plot(plot, chart.svg(f"{name} by epoch"), caption)


_LOSS = (
    "The loss of the training rows, while the weights moved, and of the validation rows after "
    "each epoch. Both falling: it learns. The validation loss rising while the other falls: it "
    "learns the training rows by heart."
)
_OTHER = "Measured on the validation rows after each epoch."


def _rate(record: Record) -> Plot:
    chart = _chart(record, "learning rate", {"lr": record.curve("lr")}, name="lr")
    caption = "The learning rate of the last step of each epoch."
    if chart.y.log:
        caption += " The axis is logarithmic."
    if record.drops:
        last = record.drops[-1]
        caption += (
            f" The plateau schedule lowered it {len(record.drops)} times, at last after epoch "
            f"{last[0]}, from {figure(last[1])} to {figure(last[2])}."
        )
    return Plot("learning_rate", chart.svg("Learning rate by epoch"), caption)


def _norm(record: Record) -> Plot:
    chart = _chart(record, "length of the gradient", {"grad_norm": record.curve("grad_norm")})
    caption = (
        "The mean length of the whole gradient over the steps of each epoch, before clipping. It "
        "should stay of one order of magnitude or fall slowly; leaps up come before a divergence."
    )
    training = record.plain.get("training")
    clip = training.get("clip_norm") if isinstance(training, dict) else None
    if isinstance(clip, int | float):
        caption += f" Longer ones are clipped to {figure(float(clip))}."
    return Plot("gradient_norm", chart.svg("Length of the gradient by epoch"), caption)


def _chart(
    record: Record,
    title: str,
    curves: dict[str, list[Point]],
    *,
    bounds: tuple[float, float] | None = None,
    name: str = "",
) -> Chart:
    """Return a plot of columns by epoch."""
    values = [y for points in curves.values() for _, y in points]
    axis = scales.fitting(values, log=scales.suits_log(values), bounds=bounds)
    numbers = [x for points in curves.values() for x, _ in points]
    keys = [(_COLORS.get(line.partition("/")[0], 0), line) for line in curves]
    chart = Chart(
        title,
        scales.epochs(numbers),
        axis,
        x_name="epoch",
        keys=keys if len(curves) > 1 or "/" in keys[0][1] else (),
        marks="/" in keys[0][1],
    )
    for line, points in curves.items():
        chart.line(points, _COLORS.get(line.partition("/")[0], 0))
    some = next(iter(curves.values()))
    told = []
    for i, (epoch, _) in enumerate(some):
        numbers_here = [f"{line} {figure(points[i][1])}" for line, points in curves.items()]
        told.append((epoch, f"epoch {epoch:,.0f}\n" + "\n".join(numbers_here)))
    chart.bands(told)
    return chart


_COLORS = {"train": 0, "val": 1}


def _mark_epochs(chart: Chart, record: Record) -> None:
    """Mark the epoch whose weights are the model's, else the best one."""
    marked = record.model_epoch
    word = "model"
    if marked is None:
        marked, word = record.best_epoch, "best"
    if marked is not None and len(record.rows) > 1:
        chart.upright(marked, f"{word}: {marked}")
