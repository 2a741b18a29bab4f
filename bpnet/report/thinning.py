"""Long curves with fewer points: every extreme stays."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]


def thin(points: Sequence[Point], buckets: int = 300) -> list[Point]:
    """Return at most about four points for each of `buckets` pieces of a curve.

    Of each piece the first, the lowest, the highest and the last stay, and a gap (a number that
    isn't finite) where there is one: what is drawn looks like the whole.
    """
    if len(points) <= 4 * buckets:
        return list(points)
    kept: list[Point] = []
    for i in range(buckets):
        start, stop = i * len(points) // buckets, (i + 1) * len(points) // buckets
        piece = range(start, stop)
        finite = [j for j in piece if math.isfinite(points[j][1])]
        gaps = [j for j in piece if not math.isfinite(points[j][1])]
        chosen = {start, stop - 1, *gaps[:1]}
        if finite:
            chosen.add(min(finite, key=lambda j: points[j][1]))
            chosen.add(max(finite, key=lambda j: points[j][1]))
        kept += [points[j] for j in sorted(chosen)]
    return kept


def spread(count: int, most: int) -> list[int]:
    """Return at most `most` indices below `count`, evenly, with the first and the last."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
