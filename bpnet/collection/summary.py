"""What one run came to, from its small files alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bpnet.collection.searches import TRIALS, is_search, read_search
from bpnet.errors import BpnetError, RunError
from bpnet.runs import durable, lock, metrics_log, rundir

Kind = Literal["run", "search", "damaged"]


@dataclass(slots=True)
class Summary:
    """One entry of a folder with runs.

    Attributes
    ----------
    directory
        Its path.
    kind
        ``run``, ``search``, or ``damaged``: a run that can't be read.
    status
        As in ``run.json``; ``cut off`` where nobody writes any more.
    reason
        Why it stopped, or what is damaged; of a search how many trials there are, and which is
        best.
    epochs
        How many are done.
    monitor, best, best_epoch
        What early stopping looked at, its best value and when that was.
    metrics
        The metrics of the model, or of the best epoch so far.
    seconds
        How long it trained, or has.
    start
        When it began, in ISO 8601.
    finished
        Whether there is a ``result.json``, and with it a model.
    """

    directory: Path
    kind: Kind = "run"
    status: str = ""
    reason: str = ""
    epochs: int | None = None
    monitor: str = ""
    best: float | None = None
    best_epoch: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None
    start: str = ""
    finished: bool = False

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self.directory.name

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "run": str(self.directory),
            "kind": self.kind,
            "status": self.status,
            "reason": self.reason,
            "epochs": self.epochs,
            "monitor": self.monitor or None,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "metrics": self.metrics,
            "seconds": self.seconds,
            "start": self.start or None,
        }


def summarize(directory: Path) -> Summary:
    """Read what a run came to; a damaged one says so.

    Raises
    ------
    RunError
        If it is no run, not even a damaged one.
    """
    if is_search(directory):
        return _search(directory)
    if not looks_like_run(directory):
        rundir.open_run(directory)
    try:
        return _run(directory)
    except (BpnetError, ValueError, TypeError, KeyError, AttributeError) as error:
        if lock.is_held(directory) and not (directory / rundir.RUN).exists():
            return Summary(directory, "run", "starting")
        said = str(error).removeprefix(f"{directory}: ").removeprefix(f"{directory}/")
        return Summary(directory, "damaged", "damaged", said or type(error).__name__)


def looks_like_run(directory: Path) -> bool:
    """Say whether a directory is one that bpnet made for a run, in whatever state."""
    if (directory / rundir.RUN).is_file():
        return True
    return (directory / rundir.CHECKPOINTS).is_dir() and (
        (directory / lock.LOCK).is_file() or (directory / rundir.RESOLVED).is_file()
    )


def _search(directory: Path) -> Summary:
    """Sum a search up as an entry of its own: its best point, of how many trials."""
    try:
        search = read_search(directory)
    except BpnetError as error:
        said = str(error).removeprefix(f"{directory}/")
        return Summary(directory, "search", "damaged", said)
    trials = f"{search.trials} trial{'' if search.trials == 1 else 's'}"
    found = Summary(directory, "search", search.status, trials, start=search.start)
    found.monitor = search.metric
    if search.best is not None:
        found.best = search.best.score
        found.metrics = dict(search.best.metrics)
        named = search.best_run or search.best.runs[0]
        number = named.name.partition("-")[0].lstrip("0")
        found.reason = f"trial {number} of {search.trials}"
    return found


def _run(directory: Path) -> Summary:
    facts = rundir.open_run(directory)
    found = Summary(
        directory,
        "run",
        rundir.standing(directory, facts),
        str(facts.get("stop_reason") or ""),
        start=str(facts.get("start") or ""),
    )
    if (directory / rundir.RESULT).is_file():
        _finish(found, rundir.read_json(directory / rundir.RESULT))
    elif (directory / rundir.METRICS).is_file():
        _follow(found, directory)
    return found


def _finish(found: Summary, result: Mapping[str, Any]) -> None:
    found.finished = True
    found.epochs = int(result["epochs"])
    found.monitor, found.best = str(result["monitor"]), _real(result["best"])
    found.best_epoch = result["best_epoch"]
    found.metrics = {str(k): v for k, v in result["metrics"].items() if _real(v) is not None}
    found.seconds = _real(result.get("training_s"))


def _follow(found: Summary, directory: Path) -> None:
    """Take what an unfinished run has written so far: its best epoch."""
    rows = metrics_log.read(directory)
    if not rows:
        found.epochs = 0
        return
    found.epochs = int(rows[-1]["epoch"])
    found.seconds = sum(_real(row.get("time_s")) or 0.0 for row in rows)
    best = next((row for row in reversed(rows) if row.get("best")), rows[-1])
    found.best_epoch = int(best["epoch"])
    found.metrics = {k: v for k, v in best.items() if "/" in k and _real(v) is not None}


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def summarize_all(root: Path) -> list[Summary]:
    """Summarize every run and search in a folder; of a search, its trials.

    Raises
    ------
    RunError
        If there is no such folder, or it is a run itself.
    RefusedError
        If the operating system refuses.
    """
    if not root.is_dir():
        raise RunError(
            f"{root}: no such folder; runs are made in ./runs, or where --runs-root says"
        )
    if (root / rundir.RUN).is_file():
        raise RunError(f"{root}: a run itself; bpnet runs show {root} tells of it")
    folder = root / TRIALS if is_search(root) else root
    found = []
    with durable.refusals("read", folder):
        directories = sorted(path for path in folder.iterdir() if path.is_dir())
    for directory in directories:
        if is_search(directory) or looks_like_run(directory):
            found.append(summarize(directory))
    return found
