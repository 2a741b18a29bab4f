"""What a run directory tells without its data: status, config, metrics, events, result."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpnet.config import of_run
from bpnet.config.document import Document
from bpnet.config.schema import bind_config, plain_config
from bpnet.errors import BpnetError
from bpnet.report.thinning import Point
from bpnet.report.wording import is_epoch, number
from bpnet.runs import durable, metrics_log, rundir

_OTHERS = ("epoch", "step", "samples", "lr", "time_s", "grad_norm", "best")
"""Columns of the metrics that are none."""


@dataclass
class Record:
    """One run.

    Attributes
    ----------
    directory
        Where it is.
    facts
        Its ``run.json``.
    rows
        Its metrics, a row for each epoch.
    drops
        Epochs after which the learning rate was lowered, with what it was before and after.
    gradients
        The length of each layer's gradient by epoch, of the layers from the first to the last;
        empty for runs that have not written it.
    result
        Its ``result.json``; empty as long as there is none.
    document
        Its config as it would go on; None if that is damaged.
    plain
        All options of the config.
    notes
        What could not be read, one sentence each.
    """

    directory: Path
    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    drops: list[tuple[int, float, float]] = field(default_factory=list)
    gradients: dict[str, list[Point]] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    document: Document | None = None
    plain: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self.directory.resolve().name

    @property
    def status(self) -> str:
        """What became of it, as `rundir.standing` says."""
        return rundir.standing(self.directory, self.facts)

    @property
    def monitor(self) -> str:
        """The metric that chooses the best epoch."""
        named = self.result.get("monitor")
        if not named:
            early = self.plain.get("early_stopping")
            named = early.get("monitor") if isinstance(early, dict) else None
        if not isinstance(named, str) or named not in self.metrics:
            named = "val/loss" if "val/loss" in self.metrics else "train/loss"
        return named

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics that were measured each epoch."""
        names = dict.fromkeys(key for row in self.rows for key in row if key not in _OTHERS)
        return list(names)

    @property
    def planned(self) -> int | None:
        """How many epochs were planned; None if unknown."""
        training = self.plain.get("training")
        epochs = training.get("epochs") if isinstance(training, dict) else None
        return epochs if isinstance(epochs, int) else None

    @property
    def best_epoch(self) -> int | None:
        """The best epoch so far."""
        found = [row.get("epoch") for row in self.rows if row.get("best") is True]
        return found[-1] if found and isinstance(found[-1], int) else None

    @property
    def model_epoch(self) -> int | None:
        """The epoch whose weights the model has; None without a model."""
        epoch = self.result.get("model_epoch")
        return epoch if isinstance(epoch, int) else None

    def curve(self, name: str) -> list[Point]:
        """Return a column of the metrics by epoch; what isn't a finite number is NaN."""
        return [(float(row["epoch"]), number(row.get(name))) for row in self.rows]

    def values(self, name: str) -> list[float]:
        """Return the finite numbers of a column."""
        return [y for _, y in self.curve(name) if math.isfinite(y)]


def read_record(directory: Path) -> Record:
    """Read a run; what is missing or damaged besides ``run.json`` is left out, and noted.

    Raises
    ------
    RunError
        If `directory` is no run.
    """
    record = Record(directory, rundir.open_run(directory), [])
    try:
        rows = metrics_log.read(directory) if (directory / rundir.METRICS).exists() else []
        record.rows = [row for row in rows if is_epoch(row.get("epoch"))]
    except BpnetError as error:
        record.notes.append(f"The curves are left out: {error}.")
    record.drops = _drops(directory)
    record.gradients = _gradients(directory, int(record.rows[-1]["epoch"]) if record.rows else 0)
    if (directory / rundir.RESULT).exists():
        try:
            record.result = rundir.read_json(directory / rundir.RESULT)
        except BpnetError as error:
            record.notes.append(f"The result is left out: {error}.")
    try:
        record.document = of_run.current(directory, record.facts)
        record.plain = plain_config(bind_config(record.document))
    except BpnetError as error:
        record.document = None
        record.notes.append(f"The config is left out: {error}.")
    return record


def _gradients(directory: Path, last: int) -> dict[str, list[Point]]:
    """Return the gradients of the epochs up to the last one; lines that say nothing are left out.

    A training that is going to repeat epochs may have left lines of later ones.
    """
    try:
        text = durable.read(directory / rundir.GRADIENTS)
    except BpnetError:
        return {}
    found: dict[str, list[Point]] = {}
    for line in text.splitlines():
        try:
            row = rundir.parse_json(line, directory / rundir.GRADIENTS)
        except BpnetError:
            continue
        epoch, layers = row.get("epoch"), row.get("layers")
        if is_epoch(epoch) and number(epoch) <= last and isinstance(layers, dict):
            for name, length in layers.items():
                found.setdefault(name, []).append((number(epoch), number(length)))
    return found


def _drops(directory: Path) -> list[tuple[int, float, float]]:
    """Return when the learning rate was lowered; lines that can't be read say nothing."""
    try:
        text = durable.read(directory / rundir.EVENTS)
    except BpnetError:
        return []
    found = []
    for line in text.splitlines():
        if b'"learning_rate"' not in line:
            continue
        try:
            event = rundir.parse_json(line, directory / rundir.EVENTS)
        except BpnetError:
            continue
        if event.get("event") == "learning_rate" and isinstance(event.get("epoch"), int):
            found.append((event["epoch"], number(event.get("before")), number(event.get("after"))))
    return found
