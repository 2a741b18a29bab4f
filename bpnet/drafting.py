"""A first config for data that nobody has described yet: what `bpnet init --from` writes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bpnet.config.write import inline
from bpnet.data.columns import chosen_column
from bpnet.data.sources import read_source
from bpnet.data.table import Column, Table
from bpnet.errors import DataError, OptionError, UsageError

CLASSES = 20
"""A column of whole numbers with more different ones than this is a number to predict."""


def draft_config(source: str, target: str, folder: Path) -> str:
    """Look at a table and write a commented config that predicts one of its columns.

    Parameters
    ----------
    source
        A table: a path from here, or ``builtin:NAME``.
    target
        The column to predict.
    folder
        Where the config will stand, for the path in it.

    Raises
    ------
    DataError
        If the data is missing or wrong, or no table.
    UsageError
        If it has no such column.
    """
    table = read_source(source, Path(), target=target)
    if not isinstance(table, Table):
        raise DataError("expected a table; for images start from --template fashion", source)
    try:
        column = chosen_column(table, target)
    except OptionError as error:
        raise UsageError(f"--target: {error.message}") from None
    loss, why, metrics = _task(column)
    inputs = {name: c for name, c in table.columns.items() if name != target}
    excluded = [n for n, c in inputs.items() if c.is_text or c.is_identifier]
    kept = [c for name, c in inputs.items() if name not in excluded]
    missing = sum(bool(c.missing.any()) for c in kept)
    categories = sum(c.kind == "category" for c in kept)
    units = 32 if table.rows < 2000 else 64 if table.rows < 20000 else 128
    batch = 16 if table.rows < 500 else 32 if table.rows < 5000 else 128
    path = source
    if not source.startswith("builtin:"):
        path = os.path.relpath(source, folder)
    lines = [
        f"# {table.rows} rows, {len(kept)} input columns: {len(kept) - categories} of numbers, "
        f"{categories} of categories; cells are missing in {missing}.",
        "data:",
        f"  train: {inline(path)}",
        f"  target: {inline(target)}",
    ]
    if excluded:
        lines += [
            "  # text, or a different value in nearly every row: says nothing of new rows",
            f"  exclude: {inline(excluded)}",
        ]
    lines += [
        "  validation: 0.15            # chooses the best epoch",
        "  test: 0.15                  # looked at once, at the end",
        "  numeric: {missing: median, scale: standard}   # one scale for all columns: faster",
    ]
    if categories:
        lines.append("  categorical: {missing: category, encode: one_hot}")
    lines += [
        "",
        "model:",
        "  init: he                    # suits relu",
        "  layers:",
        f"    - {{type: dense, units: {units}}}",
        "    - {type: relu}",
        f"    - {{type: dense, units: {units}}}",
        "    - {type: relu}",
        "    - {type: dense, units: auto}      # as many as the target needs",
        "",
        f"loss: {loss}    # {why}",
        "regularization: {l2: 1e-4}    # keeps the weights small: less overfitting",
        "optimizer: {type: adam, learning_rate: 2e-3}",
        f"training: {{epochs: 200, batch_size: {batch}, clip_norm: 5}}",
        "early_stopping: {monitor: val/loss, patience: 20, restore_best: true}",
        f"metrics: {inline(metrics)}",
        "",
    ]
    return "\n".join(lines)


def _task(column: Column) -> tuple[str, str, list[str]]:
    """Return the loss for a target, why it is that one, and the metrics to watch."""
    values = column.values[~column.missing]
    different = len(np.unique(values))
    whole = column.kind == "category" or bool((values == np.floor(values)).all())
    if different == 2:
        return "binary_cross_entropy", "the target has two values", ["accuracy", "f1", "roc_auc"]
    if column.kind == "category" or (whole and different <= min(CLASSES, len(values) / 5)):
        return "cross_entropy", f"the target has {different} classes", ["accuracy", "f1"]
    return "mse", "the target is a number", ["rmse", "mae", "r2"]
