"""Ask and tell: a search whose trials scripts carry out themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from bpnet.errors import UsageError
from bpnet.search.plan import Plan
from bpnet.search.store import TOLD, Trial
from bpnet.search.study import Study
from bpnet.search.task import Outcome


@dataclass(frozen=True)
class Asked:
    """What a script is to try next.

    Attributes
    ----------
    state
        ``ask``: a trial; ``wait``: the next depends on what is asked and not told yet;
        ``over``: there is none left.
    trial
        The trial, if there is one.
    assignments
        What it puts over the config, as arguments of `bpnet train`.
    waits_for
        Numbers of the trials that are asked and not told.
    """

    state: Literal["ask", "wait", "over"]
    trial: Trial | None = None
    assignments: list[str] = field(default_factory=list)
    waits_for: list[int] = field(default_factory=list)


def check(plan: Plan) -> None:
    """Refuse a search that no script can carry out.

    Raises
    ------
    UsageError
        If the method pauses trials.
    """
    method = plan.search.method.type
    if method in ("halving", "hyperband"):
        raise UsageError(
            f"{method} pauses trials and goes on with them, which only bpnet itself can; "
            "ask with grid, random, sobol or tpe"
        )


def ask(study: Study, *, again: bool = False) -> Asked:
    """Return the next trial, and note that it is asked.

    Parameters
    ----------
    study
        The search.
    again
        Hand out also what was asked before and not told.

    """
    for requests in study.rounds():
        left = study.left(requests)
        asked = [trial.number for trial in left if trial.outcome.state == "asked"]
        for trial in left:
            if again or trial.outcome.state != "asked":
                trial.outcome = replace(trial.outcome, state="asked")
                study.store.record(trial)
                values = dict(trial.values)
                given = len(study.plan.document.assignments)
                assignments = study.plan.assignments(values, trial.seed, trial.fold)[given:]
                return Asked("ask", trial, assignments)
        if left:
            return Asked("wait", waits_for=asked)
    return Asked("over")


def tell(study: Study, number: int, score: float | None, reason: str = "") -> Trial:
    """Write down the score of a trial, or, without one, that it failed.

    Raises
    ------
    UsageError
        If there is no such trial, or it is over already.
    """
    found = {trial.number: trial for trial in study.store.trials.values()}
    if number not in found:
        raise UsageError(f"there is no trial {number}; `bpnet gridsearch ask` gives their numbers")
    trial = found[number]
    if trial.is_over:
        known = trial.outcome.score if trial.outcome.state == "done" else trial.outcome.reason
        raise UsageError(f"trial {number} is over already ({trial.outcome.state}: {known})")
    if score is None:
        outcome = Outcome("failed", TOLD, reason or "told to have failed")
    elif not math.isfinite(score):
        outcome = Outcome("failed", TOLD, f"the score told is {score}")
    else:
        outcome = Outcome("done", TOLD, "", score, {study.plan.search.metric: score})
    trial.outcome = outcome
    study.store.record(trial)
    return trial


def refresh(study: Study) -> None:
    """Find out how far the search has come, as the leaderboard shows it."""
    for requests in study.rounds():
        if study.left(requests):
            return
