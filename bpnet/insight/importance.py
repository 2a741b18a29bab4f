"""Which input columns a trained network goes by.

Two answers to two questions. Permutation: how much worse do the answers get if a column is shuffled
among the rows, so that it says nothing any more? (Breiman, 2001; Fisher, Rudin & Dominici, 2019.)
Gradient: how much does the output move if a column moves a little? Both look at columns as they are
in the file: the inputs that one of categories became are shuffled, or counted, as one.

Legend: N rows, F inputs, K outputs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bpnet.combinations import choose_metrics
from bpnet.data.dataset import Dataset
from bpnet.data.features import TableFeatures
from bpnet.errors import UsageError, did_you_mean
from bpnet.experiment import build_loss
from bpnet.model import Model
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.nn.network import EVALUATED
from bpnet.streams import stream
from bpnet.training.evaluate import evaluate
from bpnet.training.metrics import METRICS, Metric, build_metrics

REPEATS = 10
SAMPLED = 50_000
"""Rows that are looked at, at most."""


@dataclass(frozen=True, slots=True)
class ColumnImportance:
    """How much one column matters.

    Attributes
    ----------
    column
        Its name; of images the place of a number, ``[row, column, channel]``.
    inputs
        How many inputs of the network it became.
    importance
        How much worse the metric gets, or how far the output moves.
    spread
        The standard deviation over the repeats of a permutation, else None.
    """

    column: str
    inputs: int
    importance: float
    spread: float | None = None


@dataclass(eq=False)
class Importances:
    """How much each column matters to a network.

    Attributes
    ----------
    method
        ``permutation`` or ``gradient``.
    rows, of
        How many rows were looked at, of how many.
    columns
        The most important first.
    metric, mode, score
        What was measured, whether more is better (``max``) or less, and its value as it is.
    repeats
        How often each column was shuffled.
    picture
        By gradients of images: the importance of each number of one, in its shape.
    """

    method: str
    rows: int
    of: int
    columns: list[ColumnImportance]
    metric: str = ""
    mode: str = ""
    score: float | None = None
    repeats: int = 0
    picture: Array | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "method": self.method,
            "rows": self.rows,
            "of": self.of,
            "metric": self.metric or None,
            "mode": self.mode or None,
            "score": self.score,
            "repeats": self.repeats or None,
            "columns": [
                {
                    "column": c.column,
                    "inputs": c.inputs,
                    "importance": c.importance,
                    "spread": c.spread,
                }
                for c in self.columns
            ],
        }

    def csv(self) -> str:
        """Return the columns as CSV, the most important first."""
        sink = io.StringIO()
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["column", "importance", "spread"])
        for c in self.columns:
            writer.writerow([c.column, c.importance, "" if c.spread is None else c.spread])
        return sink.getvalue()

    def arrays(self) -> dict[str, Array]:
        """Return the importance as arrays: of images the picture, else by column, with names."""
        if self.picture is not None:
            return {"importance": self.picture}
        found = {
            "columns": np.array([c.column for c in self.columns]),
            "importance": np.array([c.importance for c in self.columns]),
        }
        if self.method == "permutation":
            found["spread"] = np.array([c.spread for c in self.columns], np.float64)
        return found


def source_columns(features: TableFeatures) -> dict[str, list[int]]:
    """Return the indices of the inputs that each column became."""
    found = {name: [i] for i, name in enumerate(features.numeric.names)}
    start = len(found)
    for column in features.categories:
        stop = start + len(column.names)
        found[column.name] = list(range(start, stop))
        start = stop
    return {name: found[name] for name in features.columns}


def permutation(
    model: Model,
    dataset: Dataset,
    *,
    metric: str | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Importances:
    """Return how much worse a metric gets where one column is shuffled among the rows.

    Parameters
    ----------
    model
        The model; it must read a table.
    dataset
        Rows with their targets, best such as the network has not learned from.
    metric
        A metric by its name, or ``loss``; by default the first one of the config.
    repeats
        How often each column is shuffled.
    seed
        Where the random streams start; each column and repeat has its own.

    Raises
    ------
    UsageError
        If the model reads images, or the metric does not suit it.
    """
    if not isinstance(model.features, TableFeatures):
        raise UsageError(
            "--importance permutation: this model reads arrays, whose single numbers tell nothing "
            "by themselves; use --importance gradient"
        )
    if len(dataset) < 2:
        raise UsageError("--importance permutation: one row can't be shuffled; give more")
    build_loss(model.config, model.target)
    measured, mode = _metric(model, metric)
    key = measured[0].key if measured else "loss"
    sampled = _sampled(dataset, seed)
    score = _score(model, sampled, measured, key)
    worse = 1.0 if mode == "min" else -1.0
    shuffled = replace(sampled, x=sampled.x.copy())
    found = []
    for place, (name, inputs) in enumerate(source_columns(model.features).items()):
        losses = []
        for repeat in range(repeats):
            order = stream(seed, "importance", place, repeat).permutation(len(sampled))
            shuffled.x[:, inputs] = sampled.x[order][:, inputs]
            losses.append(worse * (_score(model, shuffled, measured, key) - score))
        shuffled.x[:, inputs] = sampled.x[:, inputs]
        mean, spread = float(np.mean(losses)), float(np.std(losses))
        found.append(ColumnImportance(name, len(inputs), mean, spread))
    found.sort(key=lambda column: -np.nan_to_num(column.importance))
    return Importances("permutation", len(sampled), len(dataset), found, key, mode, score, repeats)


def gradients(model: Model, x: Array, seed: int = 0) -> Importances:
    """Return how far the output moves where a column moves by its standard deviation.

    For each row the gradient of the output by the inputs is taken: of the logit of the class that
    the network says, less the mean of all logits; of the logit of yes; of the number, scaled. Each
    input's share is multiplied by that input's standard deviation over the rows, the shares of
    the inputs of one column are joined as the root of the sum of their squares, and that is
    averaged over the rows (and over several outputs).

    Parameters
    ----------
    model
        The model.
    x
        Inputs ``(N, ...)``.
    seed
        Where the random stream starts that draws rows if there are very many.
    """
    of = len(x)
    x = x[_drawn(len(x), seed)]
    deviation = x.std(axis=0, dtype=np.float64)
    shape = x.shape[1:]
    groups = None
    if isinstance(model.features, TableFeatures):
        groups = source_columns(model.features)
    total = np.zeros(len(groups) if groups is not None else int(np.prod(shape)))
    count = 0
    for start in range(0, len(x), EVALUATED):
        block = np.ascontiguousarray(x[start : start + EVALUATED])
        for slope in _slopes(model, block):
            moved = (slope * deviation).reshape(len(block), -1)
            if groups is not None:
                parts = [np.sqrt((moved[:, g] ** 2).sum(axis=1)) for g in groups.values()]
                moved = np.stack(parts, axis=1)
            total += np.abs(moved).sum(axis=0)
            count += len(block)
    mean = total / count
    if groups is None:
        picture = mean.reshape(shape)
        order = np.argsort(-mean, kind="stable")
        names = [
            f"[{', '.join(str(int(k)) for k in np.unravel_index(i, shape))}]"
            for i in order.tolist()
        ]
        found = [
            ColumnImportance(name, 1, float(mean[i]))
            for name, i in zip(names, order.tolist(), strict=True)
        ]
        return Importances("gradient", len(x), of, found, picture=picture)
    found = [
        ColumnImportance(name, len(inputs), float(value))
        for (name, inputs), value in zip(groups.items(), mean.tolist(), strict=True)
    ]
    found.sort(key=lambda column: -column.importance)
    return Importances("gradient", len(x), of, found)


def _slopes(model: Model, x: Array) -> list[Array]:
    """Return the gradients of the outputs that count by the inputs, each ``(N, ...)`` float64."""
    network = model.network
    with np.errstate(all="ignore"):
        z = network.forward(x, Pass(train=False))
        outputs = z.shape[1]
        if model.target.kind == "class":
            dz = np.full(z.shape, -1 / outputs, z.dtype)
            dz[np.arange(len(z)), z.argmax(axis=1)] += 1
            asked = [dz]
        else:
            asked = []
            for k in range(outputs):
                dz = np.zeros(z.shape, z.dtype)
                dz[:, k] = 1
                asked.append(dz)
        found = []
        for dz in asked:
            network.forward(x, Pass(train=False))
            dx = network.backward(dz, need_dx=True)
            assert dx is not None
            found.append(dx.astype(np.float64))
    return found


def _metric(model: Model, name: str | None) -> tuple[Sequence[Metric], str]:
    """Return the metric, none for the loss, and whether more or less of it is better."""
    kind, outputs = model.target.kind, model.target.outputs
    own = choose_metrics(model.config, kind, outputs)
    if name is None and own:
        return own[:1], own[0].mode
    if name in (None, "loss"):
        return [], "min"
    for metric in own:
        if metric.key == name:
            return [metric], metric.mode
    suited = {key: metric for key, metric in METRICS.items() if kind in metric.kinds}
    if name not in suited:
        known = ["loss", *dict.fromkeys([*(m.key for m in own), *suited])]
        hint = did_you_mean(name, known)
        raise UsageError(
            f"--metric: '{name}' is none that suits this model{hint} (there are {', '.join(known)})"
        )
    built = build_metrics([name], kind, outputs)
    return built, built[0].mode


def _score(model: Model, dataset: Dataset, metrics: Sequence[Metric], key: str) -> float:
    found = evaluate(model.network, model.loss, dataset, metrics, model.target)
    return float(found.scores[key])


def _drawn(count: int, seed: int) -> Array | slice:
    if count <= SAMPLED:
        return slice(None)
    rng = stream(seed, "importance rows")
    return np.sort(rng.choice(count, SAMPLED, replace=False, shuffle=False))


def _sampled(dataset: Dataset, seed: int) -> Dataset:
    rows = _drawn(len(dataset), seed)
    if isinstance(rows, slice):
        return dataset
    return Dataset(
        dataset.x[rows],
        dataset.target[rows],
        None if dataset.weight is None else dataset.weight[rows],
        dataset.rows[rows],
        truth=None if dataset.truth is None else dataset.truth[rows],
    )
