"""A confusion matrix as a picture, readable with two classes and with a hundred."""

from __future__ import annotations

import numpy as np

from bpnet.nn.arena import Array
from bpnet.report.chart import WIDTH, place, svg, text_width
from bpnet.report.pictures import data_uri
from bpnet.report.wording import cut, cut_inside, escaped, figure, share

NAMED = 30
"""Classes up to which every cell has its number, its own rectangle and its text."""

ZEROS = 6
"""Classes up to which an empty cell says so."""


def draw(names: tuple[str, ...], counts: Array, column: str) -> str:
    """Return the matrix: true classes down, predicted ones across, by shares of each row.

    Parameters
    ----------
    names
        The classes.
    counts
        Rows (or sums of weights) of each class taken for each class, ``(C, C)``.
    column
        What is predicted.
    """
    many = len(names)
    shown = [cut_inside(name, 14) for name in names]
    longest = max(text_width(name) for name in shown)
    numbers = max(text_width(figure(round(float(n), 1))) for n in counts.ravel().tolist())
    cell = max(26.0, numbers + 8) if many <= 12 else max(19.0, numbers + 4)
    if many > NAMED:
        cell = max(3.0, 640 / many)
    elif many * cell < 300:
        cell = min(300 / many, 90.0)
    left, upright = longest + 34, longest > cell - 4
    top = 54 + longest if upright else 58.0
    width, height = max(left + many * cell + 14, WIDTH), top + many * cell + 12
    parts = [
        f'<text class="title ink" x="8" y="18">Confusion matrix of {escaped(cut(column, 40))}'
        "</text>",
        f'<text class="quiet small" x="{place(left)}" y="36">predicted →</text>',
        f'<text class="quiet small" x="14" y="{place(top + many * cell / 2)}" '
        f'text-anchor="middle" transform="rotate(-90 14 {place(top + many * cell / 2)})">'
        "← true</text>",
    ]
    every = max(1, round(15 / cell + 0.49)) if many > NAMED else 1
    for i, name in enumerate(shown):
        if i % every:
            continue
        middle = (i + 0.5) * cell
        parts.append(
            f'<text class="ink" x="{place(left - 6)}" y="{place(top + middle + 4)}" '
            f'text-anchor="end">{escaped(name)}</text>'
        )
        x, y = left + middle, top - 6
        if upright:
            parts.append(
                f'<text class="ink" x="{place(x + 4)}" y="{place(y)}" '
                f'transform="rotate(-90 {place(x + 4)} {place(y)})">{escaped(name)}</text>'
            )
        else:
            parts.append(
                f'<text class="ink" x="{place(x)}" y="{place(y)}" text-anchor="middle">'
                f"{escaped(name)}</text>"
            )
    total = counts.sum(axis=1, keepdims=True)
    parts += (
        _cells(names, counts, counts / np.where(total > 0, total, 1), left, top, cell)
        if many <= NAMED
        else _pixels(counts / np.where(total > 0, total, 1), left, top, cell)
    )
    parts.append(
        f'<rect class="cell" x="{place(left)}" y="{place(top)}" width="{place(many * cell)}" '
        f'height="{place(many * cell)}"/>'
    )
    least = min(int(width), 640) if many > 6 else 0
    return svg(parts, width, height, f"Confusion matrix of {column}", least=least)


def _cells(
    names: tuple[str, ...], counts: Array, shares: Array, left: float, top: float, cell: float
) -> list[str]:
    parts = []
    for i, true in enumerate(names):
        for j, said in enumerate(names):
            count, part = float(counts[i, j]), float(shares[i, j])
            x, y = left + j * cell, top + i * cell
            if not count:
                if len(names) <= ZEROS:
                    parts.append(
                        f'<text class="quiet" x="{place(x + cell / 2)}" '
                        f'y="{place(y + cell / 2 + 4)}" text-anchor="middle">0</text>'
                    )
                continue
            strong = 0.12 + 0.88 * part
            told = f"{true} taken for {said}: {figure(_whole(count))}, {share(part)} of {true}"
            ink = "ground" if strong > 0.55 else "ink"
            parts.append(
                f'<rect class="f{0 if i == j else 1}" fill-opacity="{strong:.2f}" x="{place(x)}" '
                f'y="{place(y)}" width="{place(cell)}" height="{place(cell)}">'
                f"<title>{escaped(told)}</title></rect>"
                f'<text class="{ink}" x="{place(x + cell / 2)}" y="{place(y + cell / 2 + 4)}" '
                f'text-anchor="middle" pointer-events="none">{escaped(figure(_whole(count)))}'
                "</text>"
            )
    return parts


def _whole(count: float) -> int | float:
    """Return a count; sums of weights need not be whole."""
    return int(count) if count == int(count) else round(count, 1)


_BLUE, _ORANGE = (47, 143, 207), (230, 100, 20)
"""Seen on white and on black."""


def _pixels(shares: Array, left: float, top: float, cell: float) -> list[str]:
    """Return a picture with a pixel a cell, which small shares can be seen on as well."""
    many = len(shares)
    rgba = np.zeros((many, many, 4), np.uint8)
    rgba[..., :3] = _ORANGE
    rgba[np.arange(many), np.arange(many), :3] = _BLUE
    strong = np.where(shares > 0, 0.15 + 0.85 * np.sqrt(shares), 0)
    rgba[..., 3] = np.round(255 * strong)
    size = place(many * cell)
    return [
        f'<image x="{place(left)}" y="{place(top)}" width="{size}" height="{size}" '
        f'style="image-rendering:pixelated" href="{data_uri(rgba)}"/>'
    ]
