"""How a training went, epoch by epoch."""

from __future__ import annotations

import math
import re

from bpnet.report import scales
from bpnet.report.chart import BANDS, Chart
from bpnet.report.record import Record
from bpnet.report.section import Plot, Section
from bpnet.report.thinning import Point, spread
from bpnet.report.wording import cut, figure

SHARES = ("accuracy", "precision", "recall", "f1", "roc_auc", "top")
"""Metrics between 0 and 1, by how their names begin."""

LAYERS = 8
"""Layers with a curve of their own: as many as there are colours."""

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
    if len(record.gradients) > 1:
        made.plots.append(_layers(record))
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
        caption += f" The best {monitored} is {figure(value)}, in epoch {record.best_epoch:,}."
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
        last, count = record.drops[-1], len(record.drops)
        often = "once," if count == 1 else f"{count:,} times, at last"
        caption += (
            f" The plateau schedule lowered it {often} after epoch {last[0]:,}, from "
            f"{figure(last[1])} to {figure(last[2])}."
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


def _layers(record: Record) -> Plot:
    """Draw the gradient of each layer by epoch."""
    names = list(record.gradients)
    shown = [names[i] for i in spread(len(names), LAYERS)]
    curves = {name: record.gradients[name] for name in shown}
    values = [y for points in curves.values() for _, y in points]
    axis = scales.fitting(values, log=True)
    numbers = [x for points in curves.values() for x, _ in points]
    keys = [(i, name) for i, name in enumerate(shown)]
    chart = Chart("gradient of each layer", scales.epochs(numbers), axis, x_name="epoch", keys=keys)
    for i, points in enumerate(curves.values()):
        chart.line(points, i)
    first = curves[shown[0]]
    told = []
    for i in spread(len(first), BANDS):
        at = first[i][0]
        lines = [f"{n}: {figure(points[i][1])}" for n, points in curves.items() if i < len(points)]
        told.append((at, f"epoch {at:,.0f}\n" + "\n".join(lines)))
    chart.bands(told)
    caption = (
        "The length of the gradient that reaches the weights of each layer in the last step of "
        "each epoch, after clipping. The axis is logarithmic. Lines that stay near each other: "
        "all layers learn. A first layer that sinks far below the last has a vanishing gradient."
    )
    if len(shown) < len(names):
        caption += f" Shown are {len(shown)} of {len(names)} layers."
    caption += _sunk(names, record.gradients)
    return Plot("gradient_by_epoch", chart.svg("Gradient of each layer by epoch"), caption)


def _sunk(names: list[str], gradients: dict[str, list[Point]]) -> str:
    """Say how far the first layer's gradient lies below the last one's, at the start and now."""
    ends = []
    for at in (0, -1):
        first, last = gradients[names[0]][at][1], gradients[names[-1]][at][1]
        if not (math.isfinite(first) and math.isfinite(last) and first > 0 and last > 0):
            return ""
        ends.append(first / last)
    before, now = (figure(float(f"{ratio:.2g}")) for ratio in ends)
    return (
        f" That of {cut(names[0], 30)} was {before} times as long as that of {cut(names[-1], 30)} "
        f"after the first epoch, and is {now} times as long after the last."
    )


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
    for i in spread(len(some), BANDS):
        epoch = some[i][0]
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
        chart.upright(marked, f"{word}: {marked:,}")
