"""A search as it goes on: which trials there are, and which are left."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpnet.search import pruning, running
from bpnet.search.methods import Request, Result
from bpnet.search.plan import Plan
from bpnet.search.running import Crew, Progress
from bpnet.search.space import Point
from bpnet.search.statistics import mean
from bpnet.search.store import TRIALS, Store, Trial
from bpnet.search.task import Outcome, Task


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
                trial.labels = point.labels  # as they are told apart in the space of today
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
            if trial.outcome.state == "failed" and trial.outcome.cause != "diverged"
        ]
        for trial in again:
            shutil.rmtree(self.directory / trial.directory, ignore_errors=True)
            trial.outcome = Outcome("waiting")
        self.store.record(*again)
        return len(again)
