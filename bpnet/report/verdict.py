"""How good is it, and where does it fail: in words, with numbers."""

from __future__ import annotations

import math

import numpy as np

from bpnet.nn.arena import Array
from bpnet.report import judging
from bpnet.report.answers import Judgement
from bpnet.report.outcome import Outcome
from bpnet.report.record import Record
from bpnet.report.wording import cut, figure, listing, number, rows, share
from bpnet.report.worst import ranked, verdicts
from bpnet.training.metrics.base import true_class

SURE = 0.9
"""The probability from which on an answer counts as sure."""

PARTS = {"train": "training", "val": "validation", "test": "test"}


def how_good(record: Record, outcome: Outcome | None, found: Judgement | None) -> list[str]:
    """Say how good the network is, and against what."""
    if outcome is None or not np.isfinite(outcome.output).all():
        return [_measured(record)]
    if outcome.target.kind == "number":
        said, learned = _numbers(outcome)
    elif found is not None and found.labels:
        said, learned = _labels(outcome)
    else:
        said, learned = _classes(outcome)
    if outcome.part == "val":
        said.append(
            "There is no test part: these rows chose the epoch, so new ones will do a little worse."
        )
    elif outcome.part == "train":
        said.append(
            "These are the training rows themselves: how it does on new ones is not known. "
            "A test part (data.test) would tell."
        )
    said += _gap(record, outcome, learned)
    return said


def _measured(record: Record) -> str:
    metrics = record.result.get("metrics")
    if isinstance(metrics, dict) and metrics:
        named = [f"{k} {figure(number(v))}" for k, v in metrics.items()]
        return f"Measured at the end of the training: {listing(named, 8)}."
    values = record.values(record.monitor)
    if not values:
        return "Nothing has been measured yet."
    best = record.best_epoch
    at = dict(record.curve(record.monitor)).get(float(best), math.nan) if best else math.nan
    said = f"The best {record.monitor} so far is {figure(at)}, in epoch {best}; " if best else ""
    return f"{said}{'the' if said else 'The'} last {record.monitor} is {figure(values[-1])}."


def _classes(outcome: Outcome) -> tuple[list[str], bool]:
    """Say how many classes are right; and whether that is more than always the same would get."""
    target, truth, output = outcome.target, outcome.truth, outcome.output
    weight = outcome.dataset.weight
    if target.kind == "class":
        true, said = true_class(truth), output.argmax(axis=1)
        base = outcome.base
    else:
        true, said = (truth[:, 0] > 0.5).astype(np.intp), (output[:, 0] > 0.5).astype(np.intp)
        base = np.array([1 - outcome.base[0], outcome.base[0]])
    right = true == said
    part, count = PARTS[outcome.part], len(right)
    often = int(base.argmax())
    name = cut(target.class_names[often], 30)
    good = float(np.average(right, weights=weight))
    plain = float(np.average(true == often, weights=weight))
    low, high = judging.interval(good, count)
    if weight is None:
        found = (
            f"{int(right.sum()):,} of {count:,} {part} rows are right: {share(good)} (95\u00a0% "
            f"interval {share(low)} to {share(high)})."
        )
    else:
        found = f"{share(good)} of the {part} rows, by their weights, are right."
    same = f"Always answering '{name}', the most frequent class, would get {share(plain)}"
    if low > plain:
        return [found, f"{same}."], True
    each, guess = _by_class(true, right, weight)
    learned = each > 1.2 * guess
    balanced = (
        f"of each class it finds {share(each)} on average, and that would find {share(guess)}"
    )
    if good > plain:
        return [
            found,
            f"{same}{f'; {balanced}' if learned else ', so this may be chance'}.",
        ], learned
    more = "as many" if good == plain else "more"
    if learned:
        return [found, f"{same}, which is {more}; but {balanced}."], True
    nothing = "it has learned nothing that helps on these rows"
    return [found, f"{same}, which is {more}: {nothing}."], False


def _by_class(true: Array, right: Array, weight: Array | None) -> tuple[float, float]:
    """Return the mean share of each class that is right, and that of always the same answer."""
    mass = np.ones(len(true)) if weight is None else weight.astype(np.float64)
    total = np.bincount(true, mass)
    hits = np.bincount(true, mass * right, len(total))
    there = total > 0
    return float((hits[there] / total[there]).mean()), 1 / int(there.sum())


def _labels(outcome: Outcome) -> tuple[list[str], bool]:
    """Say how many labels are right; and whether always the same would get fewer."""
    yes, said = outcome.truth > 0.5, outcome.output > 0.5
    each = float((yes == said).mean())
    whole = float((yes == said).all(axis=1).mean())
    often = float((yes == (outcome.base > 0.5)).mean())
    part = PARTS[outcome.part]
    return [
        f"{share(each)} of all labels of the {part} rows are right, and {share(whole)} of the "
        f"{rows(len(outcome))} have all of them right.",
        f"The more frequent answer for every label would get {share(often)} of them right.",
    ], each > often


def _numbers(outcome: Outcome) -> tuple[list[str], bool]:
    """Say how far numbers are off; and whether always the mean would be further off."""
    truth, output = outcome.truth.astype(np.float64), outcome.output.astype(np.float64)
    part, weight = PARTS[outcome.part], outcome.dataset.weight
    said, learned = [], False
    with np.errstate(all="ignore"):
        for k, name in enumerate(outcome.target.columns[:4]):
            error = np.abs(output[:, k] - truth[:, k])
            half, most = np.quantile(error, (0.5, 0.95)).tolist()
            rmse = math.sqrt(float(np.average(error**2, weights=weight)))
            plain_errors = (truth[:, k] - outcome.base[k]) ** 2
            plain = math.sqrt(float(np.average(plain_errors, weights=weight)))
            subject = f"predictions of {cut(name, 40)}"
            better = rmse < plain
            learned |= better
            verdict = (
                "" if better else ", which is no worse: nothing that helps has been learned of it"
            )
            said.append(
                f"Half of the {len(error):,} {part} {subject} are off by less than {figure(half)}, "
                f"95 % by less than {figure(most)} (RMSE {figure(rmse)}). Always answering the "
                f"training mean, {figure(float(outcome.base[k]))}, would have an RMSE of "
                f"{figure(plain)}{verdict}."
            )
    return said, learned


def _gap(record: Record, outcome: Outcome, learned: bool) -> list[str]:
    """Compare with the training rows, by a metric that both have in common."""
    metrics = record.result.get("metrics")
    if not isinstance(metrics, dict) or outcome.part == "train":
        return []
    name = next((n for n in ("accuracy", "r2") if f"train/{n}" in metrics), "loss")
    train = number(metrics.get(f"train/{name}"))
    here = number(outcome.scores.get(name))
    if not (math.isfinite(train) and math.isfinite(here)):
        return []
    said = f"On the training rows {name} is {figure(train)}, here {figure(here)}"
    if name == "accuracy":
        least = judging.least_difference(train, outcome.trained_on, here, len(outcome))
        apart = least > 0 and 1 - here > 1.2 * (1 - train)
    else:
        missing = (train, here) if name == "loss" else (1 - train, 1 - here)
        apart = missing[1] > 1.5 * missing[0]
    if apart:
        return [f"{said}: so far apart, it learned some of those rows by heart."]
    return [f"{said}: hardly apart{', so what it learned holds for new rows' * learned}."]


def where_it_fails(outcome: Outcome | None, found: Judgement | None) -> list[str]:
    """Say which answers are wrong."""
    if outcome is None:
        return ["Not known: no weights could be tried on the data."]
    if not np.isfinite(outcome.output).all():
        return ["Some of its outputs are not finite numbers, so nothing more can be said."]
    if found is None:
        return _large_errors(outcome)
    if found.labels:
        return _weak(found) or ["No label is wrong."]
    return [*_confused(found), *_weak(found), *_too_sure(outcome, found)]


def _confused(found: Judgement) -> list[str]:
    assert found.counts is not None
    wrong = found.counts.sum() - np.trace(found.counts)
    if not wrong:
        return ["No row is wrong."]
    true, said, n, part = found.confusions[0]
    if n == found.confusions[-1][2] and len(found.confusions) > 1:
        pairs = [f"'{cut(t, 30)}' for '{cut(s, 30)}'" for t, s, _, _ in found.confusions]
        return [f"Taken {_times(n)} each: {listing(pairs, 4)}."]
    first = "Most often" if len(found.confusions) > 1 else "Always"
    return [
        f"{first} '{cut(true, 30)}' is taken for '{cut(said, 30)}': {_times(n)}, "
        f"{share(part)} of its rows."
    ]


def _times(count: float) -> str:
    if count != int(count):
        return f"with a weight of {figure(count)}"
    return "once" if count == 1 else f"{figure(int(count))} times"


def _weak(found: Judgement) -> list[str]:
    there = [s for s in found.scores if s.rows and math.isfinite(s.f1)]
    weak = sorted(there, key=lambda s: s.f1)[:3]
    weak = [s for s in weak if s.f1 < 1]
    if not weak or len(there) < 2:
        return []
    named = [
        f"'{cut(s.name, 30)}' (recall {figure(s.recall)}, precision {figure(s.precision)})"
        for s in weak
    ]
    one, several = ("label", "labels") if found.labels else ("class", "classes")
    return [f"The weakest {one if len(weak) == 1 else several}: {listing(named)}."]


def _too_sure(outcome: Outcome, found: Judgement) -> list[str]:
    target, output = outcome.target, outcome.output.astype(np.float64)
    chances = target.probabilities(output)
    said = chances.argmax(axis=1)
    true = (
        true_class(outcome.truth)
        if target.kind == "class"
        else (outcome.truth[:, 0] > 0.5).astype(np.intp)
    )
    wrong, sure = said != true, chances.max(axis=1) > SURE
    if not wrong.any():
        return []
    mean, right = float(chances.max(axis=1).mean()), float((~wrong).mean())
    count, found_sure = int(wrong.sum()), int((wrong & sure).sum())
    if count == 1:
        text = f"The wrong answer was {'' if found_sure else 'not '}given"
    elif found_sure == 1:
        text = f"One of the {count:,} wrong answers was given"
    else:
        text = f"{figure(found_sure or 'None')} of the {count:,} wrong answers were given"
    return [
        f"{text} with more than {share(SURE)} certainty; on average it is {share(mean)} sure and "
        f"{share(right)} right."
    ]


def _large_errors(outcome: Outcome) -> list[str]:
    said = []
    order = ranked(outcome)[:3]
    named = [
        f"{outcome.place(int(row))} ({answer} instead of {true})"
        for row, (true, answer) in zip(order.tolist(), verdicts(outcome, order), strict=True)
    ]
    said.append(f"The largest errors: {listing(named)}.")
    truth, output = outcome.truth.astype(np.float64), outcome.output.astype(np.float64)
    for k, name in enumerate(outcome.target.columns[:2]):
        if len(truth) < 30:
            continue
        error, ranks = output[:, k] - truth[:, k], np.argsort(truth[:, k], kind="stable")
        tenth = max(1, len(ranks) // 10)
        low, high = float(error[ranks[:tenth]].mean()), float(error[ranks[-tenth:]].mean())
        said.append(
            f"For the smallest tenth of {cut(name, 30)} the predictions are off by "
            f"{_signed(low)} on average, for the largest tenth by {_signed(high)}."
        )
    return said


def _signed(value: float) -> str:
    return f"+{figure(value)}" if value > 0 else figure(value)
