"""How ``bpnet runs list`` sorts and shows runs, on terminals of any width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bpnet.cli.console import Console, letters, number, seconds
from bpnet.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bpnet.collection.summary import Summary

_BEST = "best (epoch)"

_NAME = 24
"""Letters of a name up to which it stays in one line on any terminal."""


def show_list(shown: Sequence[Summary], metric: str | None, console: Console) -> None:
    """Print a line for each run, with one more metric if that is wanted."""
    header = ["run", "status", "epochs", _BEST, "duration", "start"]
    rows = [_row(run) for run in shown]
    if metric is not None:
        header.insert(4, metric)
        for run, row in zip(shown, rows, strict=True):
            row.insert(4, number(run.metrics.get(metric)))
    if console.width is not None:
        _narrow(header, rows, console.width)
    right = [i for i, name in enumerate(header) if name in ("epochs", metric, "duration")]
    broken = (_BEST, "run") if any(letters(row[0]) > _NAME for row in rows) else (_BEST,)
    whole = [i for i, name in enumerate(header) if name not in broken]
    console.table(header, rows, right=right, whole=whole)


def _narrow(header: list[str], rows: list[list[str]], width: int) -> None:
    """Leave out of a list what a narrow terminal has no room for: the year, then whole columns."""

    def fits() -> bool:
        columns = dict(zip(header, zip(header, *rows, strict=True), strict=True))
        widths = {name: max(map(letters, column)) for name, column in columns.items()}
        widths[_BEST] = min(widths[_BEST], 18)  # may be broken, as very long names are
        widths["run"] = min(widths["run"], 20)
        return sum(widths.values()) + 2 * (len(widths) - 1) <= width

    whole = [max(map(letters, column)) for column in zip(header, *rows, strict=True)]
    if sum(whole) + 2 * (len(whole) - 1) > width:
        for row in rows:
            row[-1] = row[-1][5:] or row[-1]
    for name in ("duration", "start"):
        if not fits():
            place = header.index(name)
            for line in (header, *rows):
                del line[place]


def _row(run: Summary) -> list[str]:
    duration = "-" if run.seconds is None else seconds(run.seconds)
    best = run.reason if run.kind != "run" else ""
    if run.kind == "search" and run.status != "damaged":
        score = "" if run.best is None else f"{run.monitor} {number(run.best)} "
        best = f"search: {score}({run.reason})" if score else f"search: {run.reason}"
    elif run.best is not None:
        best = f"{run.monitor} {number(run.best)} ({run.best_epoch})"
    elif run.kind == "run" and run.metrics:
        name = next((name for name in run.metrics if name.startswith("val/")), None)
        name = name or next(iter(run.metrics))
        best = f"{name} {number(run.metrics[name])} ({run.best_epoch})"
    return [run.name, run.status, number(run.epochs), best, duration, local(run.start)]


def local(time: str) -> str:
    """Return a time as the clock on the wall shows it."""
    try:
        return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return time[:16] or "-"


def ordered(runs: list[Summary], key: str, reverse: bool) -> list[Summary]:
    """Sort runs: times and metrics from the newest and best, names from A; the damaged last."""
    values: dict[str, Callable[[Summary], Any]] = {
        "start": lambda run: run.start,
        "name": lambda run: run.name,
        "status": lambda run: run.status,
        "epochs": lambda run: run.epochs,
        "duration": lambda run: run.seconds,
    }
    falling = key not in ("name", "status")
    if key not in values:
        if not any(key in run.metrics for run in runs):
            known = [*values, *sorted({name for run in runs for name in run.metrics})]
            raise UsageError(f"--sort: no run has '{key}'{did_you_mean(key, known)}")
        from bpnet.collection.choosing import mode_of

        values[key] = lambda run: run.metrics.get(key)
        falling = mode_of(key) == "max"
    value = values[key]
    having = [run for run in runs if value(run) not in (None, "")]
    others = [run for run in runs if value(run) in (None, "")]
    return [*sorted(having, key=value, reverse=falling != reverse), *others]
