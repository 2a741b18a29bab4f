"""Rows of a run's data, or of a file, as its model wants them.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
        """Return one row, counted from 0.

        Raises
        ------
        UsageError
            If there is none of that number.
        """
        if not 0 <= row < len(self):
            raise UsageError(
                f"--row {row}: expected 0 to {len(self) - 1}, as {self.part} has {len(self)} rows"
            )
        return Rows(
            self.part, self.source, self.x[row : row + 1], self.rows[row : row + 1], self.place
        )


def chosen_dataset(model: Model, split: str | None) -> tuple[str, Dataset, str]:
    """Return the name, the rows and the source of a split (default: test, else val, else train).

    Raises
    ------
    UsageError
        If the run has no such split.
    DataError
        If the data is no longer there.
    """
    config = model.config
    data = prepare(config.data, config.loss, Path(), seed=config.seed, dtype=config.dtype)
    if split is None:
        split = next(name for name in ("test", "val", "train") if name in data.datasets)
    if split not in data.datasets:
        there = ", ".join(data.datasets)
        raise UsageError(f"this run has no {split} part; there are {there}")
    named = _origin(model, split)
    return split, data.datasets[split], named if isinstance(named, str) else named.images


def _origin(model: Model, split: str) -> str | ImageFiles:
    """Return the source that a split comes from."""
    data = model.config.data
    given = {"val": data.validation, "test": data.test}.get(split, data.train)
    return data.train if isinstance(given, float | int) else given


def rows_of_split(model: Model, split: str | None) -> Rows:
    """Return the rows of a split, prepared as the model wants them; see `chosen_dataset`."""
    split, dataset, named = chosen_dataset(model, split)

    def place(row: int) -> str:
        return read_part(model.config.data, _origin(model, split), Path()).place(row)

    return Rows(split, named, dataset.x, dataset.rows, place)


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
