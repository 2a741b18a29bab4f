"""Rows of a run's data, or of a file, as its model wants them.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bpnet.config.schema import ImageFiles
from bpnet.data.columns import Source
from bpnet.data.dataset import Dataset, make_dataset
from bpnet.data.sources import read_source
from bpnet.errors import DataError, UsageError
from bpnet.model import Model, as_source
from bpnet.nn.arena import Array
from bpnet.preparation import prepare, read_part


@dataclass(eq=False)
class Rows:
    """Rows to look at.

    Attributes
    ----------
    part
        ``train``, ``val``, ``test``, or ``data`` for a file.
    source
        Where they are.
    x
        Inputs ``(N, ...)``.
    rows
        Their indices in the source, ``(N,)``.
    place
        Tells where a row of the source is: ``line 17``.
    """

    part: str
    source: str
    x: Array
    rows: Array
    place: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.x)

    def only(self, row: int) -> Rows:
        """Return one row, by its number in the source, from 0.

        Raises
        ------
        UsageError
            If there is none of that number.
        """
        at = np.flatnonzero(self.rows == row)
        if not len(at):
            raise no_such_row(row, int(self.rows.max()))
        return Rows(self.part, self.source, self.x[at], self.rows[at], self.place)


def no_such_row(row: int, last: int) -> UsageError:
    """Return the error for the number of a row that no part has, the highest being `last`."""
    if 0 <= row <= last:
        why = "it is left out, as `missing: drop` or `outliers: drop` asks for"
    else:
        why = f"the rows go from 0 to {last}"
    return UsageError(f"--row: there is no row {row}: {why}")


def chosen_dataset(model: Model, split: str | None) -> tuple[str, Dataset, str]:
    """Return the name, the rows and the source of a split (default: test, else val, else train).

    Raises
    ------
    UsageError
        If the run has no such split.
    DataError
        If the data is no longer there.
    """
    datasets = _datasets(model)
    if split is None:
        split = next(name for name in ("test", "val", "train") if name in datasets)
    if split not in datasets:
        there = ", ".join(datasets)
        raise UsageError(f"this run has no {split} part; there are {there}")
    named = _origin(model, split)
    return split, datasets[split], named if isinstance(named, str) else named.images


def _datasets(model: Model) -> dict[str, Dataset]:
    config = model.config
    return prepare(config.data, config.loss, Path(), seed=config.seed, dtype=config.dtype).datasets


def _origin(model: Model, split: str) -> str | ImageFiles:
    """Return the source that a split comes from."""
    data = model.config.data
    given = {"val": data.validation, "test": data.test}.get(split, data.train)
    return data.train if isinstance(given, float | int) else given


def rows_of_split(model: Model, split: str | None) -> Rows:
    """Return the rows of a split, prepared as the model wants them; see `chosen_dataset`."""
    split, dataset, named = chosen_dataset(model, split)
    return _rows(model, split, dataset, named)


def _rows(model: Model, split: str, dataset: Dataset, named: str) -> Rows:
    def place(row: int) -> str:
        return read_part(model.config.data, _origin(model, split), Path()).place(row)

    return Rows(split, named, dataset.x, dataset.rows, place)


def row_of_data(model: Model, row: int, split: str | None = None) -> Rows:
    """Return one row of a run's data, by its number in the file, from 0.

    Parameters
    ----------
    model
        The model.
    row
        Its number in the source of the split; without one in the training's source, whichever part
        it is in.
    split
        The part that it must be in.

    Raises
    ------
    UsageError
        If there is no such row.
    DataError
        If the data is no longer there.
    """
    if split is not None:
        rows = rows_of_split(model, split)
        if row in rows.rows:
            return rows.only(row)
    source = model.config.data.train
    parts = {
        name: dataset
        for name, dataset in _datasets(model).items()
        if _origin(model, name) == (source if split is None else _origin(model, split))
    }
    named = source if isinstance(source, str) else source.images
    for part, dataset in parts.items():
        if row in dataset.rows:
            if split is not None:
                raise UsageError(f"--row: row {row} is in {part}, not in {split}")
            return _rows(model, part, dataset, named).only(row)
    raise no_such_row(row, max(int(dataset.rows.max()) for dataset in parts.values()))


def rows_of_file(model: Model, path: str) -> Rows:
    """Return the rows of a file, prepared as the model wants them; it needs no target.

    Raises
    ------
    DataError
        If it is missing, unreadable or wrong.
    """
    source = as_source(path, model.features, model.config.data)
    made = model.features.transform(source, dtype=model.config.dtype)
    if not len(made.kept):
        raise DataError("no row is left", path)
    return Rows("data", path, made.x, made.kept, source.place)


def dataset_of_file(model: Model, path: str) -> Dataset:
    """Return the rows of a file with their targets.

    Raises
    ------
    DataError
        If it is missing, unreadable or wrong.
    """
    source = _whole(model, path)
    weight = model.config.data.weight
    if weight is not None and weight not in source.columns:
        weight = None
    return make_dataset(
        source, model.features, model.target, weight=weight, dtype=model.config.dtype
    )


def _whole(model: Model, path: str) -> Source:
    data = model.config.data
    return read_source(
        path,
        Path(),
        kinds=model.features.columns,
        features=data.features,
        target=data.target,
        header=data.header,
    )
