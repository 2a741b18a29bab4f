"""What a network looks like inside: gradients by layer, and first weights as pictures."""

from __future__ import annotations

import math

import numpy as np

from bpnet.report import scales
from bpnet.report.chart import WIDTH, line_class, place, svg, text_width
from bpnet.report.outcome import ROWS, Outcome
from bpnet.report.pictures import as_bytes, data_uri, montage, signed, smaller
from bpnet.report.section import Plot, Section
from bpnet.report.wording import cut, escaped, figure

UNITS = 64
"""Units whose weights are shown."""

LAYERS = 40
"""Layers with a line of their own."""


def section(outcome: Outcome) -> Section:
    """Return what is inside the network."""
    made = Section("Inside the network")
    if any(v > 0 for norms in outcome.norms.values() for v in norms.values()):
        made.plots.append(_gradients(outcome))
    if outcome.first_layer is not None:
        made.plots.append(_weights(outcome))
    return made


def _gradients(outcome: Outcome) -> Plot:
    """Draw the gradient's length by layer, with a mark for each moment."""
    moments = list(outcome.norms)
    layers = list(next(iter(outcome.norms.values())))
    shown = layers if len(layers) <= LAYERS else layers[: LAYERS // 2] + layers[-LAYERS // 2 :]
    values = [outcome.norms[m][layer] for m in moments for layer in shown]
    axis = scales.fitting(values, log=True)
    names = [cut(layer, 26) for layer in shown]
    left = max(text_width(name) for name in names) + 16
    right, line, top = WIDTH - 14.0, 22.0, 34.0 + 18 * len(moments)
    bottom = top + line * len(shown)
    parts = ['<text class="title ink" x="8" y="18">gradient by layer</text>']
    for i, moment in enumerate(moments):
        y = 38.0 + 18 * i
        parts.append(
            f'{_mark(i, 14, y - 4)}<text class="ink" x="26" y="{place(y)}">{escaped(moment)}</text>'
        )
    end = 0.0
    for value, text in axis.ticks(4):
        x, half = left + axis.part(value) * (right - left), text_width(text) / 2
        parts.append(f'<path class="grid" d="M{place(x)} {place(top)}V{place(bottom)}"/>')
        if x - half < end + 6:
            continue
        end = x + half
        parts.append(
            f'<text class="quiet" x="{place(x)}" y="{place(bottom + 17)}" text-anchor="middle">'
            f"{escaped(text)}</text>"
        )
    for r, (layer, name) in enumerate(zip(shown, names, strict=True)):
        y = top + (r + 0.5) * line
        parts.append(
            f'<text class="ink" x="{place(left - 8)}" y="{place(y + 4)}" text-anchor="end">'
            f"{escaped(name)}</text>"
        )
        for i, moment in enumerate(moments):
            norm = outcome.norms[moment][layer]
            told = f"{layer} {moment}: {figure(norm)}"
            if norm > 0 and math.isfinite(norm):
                at = left + axis.part(norm) * (right - left)
                parts.append(_mark(i, at, y, told))
    parts.append(f'<path class="axis" d="M{place(left)} {place(bottom)}H{place(right)}"/>')
    caption = (
        "The length of the gradient that reaches the weights of each layer, the first layer on "
        f"top, over {ROWS:,} training rows at most. Layers far left of the others hardly learn; "
        "an early layer a thousandfold below the last one has a vanishing gradient."
    )
    if len(layers) > len(shown):
        caption += f" Shown are {len(shown)} of {len(layers)} layers."
    zero = [layer for layer in layers if all(outcome.norms[m][layer] == 0 for m in moments)]
    if zero:
        caption += f" No gradient at all reaches {', '.join(zero[:5])}."
    label = "Length of the gradient of each layer"
    return Plot("gradient_by_layer", svg(parts, WIDTH, bottom + 28, label), caption)


def _mark(i: int, x: float, y: float, told: str = "") -> str:
    """Return the mark of a moment: circle, square, triangle."""
    title = f"<title>{escaped(told)}</title>" if told else ""
    if i == 0:
        return (
            f'<circle class="{line_class(7)}" fill="none" stroke-width="1.8" cx="{place(x)}" '
            f'cy="{place(y)}" r="4.5" pointer-events="all">{title}</circle>'
        )
    path = "m-4.5-4.5h9v9h-9z" if i == 1 else "m0-5.5l5.5 9.5h-11z"
    return f'<path class="f{i - 1}" d="M{place(x)} {place(y)}{path}">{title}</path>'


def _weights(outcome: Outcome) -> Plot:
    assert outcome.first_layer is not None
    tiles = outcome.first_layer
    units = len(tiles)
    strong = np.sqrt(np.square(tiles).reshape(units, -1).sum(axis=1))
    chosen = np.argsort(-strong, kind="stable")[:UNITS]
    tiles = smaller(tiles[chosen])
    columns = min(len(tiles), 8 if tiles.shape[2] < 40 else 6)
    if tiles.shape[3] == 1:
        picture = montage(signed(tiles[..., 0]), columns)
        how = "Blue pixels speak for the unit, orange ones against it; each has its own scale."
    else:
        largest = np.abs(tiles).reshape(len(tiles), -1).max(axis=1)[:, None, None, None]
        scaled = tiles / np.where(largest > 0, largest, 1)
        picture = montage(as_bytes(scaled, -1, 1), columns)
        how = "Grey is 0; a colour speaks for the unit where it is bright; each has its own scale."
    height, width = picture.shape[:2]
    by = (WIDTH - 16) / width
    parts = [
        '<text class="title ink" x="8" y="18">weights of the first layer</text>',
        f'<image x="8" y="30" width="{place(width * by)}" height="{place(height * by)}" '
        f'style="image-rendering:pixelated" href="{data_uri(picture)}"/>',
    ]
    which = f"the {len(chosen)} of {units} units with the largest" if units > UNITS else "all"
    caption = (
        f"The weights of {which} {'weights' if units > UNITS else f'{units} units'}, the largest "
        f"first, laid out as the image that they look at. {how} Clear shapes have been learned; "
        "what looks like noise has hardly moved from its start, or learned single images by heart."
    )
    return Plot("first_layer", svg(parts, WIDTH, 38 + height * by, "First weights"), caption)
