"""What the columns of the data are for: those to predict, those to read, and whether they suit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bpnet.config.schema import DataConfig
from bpnet.data.columns import Source, chosen_column, different
from bpnet.data.features import feature_names
from bpnet.data.table import Table, Tensor
from bpnet.errors import OptionError
from bpnet.nn.losses import Loss


def target_names(config: DataConfig, train: Source) -> list[str]:
    """Return the columns to predict: the config's, or what the source itself says.

    Raises
    ------
    OptionError
        If neither says any, or the source lacks one.
    """
    if isinstance(config.target, str):
        names = [config.target]
    else:
        names = list(config.target or train.target_names)
    arrays = not isinstance(train, Table) or train.source.endswith(".npz")
    if arrays and config.target is not None and train.target_names and not _known(names, train):
        # The option names an array, which the reader has found; its columns are named after it.
        return list(train.target_names)
    if not names:
        known = ", ".join(train.columns)
        raise OptionError(f"expected the column to predict; {train.source} has {known}", "target")
    for i, name in enumerate(names):
        chosen_column(train, name, "target", *([] if isinstance(config.target, str) else [i]))
    return names


def check_loss(loss: Loss, train: Source, names: list[str]) -> None:
    """Refuse a loss of another kind than the target's columns plainly are.

    Raises
    ------
    OptionError
        If it is; the path is ``loss``.
    """
    if len(names) > 1:
        _check_several(loss, train, names)
    for name in names:
        column = train.columns[name]
        values = column.as_category().levels if column.kind == "category" else ()
        shown = ", ".join(values[:3]) + (", ..." if len(values) > 3 else "")
        count = len(different(column.values[~column.missing]))
        if loss.target == "number" and values:
            better = "binary_cross_entropy" if len(values) == 2 else "cross_entropy"
            raise OptionError(
                f"{loss.type} compares numbers, but target '{name}' has the values {shown}; "
                f"use {better}",
                "loss",
            )
        if loss.target == "binary" and len(names) == 1 and count > 2:
            better = "mse" if column.kind == "number" and count > 20 else "cross_entropy"
            raise OptionError(
                f"{loss.type} is for yes or no, but target '{name}' has {count} different "
                f"values; use {better}",
                "loss",
            )
        whole = column.kind == "category" or bool(
            (column.values == np.floor(column.values))[~column.missing].all()
        )
        many = count > (max(50, train.rows / 2) if whole else 20)
        if loss.target == "class" and len(names) == 1 and column.kind == "number" and many:
            raise OptionError(
                f"{loss.type} is for classes, but target '{name}' has {count} different "
                "numbers; use mse",
                "loss",
            )


def _check_several(loss: Loss, train: Source, names: list[str]) -> None:
    """Refuse a loss for several targets that are plainly of another kind."""
    columns = [train.columns[name] for name in names]
    if loss.target == "binary":
        for column in columns:
            count = len(different(column.values[~column.missing]))
            if count > 2:
                better = "mse" if column.kind == "number" else "cross_entropy, one target at a time"
                raise OptionError(
                    f"{loss.type} with several targets is for yes or no each, but "
                    f"'{column.name}' has {count} different values; use {better}",
                    "loss",
                )
    if loss.target == "class":
        sums = None
        if all(column.kind == "number" for column in columns):
            sums = np.sum([column.values for column in columns], axis=0)
        if sums is None or (np.abs(sums[~np.isnan(sums)] - 1) > 0.01).mean() > 0.5:
            raise OptionError(
                f"{loss.type} with several targets takes a probability for each class, which sum "
                f"to 1, but {', '.join(names[:4])} do not; use binary_cross_entropy if each is a "
                "yes or no, mse if each is a number",
                "loss",
            )


def input_names(config: DataConfig, train: Source, targets: list[str]) -> list[str]:
    """Return the input columns; refuse those that no dense network can use.

    Raises
    ------
    OptionError
        If a column is one of those, is missing or is wanted for two things.
    """
    if isinstance(train, Tensor):
        return []
    others = dict.fromkeys(targets, "the target")
    if config.weight is not None:
        chosen_column(train, config.weight, "weight")
        if config.weight in targets:
            raise OptionError(
                f"'{config.weight}' is the target, so it can't be the weight", "weight"
            )
        others[config.weight] = "the weight"
    for name in config.split.columns:
        chosen_column(train, name, "split", "column")
        others.setdefault(name, "the column that splits")
    chosen = config.features
    if train.source.endswith(".npz") and chosen != "all" and not _known(chosen, train):
        chosen = "all"  # the option names an array, which the reader has found
    names = feature_names(train, chosen, config.exclude, others)
    for name in names:
        column = train.columns[name]
        if name in config.columns and config.columns[name].type is not None:
            continue
        if column.is_text:
            raise OptionError(
                f"column '{name}' of {train.source} holds text, which needs layers that read "
                f"text; exclude it: `exclude: [{name}]`",
                "features",
            )
        if column.is_identifier:
            raise OptionError(
                f"column '{name}' of {train.source} has {len(column.levels)} different values in "
                f"{train.rows} rows, like a name or number of the row, which says nothing of new "
                f"rows; exclude it: `exclude: [{name}]`, or keep it with `columns: {{{name}: "
                "{type: category}}`",
                "features",
            )
    return names


def _known(names: Sequence[str], source: Source) -> bool:
    return all(name in source.columns for name in names)
