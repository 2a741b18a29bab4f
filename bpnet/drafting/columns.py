"""What each column of a table is: an input of a kind, or no input, and why."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bpnet.data.table import Column, number_text
from bpnet.drafting.stand_ins import StandIn, stand_ins
from bpnet.nn.arena import Array

Part = Literal["input", "excluded", "time", "part"]

LEVELS = 255
"""Categories of a column above which it is no input, as in ``data.categorical.max_levels``."""

FAR = 20.0
"""How far out, in distances between the quartiles, a number makes its column one to clip."""

CLIP = 10
"""Where such a column is clipped, in the same distances."""

_NAMED_ID = re.compile(
    r"(^|[_ ])(id|ids|uuid|guid|key|index|idx|row|rowid|no|nr)$|[a-z](Id|ID)$", re.I
)
_ISO = re.compile(r"\d{4}-\d\d(-\d\d)?([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_DATE = re.compile(
    r"(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2})"
    r"([T ]\d{1,2}:\d\d\S*( [AP]M)?)?"
)
_PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a column is.

    Attributes
    ----------
    part
        ``input``; ``excluded``; ``time`` (the rows are in its order), ``part`` (it says which part
        of the data a row belongs to).
    holds
        What is in it, in a few words.
    why
        Why it is no input, or what is done to it.
    clip
        Whether a few numbers lie so far out that they are clipped.
    marks
        Numbers that seem to stand for missing values.
    leaks
        Whether it is excluded for nothing but saying the same as a target.
    """

    part: Part
    holds: str
    why: str = ""
    clip: bool = False
    marks: tuple[StandIn, ...] = ()
    leaks: bool = False


def judge(column: Column, targets: Collection[Column], *, partial: bool = False) -> Judgement:
    """Judge a column that is not the target.

    Parameters
    ----------
    column
        The column.
    targets
        The columns to predict.
    partial
        Whether it is only a part of the column.
    """
    holds = describe(column)
    filled = ~column.missing
    count, rows = int(filled.sum()), len(filled)

    def excluded(why: str) -> Judgement:
        return Judgement("excluded", holds, why)

    if not count:
        return excluded("it is empty")
    values = column.values[filled]
    different = len(np.unique(values))
    if different == 1 and count == rows:
        return excluded("the same in every row")
    if count < 0.05 * rows:
        return excluded("nearly all cells are missing")
    for target in targets:
        if _says_the_same(column, target):
            why = f"says the same as {target.name}: it would give the answer away"
            return Judgement("excluded", holds, why, leaks=True)
    if column.kind == "category":
        return _judge_category(column, holds, different, partial)
    if rows >= 20 and count == rows and _counts(values):
        return excluded("only counts the rows")
    if rows >= 50 and different == count and _NAMED_ID.search(column.name) and _whole(values):
        return excluded("a number of its own in each row")
    marks, _ = stand_ins(values)
    return Judgement("input", holds, clip=_has_far_out(values), marks=tuple(marks))


def _judge_category(column: Column, holds: str, different: int, partial: bool) -> Judgement:
    parts = part_values(column)
    if parts is not None:
        return Judgement("part", holds, "says which part of the data a row belongs to")
    if _are_dates(column):
        if _in_order(column):
            return Judgement("time", holds, "dates, in whose order the rows are")
        return Judgement("excluded", holds, "dates: bpnet takes numbers and categories only")
    why = ""
    if column.is_text:
        why = "text, which needs layers that read it"
    elif column.is_identifier:
        why = "a value of its own in nearly every row"
    elif different > (LEVELS // 2 if partial else LEVELS):
        why = f"{different} categories, too many for an input each"
    elif different > 20 and int((~column.missing).sum()) < 4 * different:
        why = f"{different} categories, with too few rows of each"
    return Judgement("excluded" if why else "input", holds, why)


def describe(column: Column) -> str:
    """Say in a few words what a column holds."""
    values = column.values[~column.missing]
    gaps = len(column.values) - len(values)
    missing = f", {gaps} missing" if gaps else ""
    if not len(values):
        return "empty"
    different = len(np.unique(values))
    if column.kind == "number":
        marks, others = stand_ins(values)
        noun = "whole numbers" if _whole(values) else "numbers"
        low, high = (_short(float(v)) for v in (others.min(), others.max()))
        return f"{', '.join([f'{noun} {low} to {high}', *map(str, marks)])}{missing}"
    if column.is_text:
        return f"texts{missing}"
    if _are_dates(column):
        ordered = all(map(_ISO.fullmatch, column.levels))
        range_ = f" {column.levels[0]} to {column.levels[-1]}" if ordered else ""
        return f"dates{range_}{missing}"
    if different > 10:
        return f"{different} categories{missing}"
    counts = np.bincount(values, minlength=len(column.levels)).tolist()
    named = [(n, level) for level, n in zip(column.levels, counts, strict=True) if n]
    shown = ", ".join(f"{_quoted(level)} {n}" for n, level in sorted(named, key=lambda e: -e[0]))
    return f"{shown}{missing}"


def part_values(column: Column) -> dict[str, str] | None:
    """Return what a column says for each part of the data, if it says nothing else."""
    if column.kind != "category" or column.missing.any() or not 2 <= len(column.levels) <= 3:
        return None
    found = {
        part: level
        for level in column.levels
        for part, words in _PARTS.items()
        if level.lower() in words
    }
    complete = len(found) == len(column.levels)
    return found if complete and {"train", "test"} <= found.keys() else None


def _says_the_same(column: Column, target: Column) -> bool:
    """Say whether one column tells the other, and the other way round, in every row."""
    both = ~(column.missing | target.missing)
    a, b = column.values[both], target.values[both]
    if len(a) < 20:
        return False
    if column.kind == target.kind == "number" and len(np.unique(b)) > 20:
        if not (np.ptp(a) and np.ptp(b)):
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            correlation = np.corrcoef(a / np.abs(a).max(), b / np.abs(b).max())[0, 1]
        return bool(abs(correlation) > 1 - 1e-9)
    first, second = (len(np.unique(v)) for v in (a, b))
    if not 1 < first == second < len(a) / 2:
        return False
    return len(np.unique(np.stack([a, b]), axis=1).T) == first


def _counts(values: Array) -> bool:
    """Say whether numbers go up by 1 from row to row, or stay, as those of records do."""
    if not _whole(values):
        return False
    steps = np.diff(values)
    rising = float((steps == 1).mean())
    # Pieces of a large file, and records of several rows, jump now and then, but never back.
    return bool(steps.min() >= 0 and rising > 0.02 and ((steps == 0) | (steps == 1)).mean() > 0.95)


def _has_far_out(values: Array) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = np.percentile(values, (25, 75))
        reach = FAR * (high - low)
        return bool(reach > 0 and (values.min() < low - reach or values.max() > high + reach))


def _are_dates(column: Column) -> bool:
    seen = column.levels[:200]
    return all(_ISO.fullmatch(level) or _DATE.fullmatch(level) for level in seen)


def _in_order(column: Column) -> bool:
    """Say whether rows are sorted by dates that can be sorted as texts."""
    alike = len({len(level) for level in column.levels}) == 1
    if not alike or column.missing.any() or not all(map(_ISO.fullmatch, column.levels)):
        return False
    return bool(
        (np.diff(column.values) >= 0).all() and len(column.levels) > 0.1 * len(column.values)
    )


def _whole(values: Array) -> bool:
    return bool((values == np.floor(values)).all())


def _short(value: float) -> str:
    return number_text(value) if value == int(value) and abs(value) < 1e12 else f"{value:.4g}"


def _quoted(level: str) -> str:
    plain = re.fullmatch(r"[\w.+-]{1,30}", level)
    return level if plain else repr(level[:30])
