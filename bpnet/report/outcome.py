"""What the network of a run answers on its data, and what it looks like inside.

Legend: N rows, K outputs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bpnet import model
from bpnet.config.schema import Config, DataConfig, ImageFiles
from bpnet.data.columns import Source
from bpnet.data.dataset import Dataset
from bpnet.data.target import Target
from bpnet.errors import BpnetError, DataError, RunError
from bpnet.experiment import Experiment, build
from bpnet.nn.arena import Array
from bpnet.nn.layers.base import Pass
from bpnet.nn.rules import Batch
from bpnet.preparation import Prepared, prepare, read_part
from bpnet.report.pictures import ImageShape, image_shape
from bpnet.report.record import Record
from bpnet.runs import checkpoint, rundir
from bpnet.streams import stream
from bpnet.training.evaluate import evaluate

ROWS = 1024
"""Training rows whose gradient is looked at."""

READ_AGAIN = 64 << 20
"""Bytes of data up to which a report that is drawn after a training reads it once more."""


@dataclass(eq=False)
class Outcome:
    """A network with its answers to one part of the data.

    Attributes
    ----------
    part
        ``test``, else ``val``, else ``train``.
    dataset
        Its rows.
    target
        What the answers mean.
    truth, output
        In the user's units, as in :class:`bpnet.training.evaluate.Evaluation`.
    scores
        Loss and metrics of the part.
    weights
        Whose weights they are: ``the model``, ``the best epoch so far``, ``step 1280``.
    source
        The rows as they were read; None if they were not read again.
    inputs
        The names of the inputs, where they have some.
    images
        What images the inputs are, if they are.
    first_layer
        Weights of the first layer as images ``(units, H, W)`` or ``(units, H, W, C)``.
    norms
        Length of the gradient by layer, at each moment that has one.
    base
        Means of the training rows' targets ``(K,)``, or the classes' shares.
    trained_on
        How many training rows there are.
    """

    part: str
    dataset: Dataset
    target: Target
    truth: Array
    output: Array
    scores: dict[str, float]
    weights: str
    source: Source | None
    inputs: tuple[str, ...]
    images: ImageShape | None
    first_layer: Array | None
    norms: dict[str, dict[str, float]]
    base: Array
    trained_on: int

    def place(self, row: int) -> str:
        """Return where a row of the part is: ``line 17``."""
        number = int(self.dataset.rows[row])
        return f"row {number}" if self.source is None else self.source.place(number)

    def __len__(self) -> int:
        return len(self.dataset)


class _Reader:
    """Reads parts of the data, and remembers them."""

    def __init__(self) -> None:
        self.read: dict[str, Source] = {}

    def __call__(self, config: DataConfig, source: str | ImageFiles, folder: Path) -> Source:
        key = repr(source)
        if key not in self.read:
            self.read[key] = read_part(config, source, folder)
        return self.read[key]


def examine(record: Record, split: str | None = None, data: Prepared | None = None) -> Outcome:
    """Let the network of a run answer; nothing of the run is changed.

    Parameters
    ----------
    record
        The run.
    split
        Which part of the data; by default test, or else val, or else train.
    data
        The run's data, if it is in memory anyway.

    Raises
    ------
    BpnetError
        If the data, the config or all weights are missing, or not what they were.
    """
    if record.document is None:
        raise RunError("the config can't be read")
    reader = _Reader()

    def data_for(config: Config, folder: Path) -> Prepared:
        if data is not None:
            return data
        return prepare(
            config.data, config.loss, folder, seed=config.seed, dtype=config.dtype, reader=reader
        )

    experiment = build(record.document, data_for)
    _refuse_changed(record, experiment)
    state, prepared = experiment.state, experiment.data
    start = state.network.arena.theta.copy(), state.network.arena.state.copy()
    weights = _take_weights(record, experiment)
    there = prepared.datasets
    if split is None:
        split = next(name for name in ("test", "val", "train") if name in there)
    if split not in there:
        raise DataError(f"this run has no {split} part; there are {', '.join(there)}")
    dataset = there[split]
    found = evaluate(state.network, state.loss, dataset, state.metrics, prepared.target)
    source = _source(experiment.config, split, reader, data)
    images = image_shape(prepared.features.shape, prepared.features.names)
    norms = dict(_norms(record, experiment, start, weights))
    return Outcome(
        split,
        dataset,
        prepared.target,
        found.truth,
        found.output,
        found.scores,
        weights,
        source,
        prepared.features.names,
        images,
        _first_layer(experiment, images),
        norms,
        _base(prepared),
        len(there["train"]),
    )


def _refuse_changed(record: Record, experiment: Experiment) -> None:
    known = rundir.latest_session(record.facts).get("data") or []
    before = [file["sha256"] for file in known]
    now = [file["sha256"] for file in experiment.data.sources]
    if before and before != now:
        changed = [file for file in experiment.data.sources if file["sha256"] not in before]
        named = ", ".join(str(file["path"]) for file in changed or experiment.data.sources)
        raise DataError("has changed since the training", named)


def _take_weights(record: Record, experiment: Experiment) -> str:
    """Put the best weights that there are into the network; say which they are."""
    network, directory = experiment.state.network, record.directory
    if (directory / rundir.MODEL).is_file():
        loaded = model.load(directory)
        try:
            network.take(loaded.weights)
        except ValueError as error:
            raise RunError(f"{directory / rundir.MODEL}: {error}") from error
        return "the model"
    if (directory / rundir.BEST).is_file():
        checkpoint.load_weights(network, directory / rundir.BEST)
        return "the best epoch so far"
    for path in checkpoint.all_of(directory):
        with contextlib.suppress(RunError):
            checkpoint.load_weights(network, path)
            return f"step {checkpoint.step_of(path)}"
    raise RunError("no weights have been saved yet")


def _source(config: Config, split: str, reader: _Reader, data: Prepared | None) -> Source | None:
    """Return the rows of a split as they were read."""
    given = {"val": config.data.validation, "test": config.data.test}.get(split)
    origin = config.data.train if given is None or isinstance(given, float | int) else given
    if data is not None and sum(int(file["bytes"]) for file in data.sources) > READ_AGAIN:
        return None
    with contextlib.suppress(BpnetError):
        return reader(config.data, origin, Path())
    return None


def _norms(
    record: Record, experiment: Experiment, start: tuple[Array, Array], weights: str
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the gradient's length by layer: at the start, of the answers' weights, at the end."""
    state = experiment.state
    arena = state.network.arena
    now = arena.theta.copy(), arena.state.copy()
    initial = record.directory / rundir.INITIAL
    try:
        arena.theta[:], arena.state[:] = start
        with contextlib.suppress(BpnetError):
            if initial.is_file():
                checkpoint.load_weights(state.network, initial)
            yield "at the start", _gradient(experiment)
        arena.theta[:], arena.state[:] = now
        yield (
            f"of {weights}" if not weights.startswith("step") else f"at {weights}",
            _gradient(experiment),
        )
        for path in checkpoint.all_of(record.directory)[:1]:
            with contextlib.suppress(BpnetError):
                if not weights.startswith("step"):
                    checkpoint.load_weights(state.network, path)
                    if not np.array_equal(arena.theta, now[0]):
                        yield f"at step {checkpoint.step_of(path):,}", _gradient(experiment)
    finally:
        arena.theta[:], arena.state[:] = now


def _gradient(experiment: Experiment) -> dict[str, float]:
    """Return the length of the gradient of each layer, penalties included, over some rows."""
    state = experiment.state
    arena, data = state.network.arena, experiment.data.datasets["train"]
    rows = np.sort(stream(state.control.seed, "shuffle", 0).permutation(len(data))[:ROWS])
    weight = None if data.weight is None else data.weight[rows]
    batch = Batch(data.x[rows], data.target[rows], weight)
    step = Pass(train=True, rng=stream(state.control.seed, "dropout", 0))
    with np.errstate(all="ignore"):
        state.rule.gradient(state.network, state.loss, batch, step)
        state.regularization.add_gradient(arena)
    squares: dict[str, float] = {}
    for name, param in arena.params.items():
        if not param.frozen:
            layer = name.rpartition(".")[0]
            own = float(np.square(param.grad, dtype=np.float64).sum())
            squares[layer] = squares.get(layer, 0.0) + own
    order = [name for name, _, _ in state.network.walk()]
    return {layer: squares[layer] ** 0.5 for layer in order if layer in squares}


def _first_layer(experiment: Experiment, images: ImageShape | None) -> Array | None:
    """Return the weights of the first dense layer as images, if it sees them."""
    if images is None:
        return None
    for _, layer, _ in experiment.state.network.walk():
        if layer.type == "dense":
            inputs: Array = layer.W.value  # type: ignore[attr-defined]
            if len(inputs) != len(images.order):
                return None
            return images.images(np.asarray(inputs.T, np.float64))
        if layer.type not in ("flatten", "reshape", "dropout", "identity"):
            return None
    return None


def _base(prepared: Prepared) -> Array:
    """Return the best constant answer: the classes' shares, or the means of the targets."""
    train, target = prepared.datasets["train"], prepared.target
    weight = train.weight
    truth = train.truth if train.truth is not None else target.to_units(train.target)
    if truth.ndim == 1:
        counts = np.bincount(truth, weight, target.outputs)
        return np.asarray(counts / counts.sum())
    return np.asarray(np.average(truth.astype(np.float64), axis=0, weights=weight))
