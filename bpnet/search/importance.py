"""How much each parameter matters: the share of the scores' variance that it explains alone.

The points are grouped by the parameter's value (numbers of a range by fifths of it), and the
variance between the groups is set against that of all scores. As many groups explain something by
chance, what chance explains is taken off (epsilon squared; Kelley, "An Unbiased Correlation Ratio
Measure", 1935). What parameters do together shows in none of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bpnet.search.dimensions import Interval
from bpnet.search.leaderboard import Row
from bpnet.search.statistics import mean
from bpnet.search.study import Study

GROUPS = 5
"""Into how many a range is divided."""


def importance(study: Study, found: Sequence[Row]) -> dict[str, float]:
    """Return the share of the variance (0 to 1) that each key explains; none from few points."""
    done = [row for row in found if row.score is not None and row.state == "done"]
    scores = [row.score for row in done if row.score is not None]
    if len(scores) < 4 or len(set(scores)) < 2:
        return {}
    shares = {}
    for key in study.plan.space.keys:
        groups: dict[str, list[float]] = {}
        for row, score in zip(done, scores, strict=True):
            if key in row.tried.point.values:  # else it belongs to a block that is not there
                groups.setdefault(_group(study, row, key), []).append(score)
        shares[key] = _explained(list(groups.values()), scores)
    return shares


def _group(study: Study, row: Row, key: str) -> str:
    values = row.tried.point.values
    domains = [d.domain for d in study.plan.space if d.key == key]
    if isinstance(domains[0], Interval) and domains[0].count is None:
        low = min(domain.low for domain in domains if isinstance(domain, Interval))
        high = max(domain.high for domain in domains if isinstance(domain, Interval))
        part = Interval(low, high, domains[0].log).part_of(values[key])
        return str(min(int(part * GROUPS), GROUPS - 1))
    return row.tried.point.labels[key]


def _explained(groups: Sequence[Sequence[float]], scores: Sequence[float]) -> float:
    """Return the share of the variance of all scores that lies between groups of some of them."""
    grouped = [score for group in groups for score in group]
    free = len(grouped) - len(groups)
    if free <= 0:
        return 0.0
    within = math.fsum((s - mean(group)) ** 2 for group in groups for s in group)
    by_chance = (len(groups) - 1) * within / free
    explained = (_squares(grouped) - within - by_chance) / _squares(scores)
    return round(min(max(explained, 0.0), 1.0), 6)


def _squares(scores: Sequence[float]) -> float:
    middle = mean(scores)
    return math.fsum((score - middle) ** 2 for score in scores)
