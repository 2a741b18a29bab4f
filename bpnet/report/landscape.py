"""The plots of a search: its scores against each option, and how its points learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bpnet.collection.comparing import brief
from bpnet.collection.searches import Point, Search
from bpnet.errors import BpnetError
from bpnet.report import scales
from bpnet.report.chart import Chart
from bpnet.report.history import is_share
from bpnet.report.record import read_record
from bpnet.report.section import Plot, Section
from bpnet.report.thinning import Point as Place
from bpnet.report.wording import cut, figure
from bpnet.runs import rundir

OPTIONS = 24
"""Options with a plot of their own."""

NAMES = 12
"""Values of an option that are no numbers, up to which it is drawn."""

FARTHEST = 1e300
"""From 0, on an axis: the ends of one lie a little beyond its points."""

COLORED, FAINT = 5, 60
"""Points whose curves are drawn: in colour, and without one."""


def scores(found: Search) -> Section:
    """Return the scores against each option that was searched."""
    scored = [point for point in found.points if point.score is not None]
    paths = list(dict.fromkeys(path for point in found.points for path in point.values))
    made = Section("Scores by option")
    if len(scored) < 2:
        return made
    for i, path in enumerate(paths[:OPTIONS], 1):
        plot = _against(found, scored, path, i)
        if plot is not None:
            made.plots.append(plot)
    if made.plots:
        made.intro = (
            f"Each point of the search, by its {found.metric}; the orange one is the best. The "
            "other options differ as well, so look for what all points of a value have in common."
        )
    return made


def _against(found: Search, scored: Sequence[Point], path: str, number: int) -> Plot | None:
    """Draw the scores against one option; None where they have no common axis."""
    having = [point for point in scored if point.values.get(path) is not None]
    if not having:
        return None
    values = [point.values[path] for point in having]
    ys = [
        point.score + side * (point.interval or 0.0)
        for point in having
        for side in (0, -1, 1)
        if point.score is not None
    ]
    bounds = (0.0, 1.0) if is_share(found.metric) else None
    y = scales.fitting(ys, log=bounds is None and scales.suits_log(ys), bounds=bounds)
    where: list[float]
    if all(map(_has_place, values)):
        where = [float(v) for v in values]
        log = min(where) > 0 and max(where) / min(where) >= 20
        x = scales.fitting(where, log=log)
    else:
        names = list(dict.fromkeys(sorted(map(brief, values))))
        if len(names) > NAMES:
            return None
        where = [float(names.index(brief(v))) for v in values]
        x = scales.Names.of(cut(name, max(6, 48 // len(names))) for name in names)
    chart = Chart(cut(path, 44), x, y, x_name=path.rpartition(".")[2], y_name=found.metric)
    best = found.best
    for point, at in reversed(list(zip(having, where, strict=True))):  # the best on top
        assert point.score is not None
        told = f"trial {point.trial}: {brief(point.values[path])}, {found.metric} "
        told += figure(point.score)
        if point.interval is not None:
            low, high = point.score - point.interval, point.score + point.interval
            chart.whisker(at, low, high, color=1 if point is best else 0)
        chart.dot(at, point.score, told, 1 if point is best else 0, 5 if point is best else 3.5)
    caption = f"{found.metric} against {path}."
    logs = [name for name, axis in (("upright", y), ("level", x)) if axis.log]
    if logs:
        caption += f" The {' and the '.join(logs)} axis {'is' if len(logs) == 1 else 'are'} "
        caption += "logarithmic."
    if any(point.interval is not None for point in having):
        caption += " Upright lines are 95 % intervals."
    return Plot(f"score_{number}", chart.svg(caption), caption)


def curves(found: Search) -> Section:
    """Return how the points learned, by their first trainings."""
    made = Section("How its trials learned")
    shown = [point for point in found.points if point.runs][: COLORED + FAINT]
    lines: list[tuple[Point, list[Place]]] = []
    for point in shown:
        try:
            if (point.runs[0] / rundir.RUN).is_file():
                curve = read_record(point.runs[0]).curve(found.metric)
                if any(math.isfinite(y) for _, y in curve):
                    lines.append((point, curve))
        except BpnetError:
            continue
    if not lines:
        return made
    values = [y for _, curve in lines for _, y in curve]
    bounds = (0.0, 1.0) if is_share(found.metric) else None
    axis = scales.fitting(values, log=bounds is None and scales.suits_log(values), bounds=bounds)
    epochs = scales.epochs([x for _, curve in lines for x, _ in curve])
    keys = [(i, _key(point)) for i, (point, _) in enumerate(lines[:COLORED])]
    chart = Chart(found.metric, epochs, axis, x_name="epoch", keys=keys, height=260)
    for _, curve in lines[COLORED:]:
        chart.line(curve, 7, "faint", most=60)
    for i, (_, curve) in reversed(list(enumerate(lines[:COLORED]))):
        chart.line(curve, i, most=200)
    caption = f"{found.metric} by epoch, of the first training of each point"
    if len(lines) > COLORED:
        caption += f"; in colour: the first {COLORED} of the list"
    if len(shown) < len(found.points):
        caption += f". Shown are the first {len(shown)} of {len(found.points):,} points"
    made.plots.append(Plot("trials", chart.svg(caption), f"{caption}."))
    return made


def _key(point: Point) -> str:
    values = " ".join(brief(value) for value in point.values.values())
    return cut(f"trial {point.trial}: {values}", 40)


def _has_place(value: object) -> bool:
    """Say whether a value is a number that an axis can hold."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -FARTHEST <= value <= FARTHEST
    )
