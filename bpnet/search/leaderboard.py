"""The points of a search, the best first, as people and programs read them.

Nothing in it depends on the clock or on who carried out what: equal searches give equal bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bpnet.config.nodes import Plain
from bpnet.config.write import inline
from bpnet.runs import rundir
from bpnet.search.statistics import half_width, mean
from bpnet.search.store import Trial
from bpnet.search.study import Study, Tried


@dataclass
class Row:
    """One point.

    Attributes
    ----------
    tried
        The point with its trials.
    state, reason
        What became of it: that of the first of its trials that is not done.
    score, spread
        Mean over its trials, and half the width of its 95 % interval.
    metrics
        Means of all metrics.
    epochs
        The most that one of its trials trained.
    rank, tied
        Its place, and whether others' intervals overlap with that of the first of its place.
    """

    tried: Tried
    state: str
    reason: str
    score: float | None
    spread: float | None
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    rank: int | None = None
    tied: bool = False

    @property
    def first(self) -> Trial:
        """Its first trial."""
        return self.tried.trials[0]

    @property
    def place(self) -> str:
        """Its rank for people: ``1``, ``2=`` where it is a tie, ``-`` for none."""
        return "-" if self.rank is None else f"{self.rank}{'=' * self.tied}"


_ORDER = {"done": 0, "paused": 1, "pruned": 1, "waiting": 2, "asked": 2, "failed": 3}


def rows(study: Study) -> list[Row]:
    """Return all points, the best first; those that did not finish come last.

    Equal scores are ordered by their number, so that the best is the same whatever ended first.
    """
    found = [_row(study, tried) for tried in study.tried.values()]

    def order(row: Row) -> tuple[int, int, float, int]:
        loss = study.plan.loss(row.score)
        far = -row.epochs if row.state != "done" else 0
        return (
            _ORDER[row.state],
            far,
            float("inf") if loss is None else loss,
            row.first.number,
        )

    found.sort(key=order)
    _rank(found, study.plan.mode)
    return found


def _row(study: Study, tried: Tried) -> Row:
    outcomes = [trial.outcome for trial in tried.trials]
    state = max((o.state for o in outcomes), key=lambda state: _ORDER[state])
    reason = next((o.reason for o in outcomes if o.state == state), "")
    scores = [study.score(trial) for trial in tried.trials]
    known = [score for score in scores if score is not None]
    if state == "paused":
        known = [c[-1] for o in outcomes if (c := o.curve) and c[-1] is not None]
        reason = f"halving: stopped after epoch {max(len(o.curve) for o in outcomes)}"
    if state == "pruned" and not known:
        known = [o.score for o in outcomes if o.score is not None]
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.metrics)
    metrics = {}
    for name in names:
        values = [v for o in outcomes if (v := o.metrics.get(name)) is not None]
        if values:
            metrics[name] = mean(values)
    done = state == "done" and len(known) == len(scores)
    return Row(
        tried,
        state,
        reason,
        mean(known) if known and (done or state in ("paused", "pruned")) else None,
        half_width(known) if done else None,
        metrics if done else {},
        max((outcome.epochs for outcome in outcomes), default=0),
    )


def _rank(found: list[Row], mode: str) -> None:
    """Give every finished point its place; those that can't be told from its first share it."""
    ranked = [row for row in found if row.state == "done" and row.score is not None]
    leader: Row | None = None
    for number, row in enumerate(ranked, 1):
        if leader is not None and _overlap(leader, row):
            row.rank, row.tied, leader.tied = leader.rank, True, True
        else:
            row.rank, leader = number, row


def _overlap(one: Row, other: Row) -> bool:
    assert one.score is not None
    assert other.score is not None
    return abs(one.score - other.score) <= (one.spread or 0.0) + (other.spread or 0.0)


def best(found: Sequence[Row]) -> Row | None:
    """Return the best point, if any finished."""
    return next((row for row in found if row.rank is not None), None)


def metric_names(study: Study, found: Sequence[Row]) -> list[str]:
    """Return the metrics that were measured, the one that is compared first."""
    names = dict.fromkeys([study.plan.search.metric])
    names |= dict.fromkeys(name for row in found for name in row.metrics)
    return list(names)


def as_csv(study: Study, found: Sequence[Row]) -> str:
    """Return the leaderboard as CSV: a line for each point."""
    names = metric_names(study, found)
    keys = study.plan.space.keys
    repeated = len(study.plan.units) > 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["rank", "trial", "state", *keys, *names, *(["interval"] if repeated else [])]
    writer.writerow([*head, "epochs", "run", "reason"])
    for row in found:
        values = row.tried.point.values
        metrics = {study.plan.search.metric: row.score, **row.metrics}
        writer.writerow(
            [
                row.place,
                row.first.number,
                row.state,
                *(_cell(values, key) for key in keys),
                *(_number(metrics.get(name)) for name in names),
                *([_number(row.spread)] if repeated else []),
                row.epochs,
                row.first.directory,
                row.reason,
            ]
        )
    return text.getvalue()


def _cell(values: Any, key: str) -> str:
    if key not in values:
        return ""
    value: Plain = values[key]
    return value if isinstance(value, str) else inline(value)


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def as_json(study: Study, found: Sequence[Row], importance: dict[str, float]) -> dict[str, Any]:
    """Return the leaderboard as JSON values."""
    top = best(found)
    return {
        "metric": study.plan.search.metric,
        "mode": study.plan.mode,
        "method": study.plan.search.method.type,
        "complete": study.is_complete,
        "importance": importance,
        "best": None if top is None else top.first.number,
        "points": [_point(study, row) for row in found],
    }


def _point(study: Study, row: Row) -> dict[str, Any]:
    point: dict[str, Any] = {
        "rank": row.rank,
        "tied": row.tied,
        "trial": row.first.number,
        "state": row.state,
        "values": dict(row.tried.point.values),
        "score": row.score,
        "interval": row.spread,
        "metrics": row.metrics,
        "epochs": row.epochs,
        "reason": row.reason or None,
        "run": row.first.directory,
    }
    if len(row.tried.trials) > 1:
        point["trials"] = [
            {
                "trial": trial.number,
                "seed": trial.seed,
                "fold": trial.fold if trial.fold >= 0 else None,
                "state": trial.outcome.state,
                "score": study.score(trial),
                "reason": trial.outcome.reason or None,
                "run": trial.directory,
            }
            for trial in row.tried.trials
        ]
    checked = rundir.finite(point)
    assert isinstance(checked, dict)
    return checked
