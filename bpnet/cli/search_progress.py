"""A search as it goes: a few live lines on a terminal, one plain line a trial elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bpnet.cli.console import Console, number, seconds

if TYPE_CHECKING:
    from bpnet.search.running import Progress
    from bpnet.search.store import Trial
    from bpnet.search.study import Study

LEFT_OUT = 5
"""Trials that are named of those that are not in the space any more."""

RUNNING = 4
"""Running trials that are shown by name."""


def changed(trial: Trial) -> str:
    """Return what a trial changes: ``optimizer.learning_rate=0.01 model.layers.0.units=64``."""
    return " ".join(f"{key}={label}" for key, label in trial.labels.items())


def seen_from_here(reason: str, trials: Iterable[Trial], study: Study) -> str:
    """Return the reason of a failure, whose runs are named as seen from the search."""
    for trial in trials:
        reason = reason.replace(trial.directory, str(study.directory / trial.directory))
    return reason


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 point``, ``1,200 epochs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def short(keys: list[str]) -> list[str]:
    """Return keys without the blocks that nobody needs to tell them apart: ``learning_rate``."""
    found = []
    for key in keys:
        steps = key.split(".")
        count = 1
        while count < len(steps) and (
            steps[-count].isdecimal()
            or steps[-count - 1].isdecimal()
            or any(other != key and other.endswith("." + _tail(steps, count)) for other in keys)
        ):
            count += 1
        found.append(_tail(steps, count))
    return found


def _tail(steps: list[str], count: int) -> str:
    return ".".join(steps[-count:])


class SearchProgress:
    """Shows a search."""

    def __init__(self, console: Console, study: Study) -> None:
        self._console = console
        self._study = study
        self._began = time.monotonic()
        self._ended = 0
        self._best: tuple[float, Trial] | None = None
        self._announced = False

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        if not self._announced:
            self._announce()
        trial = progress.ended
        if trial is not None:
            self._ended += 1
            is_best = self._take(trial)
            if not self._console.live and not self._console.quiet:
                self._console.info(self._line(trial, is_best))
        if self._console.live:
            self._console.show_live(self._lines(progress))

    def _announce(self) -> None:
        self._announced = True
        study = self._study
        plan = study.plan
        for trial in study.trials:
            self._take(trial)
        kept = sum(trial.is_over for trial in study.trials)
        total = study.total
        count = before = ""
        if total is not None:
            count = f"{counted(len(study.tried), 'point')}, {counted(total, 'trial')}; "
        if kept:
            before = f"; {counted(kept, 'trial')} {'is' if kept == 1 else 'are'} there already"
        method = plan.search.method.type
        self._console.info(f"{plan.config.name}: {method}, {count}{study.directory}{before}")
        others = study.left_out if total is not None else []
        for trial in others[:LEFT_OUT]:
            self._console.info(
                f"not in the space any more, but kept: trial {trial.number} ({changed(trial)})"
            )
        if len(others) > LEFT_OUT:
            self._console.info(f"... and {len(others) - LEFT_OUT} more trials")

    def _take(self, trial: Trial) -> bool:
        """Note a trial that is over; say whether it is the best so far."""
        score = self._study.score(trial)
        loss = self._study.plan.loss(score)
        if loss is None or (self._best is not None and loss >= self._best[0]):
            return False
        self._best = loss, trial
        return True

    def _line(self, trial: Trial, is_best: bool) -> str:
        outcome = trial.outcome
        metric = self._study.plan.search.metric
        parts = [f"trial={trial.number}", f"state={outcome.state}"]
        if outcome.score is not None:
            parts.append(f"{metric}={outcome.score:.6g}")
        parts += [f"epochs={outcome.epochs}", f"time_s={outcome.seconds:.2f}", changed(trial)]
        if trial.fold >= 0:
            parts.append(f"fold={trial.fold}")
        if outcome.reason:
            parts.append(f"reason={seen_from_here(outcome.reason, [trial], self._study)!r}")
        return " ".join(parts) + (" best" if is_best else "")

    def _lines(self, progress: Progress) -> str:
        study = self._study
        trials = study.trials
        over = [trial for trial in trials if trial.is_over]
        failed = sum(trial.outcome.state == "failed" for trial in over)
        pruned = sum(trial.outcome.state == "pruned" for trial in over)
        done = len(over) - failed - pruned
        counts = [f"{done} done", f"{len(progress.running)} running", f"{failed} failed"]
        if pruned:
            counts.append(f"{pruned} given up")
        total = study.total if study.total is not None else len(trials)
        left = total - len(over)
        gone = time.monotonic() - self._began
        counts.append(f"{left} left")
        if self._ended:
            counts.append(f"{seconds(gone / self._ended * left)} to go")
        first = f"{study.plan.config.name}: {study.plan.search.method.type}  " + "  ".join(counts)
        best = "best so far: none yet"
        if self._best is not None:
            trial = self._best[1]
            metric = study.plan.search.metric
            score = study.score(trial)
            best = f"best so far: {metric} {number(score)}  trial {trial.number}: {changed(trial)}"
        shown = [f"  running {t.number}: {changed(t)}" for t in progress.running[:RUNNING]]
        return "\n".join([first, best, *shown])
