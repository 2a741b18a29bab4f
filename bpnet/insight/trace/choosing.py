"""The arrays of the rows that a trace shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpnet.data.dataset import Dataset
from bpnet.experiment import Experiment
from bpnet.insight.chosen_rows import no_such_row

_PARTS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Chosen:
    """Rows of the data.

    Attributes
    ----------
    dataset
        Their arrays.
    rows
        Their numbers in the file, from 0.
    splits
        The part of the data that each is in.
    """

    dataset: Dataset
    rows: list[int]
    splits: list[str]


def choose(experiment: Experiment, rows: Sequence[int]) -> Chosen:
    """Return rows of the training's source; without any, the first training row.

    Raises
    ------
    UsageError
        If there is no such row.
    """
    datasets = _from_one_source(experiment)
    if not rows:
        train = datasets["train"]
        first = int(train.rows.min())
        rows = [first]
    places = {
        int(row): (split, i)
        for split, dataset in reversed(datasets.items())
        for i, row in enumerate(dataset.rows.tolist())
    }
    for row in rows:
        if row not in places:
            raise no_such_row(row, max(places))
    found = [places[row] for row in rows]
    return Chosen(
        _joined([(datasets[split], i) for split, i in found]),
        list(rows),
        [split for split, _ in found],
    )


def describe_split(split: str) -> str:
    """Return a split's name for people."""
    return _PARTS[split]


def _from_one_source(experiment: Experiment) -> dict[str, Dataset]:
    """Return the parts that were cut from the training's own source."""
    data, datasets = experiment.config.data, experiment.data.datasets
    own = {"train": 0.0, "val": data.validation, "test": data.test}
    return {
        split: dataset for split, dataset in datasets.items() if isinstance(own[split], float | int)
    }


def _joined(places: Sequence[tuple[Dataset, int]]) -> Dataset:
    weights = [None if data.weight is None else data.weight[i] for data, i in places]
    truths = [None if data.truth is None else data.truth[i] for data, i in places]
    return Dataset(
        np.stack([data.x[i] for data, i in places]),
        np.stack([data.target[i] for data, i in places]),
        None if weights[0] is None else np.stack([w for w in weights if w is not None]),
        np.array([int(data.rows[i]) for data, i in places]),
        truth=None if truths[0] is None else np.stack([t for t in truths if t is not None]),
    )
