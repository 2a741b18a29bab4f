"""Every combination."""

from __future__ import annotations

from collections.abc import Generator

from bpnet.config.searching import LIMIT, Grid
from bpnet.errors import OptionError
from bpnet.search.dimensions import Interval
from bpnet.search.methods.base import Request, Result, Setting
from bpnet.search.space import Point


def check(options: Grid, setting: Setting) -> None:
    """Refuse ranges without a count, and more points than anybody waits for.

    Raises
    ------
    OptionError
        The path starts below ``search``.
    """
    for dimension in setting.space:
        domain = dimension.domain
        if isinstance(domain, Interval) and domain.count is None and not domain.whole:
            raise OptionError(
                f"a grid takes single values of {dimension.key}; add `count: 5` beside the range, "
                "or choose another method, such as random",
                "space",
                dimension.key,
            )
    size = setting.space.size
    if size > LIMIT:
        raise OptionError(
            f"{size:,} points are more than a grid can try ({LIMIT:,}); give fewer values, or "
            "`method: {type: random, points: 100}`",
            "space",
        )


def propose(options: Grid, setting: Setting) -> Generator[list[Request], list[Result], None]:
    """Yield one round of all points; equal ones, written differently, are one."""
    points: dict[str, Point] = {}
    for point in setting.space.grid():
        points.setdefault(point.hash, point)
    yield [Request(point) for point in points.values()]
