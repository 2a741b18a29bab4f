"""Points drawn at random."""

from __future__ import annotations

from collections.abc import Generator

from bpnet.config.searching import RandomPoints
from bpnet.search.methods.base import Request, Result, Setting, at_random, different
from bpnet.search.space import Point
from bpnet.streams import stream


def draw(setting: Setting, count: int, name: str = "search") -> list[Point]:
    """Draw points that differ; a space with fewer points gives what it has."""
    choose = at_random(stream(setting.seed, name))

    def points() -> Generator[Point, None, None]:
        while True:
            yield setting.space.point(choose)

    return different(points(), count)


def propose(
    options: RandomPoints, setting: Setting
) -> Generator[list[Request], list[Result], None]:
    """Yield one round of all points."""
    yield [Request(point) for point in draw(setting, options.points)]
