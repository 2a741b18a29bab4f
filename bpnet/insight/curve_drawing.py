"""A curve over a logarithmic axis: in plain characters for a terminal, and as an SVG file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from bpnet.nn.arena import Array


@dataclass
class Curve:
    """What is drawn.

    Attributes
    ----------
    x
        Positive numbers that rise, ``(N,)``.
    points, line
        What was measured at each, and the same smoothed, ``(N,)``.
    mark
        A place on the x axis, or None.
    title, x_name, y_name
        Texts.
    """

    x: Array
    points: Array
    line: Array
    mark: float | None
    title: str
    x_name: str
    y_name: str

    def bounds(self) -> tuple[float, float]:
        """Return what the y axis shows: all of the smoothed line but its last rise."""
        first = float(np.median(self.points[: max(3, len(self.points) // 20)]))
        low = float(self.line.min())
        high = max(first + 0.3 * (first - low), float(np.quantile(self.line, 0.9)))
        if not high > low:
            low, high = low - 0.5, low + 0.5
        room = 0.05 * (high - low)
        return (max(0.0, low - room) if low >= 0 else low - room), high + room


def in_characters(curve: Curve, width: int = 64, height: int = 14) -> list[str]:
    """Return the lines of a plot: ``*`` the smoothed curve, ``.`` single points, ``|`` the mark."""
    low, high = curve.bounds()
    logs = np.log10(curve.x)
    begin, end = float(logs[0]), float(logs[-1])
    span = end - begin or 1.0
    grid = [[" "] * width for _ in range(height)]

    def column(log: float) -> int:
        return min(width - 1, max(0, round((log - begin) / span * (width - 1))))

    def put(log: float, value: float, sign: str) -> None:
        part = (value - low) / (high - low)
        if 0 <= part <= 1:
            grid[height - 1 - round(part * (height - 1))][column(log)] = sign

    if curve.mark is not None:
        place = math.log10(curve.mark)
        if begin <= place <= end:
            for row in grid:
                row[column(place)] = "|"
    for log, value in zip(logs, curve.points, strict=True):
        put(float(log), float(value), ".")
    for i in range(width):  # the line at every column, also between the points
        log = begin + span * i / (width - 1)
        put(log, float(np.interp(log, logs, curve.line)), "*")
    labels = [f"{high:.3g}", *[""] * (height - 2), f"{low:.3g}"]
    gutter = max(map(len, labels))
    lines = [
        f"{label:>{gutter}} |{''.join(row)}".rstrip()
        for label, row in zip(labels, grid, strict=True)
    ]
    lines.append(f"{'':>{gutter}} +{'-' * width}")
    ticks = [" "] * (width + 8)
    for power in range(math.ceil(begin), math.floor(end) + 1):
        text, at = f"1e{power}", column(power)
        if all(sign == " " for sign in ticks[max(0, at - 1) : at + len(text) + 1]):
            ticks[at : at + len(text)] = text
    lines.append(f"{'':>{gutter}}  {''.join(ticks)}".rstrip())
    return lines


def as_svg(curve: Curve, width: int = 720, height: int = 400) -> str:
    """Return an SVG document of the plot."""
    left, right, top, bottom = 64, 16, 36, 48
    low, high = curve.bounds()
    logs = np.log10(curve.x)
    begin, end = float(logs[0]), float(logs[-1])
    span = end - begin or 1.0

    def x(log: float) -> float:
        return left + (log - begin) / span * (width - left - right)

    def y(value: float) -> float:
        return top + (high - min(value, high)) / (high - low) * (height - top - bottom)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{left}" y="20" font-size="14">{escape(curve.title)}</text>',
        f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">'
        f"{escape(curve.x_name)}</text>",
        f'<text x="14" y="{(top + height - bottom) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(top + height - bottom) / 2})">{escape(curve.y_name)}</text>',
    ]
    for power in range(math.ceil(begin), math.floor(end) + 1):
        at = x(power)
        parts.append(
            f'<line x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{height - bottom}" stroke="#ddd"/>'
            f'<text x="{at:.1f}" y="{height - bottom + 16}" text-anchor="middle">1e{power}</text>'
        )
    for i in range(5):
        value = low + (high - low) * i / 4
        parts.append(
            f'<line x1="{left}" y1="{y(value):.1f}" x2="{width - right}" y2="{y(value):.1f}" '
            f'stroke="#eee"/><text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">'
            f"{value:.3g}</text>"
        )
    shown = [(float(a), float(b)) for a, b in zip(logs, curve.points, strict=True) if b <= high]
    parts += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="1.8" fill="#9bb"/>' for a, b in shown]
    pairs = [(float(a), float(b)) for a, b in zip(logs, curve.line, strict=True)]
    line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in pairs)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#157" stroke-width="2"/>')
    if curve.mark is not None and begin <= math.log10(curve.mark) <= end:
        at = x(math.log10(curve.mark))
        parts.append(
            f'<line x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{height - bottom}" stroke="#c40" '
            f'stroke-dasharray="4 3"/><text x="{at + 5:.1f}" y="{top + 12}" fill="#c40">'
            f"{curve.mark:g}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])
