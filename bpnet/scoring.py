"""What `bpnet eval` tells of a trained model on a split or a file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpnet.assembly import build_loss
from bpnet.combinations import choose_metrics
from bpnet.data.dataset import Dataset, make_dataset
from bpnet.data.sources import read_source
from bpnet.errors import DataError, UsageError
from bpnet.model import Model
from bpnet.preparation import prepare
from bpnet.runs import rundir
from bpnet.training.evaluate import Evaluation, evaluate
from bpnet.training.metrics.reports import class_scores, confusion_matrix, residuals


@dataclass
class Report:
    """Scores of one part of the data.

    Attributes
    ----------
    part, source, rows
        What was scored: ``test``, its file, and how many rows.
    scores, modes
        Loss and metrics by name, and whether more (``max``) or less (``min``) is better.
    confusion
        ``classes`` and ``matrix`` (true down, predicted across) of one class of several.
    class_scores, residuals
        A row per class or label, or per number predicted.
    warnings
        What the reader of these scores should know.
    """

    part: str
    source: str
    rows: int
    scores: dict[str, float]
    modes: dict[str, str]
    confusion: dict[str, Any] | None = None
    class_scores: list[dict[str, Any]] = field(default_factory=list)
    residuals: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values, metrics named ``test/accuracy``."""
        report: dict[str, Any] = {
            "split": self.part,
            "source": self.source,
            "rows": self.rows,
            "metrics": {f"{self.part}/{name}": value for name, value in self.scores.items()},
        }
        for name in ("confusion", "class_scores", "residuals"):
            if getattr(self, name):
                report[name] = getattr(self, name)
        return report


def score_split(model: Model, split: str | None, run: Path) -> Report:
    """Score a split of the data that the model was trained with (default: test, else val).

    Raises
    ------
    UsageError
        If the config has no such split.
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
    source = {"train": config.data.train, "val": config.data.validation, "test": config.data.test}
    named = source[split] if isinstance(source[split], str) else config.data.train
    report = score(model, data.datasets[split], split, str(named))
    if (run / rundir.RUN).is_file():
        known = {file["sha256"] for file in rundir.read_json(run / rundir.RUN)["data"]}
        report.warnings += [
            f"{file['path']}: has changed since the training, so its rows may be split otherwise "
            "now and training rows may be among those scored"
            for file in data.sources
            if file["sha256"] not in known
        ]
    return report


def score_file(model: Model, path: str) -> Report:
    """Score a file with the target in it.

    Raises
    ------
    DataError
        If it is missing, unreadable or wrong.
    """
    config = model.config
    kinds = model.features.columns
    source = read_source(
        path,
        Path(),
        kinds=kinds,
        features=config.data.features,
        target=config.data.target,
        header=config.data.header,
    )
    weight = config.data.weight
    if weight is not None and weight not in source.columns:
        weight = None
    dataset = make_dataset(source, model.features, model.target, weight=weight, dtype=config.dtype)
    report = score(model, dataset, "data", path)
    for column, levels in dataset.unseen.items():
        named = ", ".join(f"{level!r} ({count})" for level, count in list(levels.items())[:5])
        report.warnings.append(f"column '{column}' has categories not in training: {named}")
    return report


def score(model: Model, dataset: Dataset, part: str, source: str) -> Report:
    """Score prepared rows."""
    if not len(dataset):
        raise DataError("no row to score", source)
    config, target, loss = model.config, model.target, model.loss
    build_loss(config, target)
    metrics = choose_metrics(config, target.kind, target.outputs)
    found = evaluate(model.network, loss, dataset, metrics, target)
    modes: dict[str, str] = {"loss": "min", **{metric.key: metric.mode for metric in metrics}}
    report = Report(part, source, len(dataset), found.scores, modes)
    _add_details(report, found, model, dataset)
    return report


def _add_details(report: Report, found: Evaluation, model: Model, dataset: Dataset) -> None:
    target = model.target
    if target.kind == "number":
        rows = residuals(target.columns, found.truth, found.output)
        report.residuals = [dataclasses.asdict(row) for row in rows]
        return
    names, weight = target.class_names, dataset.weight
    if target.kind == "class" or target.outputs == 1:
        matrix = confusion_matrix(target.kind, found.truth, found.output, weight)
        report.confusion = {"classes": list(names), "matrix": matrix.tolist()}
    scores = class_scores(target.kind, names, found.truth, found.output, weight)
    report.class_scores = [dataclasses.asdict(row) for row in scores]
    if weight is None:
        for row in report.class_scores:
            row["rows"] = int(row["rows"])
