"""A search in its directory: started, gone on with, carried out to the end."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpnet.errors import RunError
from bpnet.runs import durable, lock, rundir
from bpnet.search import pruning, running, store
from bpnet.search.methods import Request, Result
from bpnet.search.plan import Plan
from bpnet.search.running import Crew, Progress
from bpnet.search.space import Point
from bpnet.search.statistics import mean
from bpnet.search.store import STORE, Store, Trial
from bpnet.search.trial import Outcome, Task

TRIALS = "trials"


@dataclass(frozen=True)
class Tried:
    """A point with its trials, one for each seed and fold."""

    point: Point
    trials: tuple[Trial, ...]


class Study:
    """One search, whose directory's lock is held.

    Attributes
    ----------
    plan
        What is searched, and how.
    directory, store
        Where everything is kept.
    tried
        The points of this search, in its order, as far as it has come.
    progress
        What is going on; its `stop` ends the search early.
    total
        How many trials there will be, where that is known before.
    is_complete
        Whether nothing is left to do.
    final
        With folds, the run of the best point that was trained without them.
    notes
        What the user should know before it starts.
    """

    def __init__(self, plan: Plan, directory: Path, kept: Store, notes: Sequence[str]) -> None:
        self.plan = plan
        self.directory = directory
        self.store = kept
        self.notes = list(notes)
        self.tried: dict[str, Tried] = {}
        self.progress = Progress()
        self.total: int | None = None
        self.final: Trial | None = None
        self.is_complete = False
        self._order: list[Trial] = []
        self._until: dict[int, int | None] = {}

    @property
    def trials(self) -> list[Trial]:
        """All trials of this search so far, in order."""
        return list(self._order)

    @property
    def left_out(self) -> list[Trial]:
        """Trials that are kept although their points do not belong to this search any more."""
        own = {trial.number for trial in self._order}
        final = self.final.number if self.final is not None else 0
        others = (t for t in self.store.trials.values() if t.number not in own | {final})
        return sorted(
            (t for t in others if t.fold >= 0 or not self.plan.search.folds),
            key=lambda trial: trial.number,
        )

    def run(self, crew: Crew, *, fail_fast: bool = False) -> Iterator[Progress]:
        """Carry out what is left; yield whenever something has happened.

        Raises
        ------
        RefusedError
            If the operating system refuses, or the workers are gone.
        """
        for requests in self.rounds():
            todo = [t for t in self._of(requests) if self._is_left(t)]
            yield from running.run(
                todo,
                self.task,
                self._may_start,
                self.store,
                crew,
                self.progress,
                fail_fast=fail_fast,
            )
            if self.progress.stop:
                return
        if self.plan.search.folds:
            yield from self._train_best(crew)

    def _train_best(self, crew: Crew) -> Iterator[Progress]:
        """After cross-validation, train the best point as a normal run, without folds."""
        scored = [(self.result(Request(tried.point)), tried) for tried in self.tried.values()]
        known = [(r.loss, t.trials[0].number, t) for r, t in scored if r.loss is not None]
        if not known:
            return
        point = min(known, key=lambda entry: entry[:2])[2].point
        key = (point.hash, 0, -1)
        if key not in self.store.trials:
            number = self.store.next_number
            self.store.add([self._trial(number, point, 0, -1)])
        self.final = self.store.trials[key]
        self._until[self.final.number] = None
        if not self.final.is_over:
            yield from running.run(
                [self.final], self.task, lambda trial: True, self.store, crew, self.progress
            )

    def _trial(self, number: int, point: Point, repeat: int, fold: int) -> Trial:
        seed = self.plan.seed_of(point.hash, repeat)
        name = f"{TRIALS}/{number:04d}-{point.hash[:8]}"
        key = (point.hash, repeat, fold)
        return Trial(number, *key, point.values, point.labels, seed, name)

    def rounds(self) -> Iterator[list[Request]]:
        """Yield the method's rounds; each must be carried out before the next is asked for."""
        proposals = self.plan.proposals()
        try:
            requests = next(proposals)
            while True:
                self._enter(requests)
                yield requests
                requests = proposals.send([self.result(request) for request in requests])
        except StopIteration:
            self.is_complete = True

    def _enter(self, requests: list[Request]) -> None:
        """Write down the trials of a round that are not known yet."""
        new: list[Trial] = []
        number = self.store.next_number
        for request in requests:
            point = request.point
            for repeat, fold in self.plan.units:
                if (point.hash, repeat, fold) not in self.store.trials:
                    new.append(self._trial(number, point, repeat, fold))
                    number += 1
        if new:
            self.store.add(new)
        for request in requests:
            point = request.point
            units = self.plan.units
            own = tuple(self.store.trials[point.hash, repeat, fold] for repeat, fold in units)
            if point.hash not in self.tried:
                self.tried[point.hash] = Tried(point, own)
                self._order += own
            for trial in own:
                self._until[trial.number] = request.until
        if self.plan.search.method.type in ("grid", "random", "sobol"):
            self.total = len(self._order)

    def _of(self, requests: Iterable[Request]) -> list[Trial]:
        return [trial for request in requests for trial in self.tried[request.point.hash].trials]

    def _is_left(self, trial: Trial) -> bool:
        """Say whether a trial has not come as far as its round asks."""
        until = self._until[trial.number]
        reached = until is not None and len(trial.outcome.curve) >= until
        return not trial.is_over and not reached

    def left(self, requests: Iterable[Request]) -> list[Trial]:
        """Return the trials of a round that are still to be carried out."""
        return [trial for trial in self._of(requests) if self._is_left(trial)]

    def result(self, request: Request) -> Result:
        """Return what became of a point, as its method is told."""
        trials = self.tried[request.point.hash].trials
        scores = [self.score(trial, request.until) for trial in trials]
        known = [score for score in scores if score is not None]
        loss = self.plan.loss(mean(known)) if len(known) == len(scores) else None
        return Result(request.point, loss, all(trial.is_over for trial in trials))

    def score(self, trial: Trial, until: int | None = None) -> float | None:
        """Return the score of a trial at the end, or as if it had ended after an epoch."""
        outcome = trial.outcome
        if until is not None and len(outcome.curve) >= until:
            return outcome.curve[until - 1]
        if outcome.state != "done":
            return None
        score = outcome.metrics.get(self.plan.search.metric)
        return score if isinstance(score, int | float) else None

    def _may_start(self, trial: Trial) -> bool:
        """With pruning, only when all trials have ended that it is compared with."""
        if not self.plan.search.pruning:
            return True
        return all(other.is_over for other in self._earlier(trial))

    def _earlier(self, trial: Trial) -> list[Trial]:
        place = self._order.index(trial)
        earlier = self._order[: max(0, place + 1 - self.plan.search.window)]
        return [other for other in earlier if other.fold == trial.fold]

    def task(self, trial: Trial) -> Task:
        """Return what a worker is told of a trial."""
        directory = self.directory / trial.directory
        task = self.plan.task(dict(trial.values), trial.seed, trial.fold, directory)
        task.until = self._until.get(trial.number)
        if self.plan.search.pruning and trial is not self.final:
            pruning.arm(task, self.plan.search.pruning, self._earlier(trial))
        return task

    def forget_failures(self) -> int:
        """Let trials that failed for reasons that may have gone be tried again; count them."""
        again = [
            trial
            for trial in self.store.trials.values()
            if trial.outcome.state == "failed" and trial.outcome.cause not in ("diverged", "config")
        ]
        for trial in again:
            shutil.rmtree(self.directory / trial.directory, ignore_errors=True)
            trial.outcome = Outcome("waiting")
        self.store.record(*again)
        return len(again)


@contextlib.contextmanager
def opened(
    plan: Plan, directory: Path, *, repair: bool = False, wait: bool = False
) -> Iterator[Study]:
    """Be the only one to carry out the search in a directory, which exists.

    Raises
    ------
    RunError
        If another process does, or what is known of the search is damaged.
    RefusedError
        If the operating system refuses.
    """
    with lock.hold(directory, wait=wait) as doubt:
        path = directory / STORE
        notes = [doubt] if doubt else []
        if repair:
            notes += _set_aside(path)
        _sweep(directory)
        with durable.refusals("make", directory / TRIALS):
            (directory / TRIALS).mkdir(exist_ok=True)
        with store.opened(path) as kept:
            if kept.fact("config") is None:
                kept.set_fact("config", _place(plan))
            durable.write(directory / rundir.CONFIG, plan.document.data)
            yield Study(plan, directory, kept, notes)


def _set_aside(path: Path) -> list[str]:
    """Rename a damaged store, so that a new one takes up the trials from their directories."""
    if not path.exists():
        return []
    try:
        with store.opened(path):
            return [f"{path}: not damaged, so it is left as it is"]
    except RunError:
        aside = path.with_name(f"{path.name}.damaged")
        with durable.refusals("rename", path):
            path.replace(aside)
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        return [f"{path}: set aside as {aside.name}"]


def _sweep(directory: Path) -> None:
    for path in directory.glob(f"{durable.TEMPORARY}*"):
        with contextlib.suppress(OSError):
            path.unlink()


def _place(plan: Plan) -> str:
    name = plan.document.source.name
    return name if name.startswith("<") else str(Path(name).resolve())


def find(plan: Plan, root: Path) -> Path | None:
    """Return the newest search of this config below a folder of runs, if there is one."""
    pattern = re.compile(re.escape(plan.config.name) + r"-(\d{3,})")
    try:
        names = [entry.name for entry in root.iterdir()]
    except OSError:
        return None
    matches = sorted((m for m in map(pattern.fullmatch, names) if m), key=lambda m: -int(m[1]))
    for match in matches:
        directory = root / match[0]
        if (directory / STORE).is_file() and _is_of(directory, plan):
            return directory
    return None


def _is_of(directory: Path, plan: Plan) -> bool:
    """Say whether a search is one of this config file; a damaged one is taken for it."""
    try:
        uri = f"{(directory / STORE).resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = 'config'").fetchone()
    except sqlite3.Error:
        return True
    return row is None or json.loads(row[0]) == _place(plan)


def create(plan: Plan, root: Path) -> Path:
    """Make the directory of a new search.

    Raises
    ------
    RefusedError
        If the operating system refuses.
    """
    return _unfurnished(rundir.create(root, plan.config.name))


def create_exactly(directory: Path) -> Path:
    """Take a directory for a search: one that holds a search, or a new one.

    Raises
    ------
    RunError
        If something else is there.
    RefusedError
        If the operating system refuses.
    """
    if (directory / STORE).is_file():
        return directory
    if (directory / TRIALS).is_dir() and not (directory / rundir.RUN).exists():
        return directory  # a start that was cut off, or a search whose store is gone
    return _unfurnished(rundir.create_exactly(directory))


def _unfurnished(directory: Path) -> Path:
    with contextlib.suppress(OSError):
        (directory / rundir.CHECKPOINTS).rmdir()
    return directory
