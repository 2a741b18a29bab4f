"""From evidence to findings, each with a change that has been tried where that is possible."""

from __future__ import annotations

import math

from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.findings import BETTER, SOMETHING, Change, Finding, Rule
from bpnet.insight.doctor.laboratory import Laboratory
from bpnet.insight.doctor.rules import RULES

NOTICEABLE = 0.1
"""Part of a constant answer's loss by which a change must lower the loss to prove a suspicion."""

NOTHING = 0.98
"""Loss over that of a constant answer, above which nothing has been learned."""

LONGER = 4
"""How many times as long as the training a trial may be."""

BRIEF = 2000
"""Steps that show whether a training that diverged does so no more; or twice as many as it took."""


def examine(seen: Evidence, laboratory: Laboratory | None) -> list[Finding]:
    """Return what is wrong, the likeliest causes first.

    Parameters
    ----------
    seen
        What is known of the training.
    laboratory
        Where changes are tried; without one nothing is tried, and what needs a proof is not found.
    """
    found = [finding for rule in RULES.values() if not rule.proof for finding in rule.find(seen)]
    if laboratory is not None and seen.experiment is not None:
        for rule in RULES.values():
            suspicions = rule.find(seen) if rule.proof else ()
            found += [
                finding
                for finding in suspicions
                if laboratory.left > laboratory.seconds / 2  # the rest is for what is certain
                and not _explanations(rule, finding, found)
                and _prove(rule, finding, seen, laboratory)
            ]
    order = list(RULES)
    found.sort(key=lambda finding: order.index(finding.rule))
    for finding in found:
        rule = RULES[finding.rule]
        finding.follows = _explanations(rule, finding, found)
        if not rule.proof and seen.experiment is not None:
            _mend(rule, finding, found, seen, laboratory)
    found.sort(key=lambda finding: bool(finding.follows))
    return found


def _explanations(rule: Rule, finding: Finding, found: list[Finding]) -> list[str]:
    """Return the rules whose findings explain one; what is so at the start no training explains."""
    causes = {other.rule for other in found if other.rule in rule.causes}
    if finding.moment == "start":
        causes -= {"learning_rate_too_high", "learning_rate_too_low"}
    late = {o.rule for o in found if o.moment == "end"} if rule.proof else set()
    return [name for name in rule.causes if name in causes - late]


def _steps(seen: Evidence) -> int:
    """Return how many steps a trial may take to be compared with what was seen."""
    if seen.diverged:
        return min(LONGER * seen.planned, max(BRIEF, 2 * seen.steps))
    return LONGER * seen.planned if seen.complete else max(seen.steps, 1)


def _prove(rule: Rule, finding: Finding, seen: Evidence, laboratory: Laboratory) -> bool:
    """Say whether a change makes the training much better; the best one is then proposed."""
    steps, most = _steps(seen), laboratory.affords(seen)
    now = seen
    if seen.steps > most:
        steps = most
        again = laboratory.try_out((), steps)
        if again is None:
            return False
        now = again
    best: tuple[float, Change, Evidence] | None = None
    worse = 0
    for change in rule.changes(seen, finding):
        trial = laboratory.try_out(change.overrides, steps)
        if trial is None:
            continue
        if _much_better(trial, now) and (best is None or trial.score < BETTER * best[0]):
            best = (trial.score, change, trial)
            worse = 0
        elif best is not None:
            worse += 1
        if worse == 2:
            break
    if best is None:
        return False
    score, change, trial = best
    finding.number = score / now.score if math.isfinite(now.score) else 0.0
    finding.threshold = BETTER if now.score < NOTHING * now.base else SOMETHING
    finding.change, finding.tried = change, True
    finding.effect = effect(now, trial, change)
    return True


def _much_better(trial: Evidence, now: Evidence) -> bool:
    if trial.diverged or not math.isfinite(trial.score):
        return False
    base = now.base if math.isfinite(now.base) else trial.base
    if not now.score < NOTHING * base:
        return trial.score < SOMETHING * base
    return trial.score < BETTER * now.score and now.score - trial.score > NOTICEABLE * base


def _mend(
    rule: Rule,
    finding: Finding,
    found: list[Finding],
    seen: Evidence,
    laboratory: Laboratory | None,
) -> None:
    """Choose the first change with which the finding is gone, else the first of all."""
    causes = [other.change for other in found if other.rule in finding.follows and other.change]
    changes = [*causes, *rule.changes(seen, finding)]
    finding.change = changes[0] if changes else None
    if laboratory is None:
        return
    steps = _steps(seen)
    first: Evidence | None = None
    for change in changes:
        if not change.overrides:
            continue
        trial = laboratory.try_out(change.overrides, min(steps, laboratory.affords(seen)))
        if trial is None or not (trial.complete or trial.diverged or trial.steps >= seen.steps):
            continue
        if change is finding.change:
            first = trial
        if not trial.diverged and not any(rule.find(trial)):
            finding.change, finding.tried = change, True
            finding.effect = effect(seen, trial, change)
            return
    if first is not None and finding.change is not None:
        finding.tried = False
        finding.effect = effect(seen, first, finding.change)


def effect(before: Evidence, after: Evidence, change: Change) -> str:
    """Say what a change did: to the loss, or to what can be compared if it is another loss."""
    keys = [override.partition("=")[0] for override in change.overrides]
    if "loss.class_weight" in keys:
        rare = min(after.recall, key=lambda name: after.recall[name][1], default="")
        if rare not in before.recall:
            return ""
        shares = f"{before.recall[rare][0]:.0%} -> {after.recall[rare][0]:.0%}"
        return f"recall of '{rare}' {shares}"
    if "loss" in keys or "data.target_scale" in keys:
        return ""
    name = "val/loss" if math.isfinite(after.best_val) else "train/loss"
    return f"{name} {_written(before.score)} -> {_written(after.score)}"


def _written(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "diverged"
