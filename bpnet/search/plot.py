"""A picture of the space: the score of every point against each parameter, as SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from html import escape

from bpnet.search.leaderboard import Row, best
from bpnet.search.study import Study

_WIDTH, _HEIGHT = 260, 180
_LEFT, _TOP, _GAP = 58, 30, 40
_COLUMNS = 3
_TITLE = 26
_MARGIN = 0.05
"""Of a panel's height, what is free above and below the points."""
_ROOM = 0.16
"""Of a panel's width, what the label of a number takes."""


def draw(study: Study, found: Sequence[Row]) -> str:
    """Return the picture: one panel for each key, the best point marked."""
    done = [row for row in found if row.state == "done" and row.score is not None]
    keys = study.plan.space.keys
    columns = min(_COLUMNS, len(keys))
    width = columns * (_WIDTH + _LEFT + _GAP)
    height = math.ceil(len(keys) / columns) * (_HEIGHT + _TOP + _GAP + 10) + _TITLE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    goal = "more" if study.plan.mode == "max" else "less"
    metric = escape(study.plan.search.metric)
    parts.append(
        f'<text x="{_LEFT}" y="18" font-size="13">{metric} of each point ({goal} is better; '
        "red: the best)</text>"
    )
    top = best(found)
    for i, key in enumerate(keys):
        x = (i % columns) * (_WIDTH + _LEFT + _GAP) + _LEFT
        y = (i // columns) * (_HEIGHT + _TOP + _GAP + 10) + _TOP + _TITLE
        parts.append(f'<g transform="translate({x},{y})">')
        parts += _panel(study, done, key, top)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(study: Study, done: Sequence[Row], key: str, top: Row | None) -> list[str]:
    shown = [row for row in done if key in row.tried.point.values]
    scores = [row.score for row in done if row.score is not None]
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    margin = (high - low) * _MARGIN

    def height(score: float) -> float:
        return _HEIGHT * (high + margin - score) / (high - low + 2 * margin)

    places, ticks = _places(shown, key)
    parts = [
        f'<text x="{_WIDTH / 2:g}" y="-10" text-anchor="middle" font-weight="bold">'
        f"{escape(key)}</text>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#bbb"/>',
    ]
    for value in (low, (low + high) / 2, high):
        y = height(value)
        parts.append(
            f'<text x="-6" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value:.4g}</text>'
        )
        parts.append(f'<line x1="0" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>')
    for place, label in ticks:
        parts.append(
            f'<text x="{place * _WIDTH:.1f}" y="{_HEIGHT + 16}" text-anchor="middle" '
            f'fill="#555">{escape(_cut(label))}</text>'
        )
    for row, place in reversed(list(zip(shown, places, strict=True))):  # the best on top
        assert row.score is not None
        y = height(row.score)
        chosen = row is top
        parts.append(
            f'<circle cx="{place * _WIDTH:.1f}" cy="{y:.1f}" r="{5 if chosen else 3}" '
            f'fill="{"#d62728" if chosen else "#1f77b4"}" fill-opacity="{1 if chosen else 0.5}">'
            f"<title>trial {row.first.number}: {escape(study.plan.search.metric)} {row.score:.6g}"
            f"</title></circle>"
        )
    return parts


def _cut(label: str) -> str:
    return label if len(label) <= 14 else label[:13] + "…"


def _places(shown: Sequence[Row], key: str) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where each row lies from left (0) to right (1), and the labels below."""
    values = [row.tried.point.values[key] for row in shown]
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values) and len(set(numbers)) > 1:
        log = min(numbers) > 0 and max(numbers) / min(numbers) >= 20
        scaled = [math.log(v) if log else float(v) for v in numbers]
        low, high = min(scaled), max(scaled)
        places = [0.05 + 0.9 * (v - low) / (high - low) for v in scaled]
        ends = sorted(zip(places, numbers, strict=True))
        several = dict.fromkeys(ends)
        near = min((b[0] - a[0] for a, b in itertools.pairwise(several)), default=1.0)
        labelled = several if near >= _ROOM else (ends[0], ends[-1])
        return places, [(place, f"{number:.4g}") for place, number in labelled]
    labels = [row.tried.point.labels[key] for row in shown]
    names = list(dict.fromkeys(sorted(labels)))
    where = {name: (i + 0.5) / len(names) for i, name in enumerate(names)}
    return [where[label] for label in labels], [(place, name) for name, place in where.items()]
