"""Many points briefly, the best of them longer: successive halving, and Hyperband.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization" (2016); Li et al., "Hyperband" (2018). All points train under the full number of
epochs from the start and pause at the rungs, so schedules are those of the whole training, and
a survivor ends with the very bytes of a training without a pause.
"""

from __future__ import annotations

import math
from collections.abc import Generator

from bpnet.config.searching import LIMIT, Halving, Hyperband
from bpnet.errors import OptionError
from bpnet.search.methods.base import Request, Result, Setting
from bpnet.search.methods.draws import draw
from bpnet.search.space import Point


def check(options: Halving | Hyperband, setting: Setting) -> None:
    """Refuse a space of epochs, and a first rung behind the end.

    Raises
    ------
    OptionError
        The path starts below ``search``.
    """
    for dimension in setting.space:
        if dimension.path == ("training", "epochs"):
            raise OptionError(
                f"{options.type} chooses how many epochs each point trains; leave this out",
                "space",
                dimension.key,
            )
    if options.first is not None and options.first > setting.epochs:
        raise OptionError(
            f"expected at most training.epochs ({setting.epochs}), received {options.first}",
            "method",
            "first",
        )
    if isinstance(options, Hyperband):
        total = sum(count for count, _ in brackets(options, setting.epochs))
        if total > LIMIT:
            raise OptionError(f"{total:,} points; at most {LIMIT:,}: raise first", "method")


def rungs(count: int, first: int | None, reduction: int, epochs: int) -> list[tuple[int, int]]:
    """Return how many points train until which epoch, from the first rung to the last.

    Parameters
    ----------
    count
        Points that start.
    first
        Epochs of the first rung; None: so many that few points are left at the end.
    reduction
        One of so many goes on, for so many times as long.
    epochs
        Of a whole training.
    """
    if first is None:
        steps = max(0, math.ceil(math.log(count, reduction) - 1e-9))
        first = max(1, math.ceil(epochs / reduction**steps))
    ladder = [(count, min(first, epochs))]
    while ladder[-1][1] < epochs:
        points, until = ladder[-1]
        ladder.append((max(1, points // reduction), min(until * reduction, epochs)))
    return ladder


def propose(options: Halving, setting: Setting) -> Generator[list[Request], list[Result], None]:
    """Yield a round for each rung."""
    points = draw(setting, options.points)
    yield from _climb(points, options.first, options.reduction, setting)


def brackets(options: Hyperband, epochs: int) -> list[tuple[int, int]]:
    """Return how many points start with how many epochs, the briefest start first."""
    eta = options.reduction
    last = math.floor(math.log(epochs / options.first, eta) + 1e-9)
    return [
        (math.ceil((last + 1) / (s + 1) * eta**s), max(1, math.ceil(epochs / eta**s)))
        for s in range(last, -1, -1)
    ]


def propose_brackets(
    options: Hyperband, setting: Setting
) -> Generator[list[Request], list[Result], None]:
    """Yield the rounds of every bracket; a point that comes twice is not trained twice."""
    for number, (count, first) in enumerate(brackets(options, setting.epochs)):
        points = draw(setting, count, f"search/{number}")
        yield from _climb(points, first, options.reduction, setting)


def _climb(
    points: list[Point], first: int | None, reduction: int, setting: Setting
) -> Generator[list[Request], list[Result], None]:
    for count, until in rungs(len(points), first, reduction, setting.epochs):
        points = points[:count]
        end = None if until >= setting.epochs else until
        results = yield [Request(point, end) for point in points]
        ranked = sorted(
            (result for result in results if result.loss is not None),
            key=lambda result: (result.loss, result.point.hash),
        )
        points = [result.point for result in ranked]
