"""How much worse the answers get where a column says nothing any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bpnet.assembly import build_loss
from bpnet.combinations import choose_metrics
from bpnet.data.dataset import Dataset
from bpnet.data.features import TableFeatures
from bpnet.errors import UsageError, did_you_mean
from bpnet.insight.importance.columns import ColumnImportance, Importances, drawn, source_columns
from bpnet.model import Model
from bpnet.streams import stream
from bpnet.training.evaluate import evaluate
from bpnet.training.metrics import METRICS, Metric, build_metrics

REPEATS = 10


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


def _sampled(dataset: Dataset, seed: int) -> Dataset:
    rows = drawn(len(dataset), seed)
    if isinstance(rows, slice):
        return dataset
    return Dataset(
        dataset.x[rows],
        dataset.target[rows],
        None if dataset.weight is None else dataset.weight[rows],
        dataset.rows[rows],
        truth=None if dataset.truth is None else dataset.truth[rows],
    )
