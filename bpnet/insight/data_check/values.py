"""What single columns hold: constants, numbers of the rows, gaps, one thing spelled twice."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from bpnet.data.preprocessing import categorical_options, numeric_options
from bpnet.data.table import Column, number_text
from bpnet.insight.data_check.finding import Finding, percent, some
from bpnet.insight.data_check.material import Material
from bpnet.nn.arena import Array

NEARLY = 0.99
"""A column with one value in this share of the training rows is nearly constant."""

NEARLY_ROWS = 100
"""So many rows it takes before 1 % of them can be missed by accident."""

GAPS = 0.5
"""A column with this share of cells missing says more by its gaps than by its values."""

UNIQUE = 0.95
"""Share of different values from which a column that is named like an identifier is one."""

UNIQUE_ROWS = 20
"""Rows it takes for a column of whole numbers, all different, to be no accident."""

_IDENTIFIER = re.compile(
    r"(?i)(^|.*[_. -])(id|idx|index|nr|no|key|uuid|guid|serial|record|row|rownum|row_?number)$"
    r"|unnamed.*|.*[a-z]I[dD]$"
)


def constant(material: Material) -> Iterator[Finding]:
    """Find columns with one value, and with nearly only one."""
    rows = material.rows_of("train")
    if len(rows) < 2:
        return
    found, nearly = [], []
    for name, column in material.inputs.items():
        values = column.values[rows]
        there = values[~column.missing[rows]]
        different, counts = np.unique(there, return_counts=True)
        if not len(different):
            continue  # `missing` says so
        if len(different) == 1:
            gaps = len(values) - len(there)
            what = f"always {_cell(column, different[0])}"
            found.append(
                (name, what + (f", but for {gaps:,} missing" if gaps and len(there) else ""))
            )
        elif len(rows) >= NEARLY_ROWS and counts.max() >= NEARLY * len(values):
            most = int(counts.argmax())
            what = f"{_cell(column, different[most])} in {percent(counts[most], len(values))}"
            nearly.append((name, what))
    if found:
        names = tuple(name for name, _ in found)
        said = [f"{name} ({what})" for name, what in found]
        yield Finding(
            "warning",
            f"{_columns(names)} constant in the training rows: {some(said)}",
            f"data.exclude: {_listed(names)}; a constant says nothing",
            columns=names,
        )
    if nearly:
        names = tuple(name for name, _ in nearly)
        said = [f"{name} ({what})" for name, what in nearly]
        yield Finding(
            "note",
            f"{_columns(names)} nearly constant in the training rows: {some(said)}",
            f"if the rare values don't matter, data.exclude: {_listed(names)}",
            columns=names,
            threshold=NEARLY,
        )


def identifiers(material: Material) -> Iterator[Finding]:
    """Find columns that name or number the rows."""
    for column in material.identifiers:
        what = (
            "text, which needs layers that read text"
            if column.is_text
            else (
                f"{len(column.levels):,} different values in {len(column.values):,} rows, like a "
                "name or number of the row"
            )
        )
        yield Finding(
            "error",
            f"column '{column.name}' holds {what}; the training refuses it",
            f"data.exclude: {_listed((column.name,))}",
            columns=(column.name,),
        )
    for name, column in material.inputs.items():
        why = _numbers_rows(column) if column.kind == "number" else ""
        if why:
            yield Finding(
                "warning",
                f"column '{name}' looks like a number of the row, not like something measured: "
                f"{why}",
                f"data.exclude: {_listed((name,))}; on new rows it says nothing (if it is a time, "
                f"consider data.split: {{type: time, column: {name}}})",
                columns=(name,),
            )


def _numbers_rows(column: Column) -> str:
    """Say why a column of numbers is one of identifiers; nothing if it isn't."""
    values = column.values
    count = len(values)
    if count < UNIQUE_ROWS or column.missing.any() or (values != np.floor(values)).any():
        return ""
    different = len(np.unique(values))
    if _IDENTIFIER.fullmatch(column.name) and different >= UNIQUE * count:
        return f"whole numbers, {different:,} different ones in {count:,} rows, and its name"
    if different < count:
        return ""
    steps = np.diff(values)
    if (steps > 0).all() or (steps < 0).all():
        return "whole numbers that only rise" if steps[0] > 0 else "whole numbers that only fall"
    if values.max() - values.min() < 1.05 * count:
        return f"all whole numbers from {values.min():.0f} to {values.max():.0f}, each once"
    return ""


def missing(material: Material) -> Iterator[Finding]:
    """Find missing cells, of inputs and targets."""
    yield from (finding for finding in material.refusals if finding.check == "missing")
    data, total = material.config.data, len(material)
    some_gaps: list[tuple[str, int, str]] = []
    where = np.zeros(len(material), bool)
    for name, column in material.inputs.items():
        gaps = column.missing
        count = int(np.count_nonzero(gaps))
        if not count:
            continue
        rule: str
        if column.kind == "number":
            rule = numeric_options(name, data.numeric, data.columns).missing
        else:
            rule = categorical_options(name, data.categorical, data.columns).missing
        if count >= GAPS * total:
            yield Finding(
                "warning",
                f"column '{name}' has no value in {count:,} of {total:,} rows "
                f"({percent(count, total)})",
                f"data.exclude: {_listed((name,))}, or fill the cells; what `missing: {rule}` "
                "makes of them outweighs what was measured",
                columns=(name,),
                measured=count / total,
                threshold=GAPS,
            )
        else:
            some_gaps.append((name, count, rule))
            where |= gaps
    empty = material.empty
    if material.inputs and len(empty):
        yield Finding(
            "warning",
            f"{len(empty):,} row{'s have' if len(empty) > 1 else ' has'} no input at all",
            "remove them",
            material.spots(empty),
        )
    if some_gaps:
        names = tuple(name for name, _, _ in some_gaps)
        said = [f"{name} {count:,} ({percent(count, total)})" for name, count, _ in some_gaps]
        cells = sum(count for _, count, _ in some_gaps)
        rules = ", ".join(dict.fromkeys(f"`{rule}`" for _, _, rule in some_gaps))
        refused = any(rule == "error" for _, _, rule in some_gaps)
        yield Finding(
            "error" if refused else "note",
            f"{cells:,} cell{'s are' if cells > 1 else ' is'} missing in {len(names)} "
            f"column{'s' if len(names) > 1 else ''}: {some(said)}",
            "data.numeric.missing and data.categorical.missing say what becomes of them; now: "
            f"{rules}",
            material.spots(np.flatnonzero(where)),
            names,
            measured=float(cells),
        )


def spellings(material: Material) -> Iterator[Finding]:
    """Find categories that differ only in case, blanks or signs: ``New York``, ``new-york``."""
    columns = dict(material.inputs)
    if material.config.loss.target != "number":
        columns |= material.targets
    for name, column in columns.items():
        if column.kind != "category":
            continue
        alike: dict[str, list[str]] = defaultdict(list)
        for level in column.levels:
            plain = re.sub(r"[\W_]+", "", level.casefold())
            if plain and not plain.isdecimal():
                alike[plain].append(level)
        twice = [levels for levels in alike.values() if len(levels) > 1]
        if not twice:
            continue
        counts = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
        code = {level: i for i, level in enumerate(column.levels)}
        rare: list[int] = []
        said = []
        for levels in twice:
            ordered = sorted(levels, key=lambda level: -counts[code[level]])
            rare += [code[level] for level in ordered[1:]]
            said.append(" / ".join(f"{level!r} ({counts[code[level]]:,})" for level in ordered[:4]))
        yield Finding(
            "warning",
            f"column '{name}' seems to spell the same category in several ways: {some(said, 3)}",
            "write it one way in the file; to the network they are different things",
            material.spots(np.flatnonzero(np.isin(column.values, rare))),
            (name,),
        )


def _cell(column: Column, value: float) -> str:
    if column.kind == "category":
        return repr(column.levels[int(value)])
    return number_text(float(value))


def _columns(names: tuple[str, ...]) -> str:
    return f"{len(names)} columns are" if len(names) > 1 else "one column is"


def _listed(names: tuple[str, ...]) -> str:
    from bpnet.config.write import inline

    return inline(list(names)) if len(names) <= 12 else f"[{', '.join(names[:3])}, ...]"


def shares(codes: Array, count: int) -> Array:
    """Return how many rows have each code, ``(count + 1,)``, the missing (-1) last."""
    return np.bincount(np.where(codes < 0, count, codes), minlength=count + 1)
