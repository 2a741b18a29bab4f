"""The picture of a traced network, as SVG: one for each row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpnet.insight.trace.plan import Column, Plan
from bpnet.insight.trace.record import Trace
from bpnet.insight.trace.typeset import text

RADIUS = 25

_PITCH = 82
_TOP = 74
_GAPS = {"weights": 160, "all": 130, "one": 112, "whole": 140}
_EDGE = 46


def draw(trace: Trace, plan: Plan, row: int) -> str:
    """Return the picture with the numbers of one row of the batch."""
    places = _places(plan)
    tallest = max(_count(column) for column in plan.columns)
    height = _TOP + tallest * _PITCH
    width = max(x for x, _ in places[-1]) + _EDGE + 24
    edges = [part for column in plan.columns for part in _edges(trace, column, places)]
    nodes = [part for column in plan.columns for part in _column(trace, column, places, row)]
    return (
        f'<svg class="network" data-row="{row}" viewBox="0 0 {width} {height}" '
        f'style="min-width:{min(width, int(width * 0.72))}px;max-width:{int(width * 1.25)}px" '
        f'role="group" aria-label="The network with the numbers of row {trace.rows[row]}">'
        f"{''.join(edges)}{''.join(nodes)}</svg>"
    )


def _count(column: Column) -> int:
    """Return how many places a column has."""
    return max(1, column.drawn + (1 if column.hidden else 0)) if column.drawn else 1


def _places(plan: Plan) -> list[list[tuple[int, int]]]:
    """Return where the middles of each column's units are."""
    tallest = max(_count(column) for column in plan.columns)
    x, places = _EDGE + 10, []
    for column in plan.columns:
        if column.sources:
            x += max(_GAPS[ties] for _, ties in column.sources)
        count = _count(column)
        top = _TOP + (tallest - count) * _PITCH // 2 + _PITCH // 2 - 6
        places.append([(x, top + i * _PITCH) for i in range(count)])
    return places


def _edges(trace: Trace, column: Column, places: list[list[tuple[int, int]]]) -> Iterator[str]:
    here = places[column.number]
    for source, ties in column.sources:
        there = places[source.number]
        start, stop = (max(c.drawn, 1) for c in (source, column))
        far = column.number - source.number > 1
        if ties == "one" and start == stop:
            pairs = [(i, i) for i in range(start)]
        else:
            pairs = [(i, j) for i in range(start) for j in range(stop)]
        weights = _weights(column) if ties == "weights" else None
        largest = float(np.abs(weights).max()) if weights is not None and weights.size else 1.0
        for i, j in pairs:
            (x1, y1), (x2, y2) = there[i], here[j]
            line = f"M{x1 + RADIUS} {y1}L{x2 - RADIUS} {y2}"
            if far:  # around the columns in between
                bend = f"C{x1 + 40} {y1 - 76} {x2 - 40} {y2 - 76} {x2} {y2 - RADIUS}"
                line = f"M{x1} {y1 - RADIUS}{bend}"
            if weights is None:
                yield f'<path class="edge tie" data-to="{column.number}" d="{line}"/>'
                continue
            w = float(weights[i, j])
            size = 0.8 + 3.2 * abs(w) / (largest or 1.0)
            sign = "minus" if w < 0 else "plus"
            yield (
                f'<g class="link" data-to="{column.number}" data-detail="w{column.number}-{i}-{j}">'
                f'<path class="hit" d="{line}"/>'
                f'<path class="edge {sign}" style="stroke-width:{size:.2f}px" d="{line}"/></g>'
            )


def _weights(column: Column) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    assert column.step is not None
    return next((t.before for t in column.step.tensors if t.short == "W"), None)


def _column(
    trace: Trace, column: Column, places: list[list[tuple[int, int]]], row: int
) -> Iterator[str]:
    here = places[column.number]
    x = here[0][0]
    yield f'<g class="column" data-column="{column.number}">'
    head = column.name.rsplit(".", 1)
    for i, part in enumerate(head):
        label = f"{part}." if len(head) == 2 and i == 0 else part
        yield f'<text class="head" x="{x}" y="{16 + 15 * i}">{text(label)}</text>'
    if column.name != "loss":
        sides = " × ".join(map(str, column.values.shape[1:]))
        y = 16 + 15 * len(head)
        yield f'<text class="shape" x="{x}" y="{y}">{sides}</text>'
    if not column.drawn:
        yield _whole(column, here[0], row)
    for j in range(column.drawn):
        yield _unit(trace, column, here[j], row, j)
    if column.hidden and column.drawn:
        x, y = here[-1]
        yield f'<text class="more" x="{x}" y="{y}">+ {column.hidden} more</text>'
    yield "</g>"


def _unit(trace: Trace, column: Column, at: tuple[int, int], row: int, j: int) -> str:
    x, y = at
    value = float(column.values[row, j])
    delta = None if column.deltas is None else float(column.deltas[row, j])
    name = unit_name(trace, column, j)
    largest = float(np.abs(column.values[row]).max()) or 1.0
    strength = 0.12 + 0.5 * min(1.0, abs(value) / largest)
    sign = "minus" if value < 0 else "plus"
    said = f"{name}: {value:.4g}"
    if delta is not None:
        said += f", derivative of the loss {delta:.4g}"
    label = ""
    if column.name == "input" or column.consumer == "loss":
        label = f'<text class="name" x="{x}" y="{y - RADIUS - 5}">{text(shortened(name))}</text>'
    below = ""
    if delta is not None:
        below = f'<text class="delta" x="{x}" y="{y + RADIUS + 13}">∂ {_short(delta)}</text>'
    if column.name == "loss":
        target = text(shortened(f"target {trace.answers[row]}", 18))
        below = f'<text class="name" x="{x}" y="{y + RADIUS + 15}">{target}</text>'
    return (
        f'<g class="unit {sign}" tabindex="0" role="button" aria-label="{text(said)}" '
        f'data-detail="u{column.number}-{j}">{label}'
        f'<circle class="body" cx="{x}" cy="{y}" r="{RADIUS}"/>'
        f'<circle class="tone" cx="{x}" cy="{y}" r="{RADIUS}" style="fill-opacity:{strength:.2f}"/>'
        f'<text class="value" x="{x}" y="{y + 4}">{_short(value)}</text>{below}</g>'
    )


def _whole(column: Column, at: tuple[int, int], row: int) -> str:
    x, y = at
    size = float(np.abs(column.values[row]).mean())
    below = ""
    if column.deltas is not None:
        mean = float(np.abs(column.deltas[row]).mean())
        below = f'<text class="delta" x="{x}" y="{y + 46}">mean |∂| {_short(mean)}</text>'
    return (
        f'<g class="unit whole" tabindex="0" role="button" aria-label="{text(column.name)}" '
        f'data-detail="u{column.number}-0">'
        f'<rect class="body" x="{x - 44}" y="{y - 30}" width="88" height="60" rx="8"/>'
        f'<text class="value" x="{x}" y="{y - 3}">mean size</text>'
        f'<text class="value" x="{x}" y="{y + 14}">{_short(size)}</text>{below}</g>'
    )


def unit_name(trace: Trace, column: Column, j: int) -> str:
    """Return what a unit is called."""
    if column.name == "input":
        return trace.inputs[j] if j < len(trace.inputs) else f"x{j}"
    if column.name == "loss":
        return "loss"
    if column.consumer == "loss" and j < len(trace.outputs):
        return trace.outputs[j]
    return f"{column.name}, unit {j}"


def shortened(name: str, width: int = 14) -> str:
    """Return a name that fits above a unit."""
    return name if len(name) <= width else f"{name[: width - 1]}…"


_FITS = 6
"""Characters that a circle has room for."""


def _short(value: float) -> str:
    """Write a number with up to three digits, so that it fits into a circle."""
    written = f"{value:.0f}" if 1000 <= abs(value) < 99_999.5 else f"{value + 0.0:.3g}"
    for digits in (3, 2, 1):
        if "e" not in written and len(written) <= _FITS:
            break
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        written = f"{float(mantissa):g}e{int(exponent)}"  # 1e-5 rather than 1e-05
        if len(written) <= _FITS:
            break
        written = f"{value:.{digits - 1}g}" if digits > 1 else written
    return written.replace("-", "−")
