"""What networks say of rows that they have not learned from: out-of-fold predictions.

Legend: N rows, K classes, R repeats.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpnet.data.batches import Batches
from bpnet.data.dataset import Dataset
from bpnet.data.target.classes import ClassTarget
from bpnet.data.target.numbers import NumberTarget
from bpnet.errors import DivergedError
from bpnet.nn.arena import Array
from bpnet.nn.layers.activations import Relu
from bpnet.nn.layers.base import Layer
from bpnet.nn.layers.dense import Dense
from bpnet.nn.layers.shaping import Flatten
from bpnet.nn.losses.cross_entropy import CrossEntropy
from bpnet.nn.losses.regression import Huber
from bpnet.nn.network import Network
from bpnet.optim.optimizers.adam import AdamW
from bpnet.optim.schedules import Constant
from bpnet.streams import stream
from bpnet.training.early_stopping import Monitor
from bpnet.training.fit import fit
from bpnet.training.state import Control, TrainingState

FOLDS = 5
REPEATS = 3
"""How often the rows are divided anew, by those who ask."""

STEPS = 800
"""Steps of a training, about: few, so that single wrong rows are not learned by heart."""

EPOCHS = (4, 60)
"""Passes over the rows, at least and at most."""

BATCHES = (16, 256)
UNITS = 64


def out_of_fold(x: Array, target: Array, outputs: int, seed: int, repeats: int) -> Array | None:
    """Return what networks say of each row that have not learned from it, ``(R, N, K)``.

    Every repeat divides the rows anew into five folds, and trains a small network on each four of
    them: one hidden layer of 64 units.

    Parameters
    ----------
    x
        Inputs ``(N, ...)``.
    target
        Classes, int ``(N,)``, each below `outputs`; or numbers ``(N, K)``, of which one is a
        standard deviation.
    outputs
        K.
    seed
        Where the random streams start.
    repeats
        R.

    Returns
    -------
    Array or None
        Probabilities of the classes, or numbers; None if a training diverged.
    """
    said = np.zeros((repeats, len(x), outputs), np.float32)
    for repeat in range(repeats):
        for fold, learned in _folds(target, seed, repeat):
            data = Dataset(np.ascontiguousarray(x[learned]), np.ascontiguousarray(target[learned]))
            state = _training(data, outputs, seed + repeat)
            try:
                for _ in fit(state):
                    pass
            except DivergedError:
                return None
            with np.errstate(all="ignore"):
                said[repeat, fold] = state.loss.predict(state.network.predict(x[fold]))
    return said if np.isfinite(said).all() else None


def _folds(target: Array, seed: int, repeat: int) -> Iterator[tuple[Array, Array]]:
    """Yield the rows of each fold and the others; classes are spread evenly over the folds."""
    order = stream(seed, "data check folds", repeat).permutation(len(target))
    if target.ndim == 1:
        order = order[np.argsort(target[order], kind="stable")]
    number = np.empty(len(target), np.int64)
    number[order] = np.arange(len(target)) % FOLDS
    for fold in range(FOLDS):
        yield np.flatnonzero(number == fold), np.flatnonzero(number != fold)


def _training(data: Dataset, outputs: int, seed: int) -> TrainingState:
    rows = len(data)
    low, high = EPOCHS
    batch = int(np.clip(rows * low // STEPS, *BATCHES))
    steps = -(-rows // batch)
    epochs = int(np.clip(STEPS // steps, low, high))
    layers: list[Layer] = [Dense(UNITS), Relu(), Dense(outputs)]
    if data.x.ndim > 2:
        layers.insert(0, Flatten())
    network = Network(layers, data.x.shape[1:], dtype="float32", seed=seed)
    is_class = data.target.ndim == 1
    loss = CrossEntropy() if is_class else Huber()
    loss.build(outputs)
    optimizer = AdamW(learning_rate=3e-3, weight_decay=0.05)
    schedule = Constant()
    schedule.build(optimizer.learning_rate, epochs * steps, steps)
    target = (
        ClassTarget(("target",), tuple(map(str, range(outputs))), (1,) * outputs)
        if is_class
        else NumberTarget(("target",) * outputs, np.zeros(outputs), np.ones(outputs))
    )
    return TrainingState(
        network=network,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        batches=Batches(data, batch, seed=seed),
        control=Control(epochs=epochs, seed=seed, clip_norm=5.0, keep_best=False),
        monitor=Monitor("train/loss", "min"),
        target=target,
    )
