"""What ``bpnet runs show`` tells of a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bpnet.cli.console import Console, number
from bpnet.cli.runs_list import local
from bpnet.cli.search_progress import short

if TYPE_CHECKING:
    from bpnet.collection.searches import Point, Search

SHOWN = 20
"""Points that are listed."""


def show_search(directory: Path, console: Console) -> None:
    """Tell what a search looks for, how far it is, and which points are best."""
    from bpnet.collection.searches import read_search
    from bpnet.collection.trials import points_of

    found = read_search(directory)
    if not found.summed_up:
        found.points = points_of(found)
    if console.as_json:
        console.json(found.as_json())
        return
    console.table(["search", str(directory)], _told(found))
    if not found.points:
        return
    console.out()
    _show_points(found, console)
    if not found.summed_up:
        console.info(
            "not summed up yet: the scores are those of the runs by themselves, and none is "
            "chosen; bpnet gridsearch goes on where it stopped"
        )


def _told(found: Search) -> list[list[str]]:
    rows = [["status", found.status], ["trials", f"{found.trials:,} {_states(found)}".strip()]]
    if found.start:
        rows.append(["started", local(found.start)])
    if found.metric:
        goal = {"max": " (more is better)", "min": " (less is better)"}.get(found.mode, "")
        rows += [["method", found.method], ["metric", f"{found.metric}{goal}"]]
    if found.best is not None:
        rows.append(["best", f"{_score(found.best)}; {_values(found.best)}"])
    if found.best_run is not None:
        rows.append(["its run", str(found.best_run)])
    if found.importance:
        shares = sorted(found.importance.items(), key=lambda entry: -entry[1])
        rows.append(["importance", ", ".join(f"{name} {share:.0%}" for name, share in shares)])
    return rows


def _states(found: Search) -> str:
    """Return how many points are in which state, if not all are done."""
    states: dict[str, int] = {}
    for point in found.points:
        states[point.state] = states.get(point.state, 0) + 1
    if set(states) <= {"done"}:
        return ""
    return f"(points: {', '.join(f'{count} {state}' for state, count in states.items())})"


def _score(point: Point) -> str:
    spread = "" if point.interval is None else f" ± {point.interval:.2g}"
    return f"{number(point.score)}{spread}"


def _values(point: Point) -> str:
    from bpnet.collection.comparing import brief

    return " ".join(f"{name}={brief(value)}" for name, value in point.values.items())


def _show_points(found: Search, console: Console) -> None:
    from bpnet.collection.comparing import brief

    shown = found.points[:SHOWN]
    paths = list(dict.fromkeys(path for point in shown for path in point.values))
    others = [name for name in _metrics(shown) if name != found.metric]
    header = ["rank", "trial", "state", *short(paths), found.metric or "score", *others]
    rows = [
        [
            point.place or "-",
            str(point.trial),
            point.state,
            *(brief(point.values.get(path)) for path in paths),
            _score(point),
            *(number(point.metrics.get(name)) for name in others),
        ]
        for point in shown
    ]
    first = 3 + len(paths)
    right = (0, 1, *range(first, len(header)))
    console.table(header, rows, right=right, whole=(0, 1, 2, first))
    if len(found.points) > len(shown):
        console.info(f"{len(found.points) - len(shown)} more; --json lists all")


def _metrics(points: list[Point]) -> list[str]:
    """Return the loss among the metrics: the others are a table of its own, in a report."""
    return ["val/loss"] if any("val/loss" in point.metrics for point in points) else []
