"""The numbers inside a trained network: weights and activations, as arrays and as statistics.

Legend: N rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bpnet.errors import UsageError, did_you_mean
from bpnet.model import Model
from bpnet.nn.arena import Array, Shape
from bpnet.nn.layers.base import Layer, Pass
from bpnet.nn.network import EVALUATED
from bpnet.nn.watching import shadowed

INPUT = "input"
"""The name under which the network's inputs go as a layer's output, as in `bpnet check`."""

BARS = 20
"""Bars of a histogram, at most."""

_MARKS = (0, 25, 50, 75, 100)
"""Percentiles."""

MOST = 1 << 31
"""Bytes that activations may take in memory."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the numbers of one tensor look like.

    Attributes
    ----------
    name, shape
        Of the tensor.
    count
        How many numbers it has.
    mean, deviation, low, quarter, median, three_quarters, high
        Of the finite ones; NaN if there are none.
    zeros
        How many are exactly 0.
    not_finite
        How many are NaN or infinite.
    idle
        Of activations for two rows or more: how many units give the same number for every row.
    """

    name: str
    shape: Shape
    count: int
    mean: float
    deviation: float
    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float
    zeros: int
    not_finite: int
    idle: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        return {**asdict(self), "shape": list(self.shape)}


def summarize(name: str, array: Array, *, by_row: bool = False) -> Summary:
    """Return statistics of an array.

    Parameters
    ----------
    name
        What it is called.
    array
        Any numbers, at least one.
    by_row
        Whether its first axis is that of rows, so that idle units can be counted.
    """
    flat = array.reshape(-1)
    good = np.isfinite(flat)
    known = flat if good.all() else flat[good]
    mean = deviation = np.nan
    low, quarter, median, three_quarters, high = [np.nan] * 5
    if known.size:
        exact = known.astype(np.float64)
        mean, deviation = float(exact.mean()), float(exact.std())
        low, quarter, median, three_quarters, high = np.percentile(exact, _MARKS).tolist()
    idle = None
    if by_row and len(array) > 1:
        units = array.reshape(len(array), -1)
        idle = int((units == units[0]).all(axis=0).sum())
    return Summary(
        name,
        array.shape[1:] if by_row else array.shape,
        flat.size,
        mean,
        deviation,
        low,
        quarter,
        median,
        three_quarters,
        high,
        zeros=int(flat.size - np.count_nonzero(flat)),
        not_finite=int(flat.size - np.count_nonzero(good)),
        idle=idle,
    )


def histogram(array: Array) -> tuple[list[int], list[float]]:
    """Return how many finite numbers lie in each of equal bins, and the bins' edges.

    There are about as many bins as the root of the number of numbers, 5 to `BARS`.
    """
    known = array[np.isfinite(array)].astype(np.float64)
    if not known.size:
        return [], []
    low, high = float(known.min()), float(known.max())
    if low == high:
        return [int(known.size)], [low, high]
    bars = int(np.clip(np.sqrt(known.size), 5, BARS))
    counts, edges = np.histogram(known, bars, (low, high))
    return counts.tolist(), edges.tolist()


def layer_names(model: Model) -> list[str]:
    """Return the names of all layers, nested ones after their block."""
    return [name for name, _, _ in model.network.walk()]


def find_layer(model: Model, name: str) -> tuple[str, Layer]:
    """Return a layer by its name.

    Raises
    ------
    UsageError
        If there is none, with the nearest name.
    """
    for known, layer, _ in model.network.walk():
        if known == name:
            return known, layer
    raise unknown(name, [INPUT, *layer_names(model)], "layer")


def unknown(name: str, known: Sequence[str], what: str) -> UsageError:
    """Return the error for a name that isn't there."""
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    hint = did_you_mean(name, known)
    return UsageError(f"no {what} is named '{name}'{hint} (there are {shown})")


def weights(model: Model, name: str | None = None) -> dict[str, Array]:
    """Return the tensors of a layer (of a block: of all layers in it), or one by its own name.

    Parameters
    ----------
    model
        The model.
    name
        A layer, a tensor such as ``dense_1.W``, or None for all.

    Returns
    -------
    dict
        By name, as views; empty for a layer without any.

    Raises
    ------
    UsageError
        If the name is unknown.
    """
    tensors = model.weights
    order = layer_names(model)
    ordered = dict(
        sorted(tensors.items(), key=lambda item: order.index(item[0].rpartition(".")[0]))
    )
    if name is None:
        return ordered
    if name in tensors:
        return {name: tensors[name]}
    if name not in order:
        raise unknown(name, [*order, *tensors], "layer or tensor")
    return {full: array for full, array in ordered.items() if full.startswith(f"{name}.")}


def activations(model: Model, x: Array, name: str) -> Array:
    """Return what a layer gives for inputs, ``(N, ...)``, in an array of its own.

    The network runs as it does for predictions: nothing is dropped, and running averages count.

    Raises
    ------
    UsageError
        If no layer has the name, or the array would be too large.
    """
    if name == INPUT:
        return x.copy()
    _, layer = find_layer(model, name)
    shape = next(shape for known, _, shape in model.network.walk() if known == name)
    size = len(x) * int(np.prod(shape)) * x.itemsize
    if size > MOST:
        raise UsageError(
            f"the activations of {name} for {len(x):,} rows take {size / 2**30:.1f} GiB; "
            "choose a file with fewer rows, or one of them with --row"
        )
    kept = np.empty((len(x), *shape), model.network.arena.dtype)
    with _tapped(layer) as tap:
        for start in range(0, len(x), EVALUATED):
            rows = slice(start, start + EVALUATED)
            tap(kept[rows])
            _forward(model, x[rows])
    return kept


def each_activation(model: Model, x: Array) -> Iterator[Summary]:
    """Yield a summary of the inputs and of what each layer gives for them, in order."""
    yield summarize(INPUT, x, by_row=True)
    for name in layer_names(model):
        yield summarize(name, activations(model, x, name), by_row=True)


def _forward(model: Model, x: Array) -> None:
    with np.errstate(all="ignore"):  # a diverged network overflows
        model.network.forward(x, Pass(train=False))


@contextlib.contextmanager
def _tapped(layer: Layer) -> Iterator[Callable[[Array], None]]:
    """Let a layer copy what it gives, before the next one may write over it.

    What is yielded takes the array that the next output is copied to.
    """
    target: list[Array] = []
    forward = layer.forward

    def tapped(x: Array, step: Pass) -> Array:
        y = forward(x, step)
        target[0][...] = y
        return y

    def into(array: Array) -> None:
        target[:] = [array]

    with shadowed(layer, forward=tapped):
        yield into
