"""Curves in plain characters, for terminals of any size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpnet.report import scales
from bpnet.report.wording import is_epoch, number

SIGNS = {"train": ".", "val": "*"}
"""What a curve is drawn with, by its part of the data; others are drawn as ``*`` too."""

_LEAST_HEIGHT, _LEAST_WIDTH = 8, 44
"""Of one plot, in characters."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: a title, and its curves by name, each ``(epoch, value)`` points."""

    title: str
    curves: Mapping[str, Sequence[tuple[float, float]]]


def panels(rows: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return the plots of the metrics, the most telling first: loss, metrics, rate, gradient."""
    names = dict.fromkeys(key for row in (*rows[-1:], *rows[:1]) for key in row if "/" in key)
    metrics: dict[str, list[str]] = {}
    for name in names:
        metrics.setdefault(name.rpartition("/")[2], []).append(name)
    metrics |= {"learning rate": ["lr"], "gradient": ["grad_norm"]}
    found = []
    for title, columns in metrics.items():
        curves = {name: _points(rows, name) for name in columns}
        if any(curves.values()):
            found.append(Panel(title, curves))
    return found


def _points(rows: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    points = []
    for row in rows:
        value, epoch = number(row.get(name)), row.get("epoch")
        if is_epoch(epoch) and math.isfinite(value):
            points.append((number(epoch), value))
    return points


def screen(rows: Sequence[Mapping[str, Any]], width: int, height: int) -> list[str]:
    """Return the lines of as many plots as there is room for.

    Parameters
    ----------
    rows
        The metrics, a row for each epoch.
    width, height
        Characters and lines; the lines may be fewer.
    """
    made = panels(rows)
    across = max(1, min(3, (width + 2) // (_LEAST_WIDTH + 2)))
    down = max(1, height // _LEAST_HEIGHT)
    made = made[: across * down]
    if not made or height < 4 or width < 24:
        return []
    across = min(across, len(made))
    down = min(down, -(-len(made) // across))
    inner, tall = (width + 2) // across - 2, min(height // down, 20)
    lines: list[str] = []
    for start in range(0, len(made), across):
        drawn = [draw(panel, inner, tall - 1) for panel in made[start : start + across]]
        for parts in zip(*drawn, strict=True):
            lines.append("  ".join(part.ljust(inner) for part in parts).rstrip())
        lines.append("")
    return lines[:-1]


def draw(panel: Panel, width: int, height: int) -> list[str]:
    """Return exactly `height` lines of at most `width` characters: title, curves, epochs."""
    values = [y for points in panel.curves.values() for _, y in points]
    log = scales.suits_log(values)
    axis = scales.fitting(values, log=log)
    epochs = scales.epochs([x for points in panel.curves.values() for x, _ in points])
    heads = [panel.title + (" (log)" if log else "")]
    for name, points in panel.curves.items():
        part = name.partition("/")[0]
        sign = f"{SIGNS[part]} {part} " if part in SIGNS else ""
        heads.append(f"{sign}{points[-1][1]:.4g}" if points else f"{sign}-")
    plot = max(1, height - 3)
    labels = _labels(axis, plot)
    gutter = max(map(len, labels))
    across = max(4, width - gutter - 2)
    grid = [[" "] * across for _ in range(plot)]
    for name, points in panel.curves.items():
        _trace(grid, points, SIGNS.get(name.partition("/")[0], "*"), epochs, axis)
    lines = ["   ".join(heads)[:width]]
    lines += [f"{label:>{gutter}} |{''.join(row)}" for label, row in zip(labels, grid, strict=True)]
    lines.append(f"{'':>{gutter}} +{'-' * across}")
    first, last = f"{epochs.low:.0f}", f"epoch {epochs.high:.0f}"
    lines.append(f"{'':>{gutter}}  {first}{last:>{max(1, across - len(first))}}"[:width])
    return [line.rstrip() for line in lines[:height]] + [""] * (height - len(lines))


def _labels(axis: scales.Scale, lines: int) -> list[str]:
    """Return what is written beside each line of a plot: round numbers where they lie."""
    labels = [""] * lines
    for value, _ in axis.ticks(max(3, lines // 2)):
        line = lines - 1 - round(axis.part(value) * (lines - 1))
        if 0 <= line < lines and not labels[line]:
            labels[line] = f"{value:.6g}"
    return labels


def _trace(
    grid: list[list[str]],
    points: Sequence[tuple[float, float]],
    sign: str,
    epochs: scales.Scale,
    axis: scales.Scale,
) -> None:
    """Draw one curve: the mean of the epochs in each column, joined from column to column."""
    across, tall = len(grid[0]), len(grid)
    columns: dict[int, list[float]] = {}
    for x, y in points:
        if y >= 0 or not axis.log:
            column = min(across - 1, max(0, round(epochs.part(x) * (across - 1))))
            columns.setdefault(column, []).append(min(1.0, max(0.0, axis.part(y))))
    before: tuple[int, float] | None = None
    for column in sorted(columns):
        here = sum(columns[column]) / len(columns[column])
        start, low = before if before is not None else (column, here)
        for step in range(start, column + 1):
            part = (
                here if column == start else low + (here - low) * (step - start) / (column - start)
            )
            grid[tall - 1 - round(part * (tall - 1))][step] = sign
        before = (column, here)
