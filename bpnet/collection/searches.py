"""What a search came to, from the files that it leaves: its leaderboard and its trials."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpnet.config.document import Document
from bpnet.errors import BpnetError, RunError
from bpnet.runs import durable, lock, rundir

TRIALS = "trials"
LEADERBOARD = "leaderboard.json"
BEST = "best.txt"

_LARGEST = 1 << 28
"""Bytes of a leaderboard."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a search, with all of its trainings.

    Attributes
    ----------
    place
        Its rank for people: ``1``, ``2=`` where it is a tie, empty for none.
    trial
        The number of its first training.
    state
        ``done``, ``pruned``, ``paused``, ``waiting``, ``asked`` or ``failed``; or the status of its
        run, where the search has not been summed up.
    values
        What it puts into the config, by path.
    score, interval
        The metric that is compared, and half the width of its 95 % interval over its trainings.
    metrics
        All that was measured.
    epochs
        The most that one of its trainings did.
    reason
        Why it is not done.
    runs
        Its run directories.
    """

    place: str
    trial: int
    state: str
    values: Mapping[str, Any]
    score: float | None
    interval: float | None
    metrics: Mapping[str, float]
    epochs: int
    reason: str
    runs: tuple[Path, ...]


@dataclass(slots=True)
class Search:
    """A search.

    Attributes
    ----------
    directory
        Its path.
    status
        ``running``; ``done``; ``interrupted``; ``cut off`` where it ended without a word.
    metric, mode, method
        What is compared, whether less or more of it is better, and how points are chosen; empty
        where that is not known.
    points
        The best first.
    importance
        The share of the scores' variance that each path explains.
    best
        The best point, if one is done.
    best_run
        The run of the best training, if there is one.
    trials
        How many run directories there are.
    start
        When it began, in ISO 8601.
    summed_up
        Whether there is a leaderboard.
    """

    directory: Path
    status: str = ""
    metric: str = ""
    mode: str = ""
    method: str = ""
    points: list[Point] = field(default_factory=list)
    importance: dict[str, float] = field(default_factory=dict)
    best: Point | None = None
    best_run: Path | None = None
    trials: int = 0
    start: str = ""
    summed_up: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "search": str(self.directory),
            "status": self.status,
            "metric": self.metric,
            "mode": self.mode,
            "method": self.method,
            "trials": self.trials,
            "start": self.start or None,
            "best": None if self.best is None else self.best.trial,
            "best_run": None if self.best_run is None else str(self.best_run),
            "importance": self.importance,
            "points": [
                {
                    "rank": point.place or None,
                    "trial": point.trial,
                    "state": point.state,
                    "values": dict(point.values),
                    "score": point.score,
                    "interval": point.interval,
                    "metrics": dict(point.metrics),
                    "epochs": point.epochs,
                    "reason": point.reason or None,
                    "runs": list(map(str, point.runs)),
                }
                for point in self.points
            ],
        }


def is_search(directory: Path) -> bool:
    """Say whether a directory is one of a search."""
    return (directory / rundir.SEARCH).is_file()


def read_search(directory: Path) -> Search:
    """Read what a search came to; no points where it has not been summed up yet.

    Raises
    ------
    RunError
        If its leaderboard is damaged.
    """
    folders = trial_folders(directory)
    found = Search(directory, trials=len(folders), start=_start(directory, folders))
    if (directory / LEADERBOARD).is_file():
        path = directory / LEADERBOARD
        told = rundir.parse_json(durable.read(path, limit=_LARGEST), path)
        try:
            _take(found, told)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise RunError(f"{path}: damaged, or written by something else") from error
        complete = told.get("complete") is True
    else:
        complete = False
        _expect(found)
    held = lock.is_held(directory)
    ended = "done" if complete else "interrupted" if found.summed_up else rundir.CUT_OFF
    found.status = "running" if held else ended
    found.best_run = _best_run(found)
    return found


def trial_folders(directory: Path) -> list[Path]:
    """Return the directories of a search's trainings; links are not followed."""
    folder = directory / TRIALS
    if not is_search(directory) or folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def _start(directory: Path, folders: list[Path]) -> str:
    """Return when the first training began."""
    for folder in folders[:1]:
        with contextlib.suppress(BpnetError):
            return str(rundir.open_run(folder).get("start") or "")
    return ""


def _take(found: Search, told: Mapping[str, Any]) -> None:
    """Take what a leaderboard tells."""
    found.metric, found.mode, found.method = (str(told[k]) for k in ("metric", "mode", "method"))
    found.importance = {str(k): float(v) for k, v in dict(told.get("importance") or {}).items()}
    found.points = [_point(found.directory, entry) for entry in told["points"]]
    found.best = next((point for point in found.points if point.place), None)
    found.summed_up = True


def _point(directory: Path, entry: Mapping[str, Any]) -> Point:
    rank = entry["rank"]
    runs = [trial["run"] for trial in entry.get("trials") or [entry]]
    return Point(
        "" if rank is None else f"{int(rank)}{'=' * bool(entry['tied'])}",
        int(entry["trial"]),
        str(entry["state"]),
        {str(k): v for k, v in entry["values"].items()},
        _real(entry["score"]),
        _real(entry["interval"]),
        {str(k): v for k, v in entry["metrics"].items() if _real(v) is not None},
        int(entry["epochs"]),
        str(entry["reason"] or ""),
        tuple(directory / str(run) for run in runs),
    )


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _expect(found: Search) -> None:
    """Take what the config of a search names."""
    with contextlib.suppress(BpnetError):
        document = Document.read(str(found.directory / rundir.CONFIG))
        method = document.peek("search", "method", default="grid")
        found.method = str(method.get("type", "") if isinstance(method, dict) else method)
        found.metric = str(document.peek("search", "metric", default="val/loss"))
        mode = document.peek("search", "mode", default="auto")
        found.mode = str(mode) if mode in ("min", "max") else ""


def _best_run(found: Search) -> Path | None:
    """Return the run that the search names as its best, if it lies in the search."""
    path = found.directory / BEST
    with contextlib.suppress(BpnetError):
        if path.is_file():
            named = durable.read(path, limit=1 << 16).decode("utf-8", "replace").strip()
            run = found.directory / named.split("\n")[0]
            if run.parent == found.directory / TRIALS and run.is_dir():
                return run
    return None
