"""An exported model against bpnet itself, on the same rows: opened in onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bpnet.config.schema import DataConfig, ImageFiles
from bpnet.data import memory
from bpnet.data.columns import Source, as_number, find_column
from bpnet.data.features import Features, TensorFeatures
from bpnet.data.table import Column, Tensor
from bpnet.errors import BpnetError
from bpnet.exporting.exported import Exported
from bpnet.model import Model
from bpnet.nn.arena import Array
from bpnet.preparation import prepare, read_part

MOST = 10_000
"""Rows that are compared at most."""

MADE_UP = 256
"""Rows that are made up where the data is no longer there."""

TOLERANCES = {"float32": 1e-5, "float64": 1e-10}
"""Differences that the type of the numbers explains."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to compare on.

    Attributes
    ----------
    part
        ``test``, ``val`` or ``train``; ``made up`` where the data is no longer there.
    source, rows
        Where they are.
    reason
        Why they are made up.
    """

    part: str
    source: Source
    rows: Array
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far an exported model is from bpnet.

    Attributes
    ----------
    part, rows
        On what it was compared.
    difference
        The largest difference of a probability, or of a predicted number: of the larger of the
        number and 1, both in the units in which the network learned it.
    labels
        Rows whose labels differ without being a draw.
    runtime
        The version of onnxruntime.
    reason
        Why the rows are made up, if they are.
    """

    part: str
    rows: int
    difference: float
    labels: int
    runtime: str
    reason: str = ""

    def holds(self, tolerance: float) -> bool:
        """Say whether both say the same, up to this difference."""
        return self.difference <= tolerance and not self.labels


def compare(exported: Exported, model: Model, tolerance: float) -> Comparison | None:
    """Compare the predictions of both on the test part; None without onnxruntime.

    Parameters
    ----------
    exported, model
        The two.
    tolerance
        Which labels are draws: those of outputs that are no further apart.
    """
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        exported.data, options, providers=["CPUExecutionProvider"]
    )
    chosen = rows_to_compare(model)
    feed = as_inputs(model.features, exported, chosen.source, chosen.rows)
    found = session.run([port.name for port in exported.outputs], feed)
    x = model.features.transform(chosen.source, chosen.rows, dtype=model.config.dtype).x
    output = model.outputs(x)
    target: Any = model.target
    wrong = 0
    if target.kind == "number":
        ours, theirs = output / target.scale, found[0] / target.scale
        apart = np.abs(ours - theirs) / np.maximum(1, np.abs(ours - target.center / target.scale))
    else:
        ours, theirs = target.probabilities(output), found[1]
        apart = np.abs(ours - theirs)
        differ = target.labels(output).astype(str) != found[0].astype(str)
        wrong = int((differ & ~_draws(target, ours, tolerance)).sum())
    difference = float(apart.max()) if np.isfinite(apart).all() else np.inf
    return Comparison(
        chosen.part, len(x), difference, wrong, str(onnxruntime.__version__), chosen.reason
    )


def _draws(target: Any, chances: Array, tolerance: float) -> Array:
    """Say where the label could as well be another."""
    if target.kind == "binary":
        near: Array = np.abs(chances - 0.5) <= tolerance
        return near if target.outputs > 1 else near[:, 1]
    best = np.sort(chances, axis=1)[:, -2:]
    level: Array = best[:, 1] - best[:, 0] <= 2 * tolerance
    return level


def rows_to_compare(model: Model) -> Rows:
    """Return the test part (else validation, else training), or made-up rows without data."""
    config = model.config
    read: dict[str, Source] = {}

    def remember(data: DataConfig, source: str | ImageFiles, folder: Path) -> Source:
        read[str(source)] = read_part(data, source, folder)
        return read[str(source)]

    try:
        data = prepare(
            config.data, config.loss, Path(), seed=config.seed, dtype=config.dtype, reader=remember
        )
        part = next(name for name in ("test", "val", "train") if name in data.datasets)
        given: Any = {"test": config.data.test, "val": config.data.validation}.get(part)
        source = read[str(config.data.train if isinstance(given, float | int | None) else given)]
        rows = data.datasets[part].rows[:MOST]
        model.features.transform(source, rows, dtype=config.dtype)  # it may have changed since
    except BpnetError as error:
        source = made_up(model.features, MADE_UP)
        return Rows("made up", source, np.arange(source.rows), str(error))
    return Rows(part, source, rows)


def as_inputs(
    features: Features, exported: Exported, source: Source, rows: Array
) -> dict[str, Array]:
    """Return what the exported model takes, by name, for some rows of a source."""
    if isinstance(source, Tensor):
        port = exported.inputs[0]
        kind = "float64" if port.type == "double" else port.type
        return {port.name: np.ascontiguousarray(source.x[rows], kind)}
    feed: dict[str, Array] = {}
    for port in exported.inputs:
        columns = []
        for name in port.columns:
            column = find_column(source, name)
            if features.columns[name] == "number":
                columns.append(as_number(column, source, "").values[rows])
            else:
                columns.append(_texts(column.as_category(), rows))
        feed[port.name] = np.stack(columns, axis=1)
    return feed


def _texts(column: Column, rows: Array) -> Array:
    texts: Array = np.array([*column.levels, ""], object)
    return texts[column.values[rows]]


def made_up(features: Features, count: int) -> Source:
    """Return rows like those of the training, with missing cells and new categories in them."""
    random = np.random.default_rng(0)
    if isinstance(features, TensorFeatures):
        shape = (count, *features.shape)
        x: Array
        if features.stored == "float":
            x = features.center + features.scale * random.standard_normal(shape)
        elif features.stored == "bool":
            x = random.random(shape) < 0.5
        else:
            limits = np.iinfo(features.stored)
            x = random.integers(limits.min, limits.max, shape, features.stored, endpoint=True)
        return Tensor(x, {}, "made up")
    cells: dict[str, list[Any]] = {}
    for i, name in enumerate(features.numeric.names):
        center, scale = features.numeric.center[i], features.numeric.scale[i]
        values = (center + 2 * scale * random.standard_normal(count)).tolist()
        gaps = random.random(count) < (0.05 if features.numeric.missing[i] == "fill" else 0)
        cells[name] = [None if gap else v for gap, v in zip(gaps, values, strict=True)]
    for column in features.categories:
        known: list[str | None] = [*column.levels]
        known += [None] if column.missing == "fill" else []
        known += ["never seen"] if column.unseen == "ignore" else []
        chosen = random.integers(0, len(known), count).tolist()
        cells[column.name] = [known[code] for code in chosen]
    ordered = {name: cells[name] for name in features.columns}
    return memory.from_columns(ordered, features.columns)
