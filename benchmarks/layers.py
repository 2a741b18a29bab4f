"""Time the layers, and the NumPy idioms that they are made of.

    python benchmarks/layers.py

Times are the best of many repetitions, in microseconds; compare within one run only.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import timeit
from collections.abc import Callable

import numpy as np

from bpnet.nn.arena import Array, aligned
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Pass
from bpnet.nn.network import Network

RNG = np.random.default_rng(0)


def microseconds(run: Callable[[], object], seconds: float = 0.2) -> float:
    run()
    timer = timeit.Timer(run)
    count, taken = timer.autorange()
    repeats = max(3, int(seconds / taken))
    return min(timer.repeat(repeats, count)) / count * 1e6


def show(title: str, **runs: Callable[[], object]) -> None:
    times = "  ".join(f"{name} {microseconds(run):.2f}" for name, run in runs.items())
    print(f"{title:34s}{times}")


def array(*shape: int, dtype: str = "float32") -> Array:
    values = aligned(shape, dtype)
    values[...] = RNG.standard_normal(shape)
    return values


def idioms(n: int, units: int) -> None:
    x, y, dy, dx = (array(n, units) for _ in range(4))
    total, mask = array(units), aligned((n, units), "bool")
    zero, half, ones = np.zeros((), "f4"), np.full((), 0.5, "f4"), np.ones(n, "f4")
    per_row, row_ones = array(n), np.ones(units, "f4")
    np.maximum(x, zero, out=y)

    def by_abs() -> None:
        np.abs(x, y)
        np.add(x, y, y)
        np.multiply(y, half, y)

    def by_factor() -> None:
        np.greater(x, zero, mask)
        np.copyto(dx, mask)
        np.multiply(x, dx, y)

    def masked_copy() -> None:
        np.greater(y, zero, mask)
        np.copyto(dx, zero)
        np.copyto(dx, dy, where=mask)

    def mixed_product() -> None:
        np.greater(y, zero, mask)
        np.multiply(dy, mask, dx)

    size = f"{n}x{units}"
    show(f"one product, {size}", multiply=lambda: np.multiply(x, dy, dx))
    show(
        f"max(x, 0), {size}",
        maximum=lambda: np.maximum(x, zero, out=y),
        abs=by_abs,
        factor=by_factor,
    )
    show(
        f"dy where y > 0, {size}",
        masked_copy=masked_copy,
        mixed_product=mixed_product,
        kept_factor=lambda: np.multiply(dy, x, dx),
    )
    show(
        f"sum over rows, {size}",
        reduce=lambda: np.add.reduce(dy, 0, None, total),
        dot=lambda: np.dot(ones, dy, total),
    )
    show(
        f"sum of each row, {size}",
        reduce=lambda: np.add.reduce(dy, 1, None, per_row),
        dot=lambda: np.dot(dy, row_ones, per_row),
    )


def step_of(kind: str, sizes: tuple[int, ...], n: int) -> Callable[[], object]:
    layers = []
    for units in sizes[1:-1]:
        layers += [LAYERS["dense"](units=units), LAYERS[kind]()]
    network = Network([*layers, LAYERS["dense"](units=sizes[-1])], sizes[:1])
    x, dz, step = array(n, sizes[0]), array(n, sizes[-1]), Pass(True, RNG)

    def run() -> None:
        network.forward(x, step)
        network.backward(dz)

    return run


if __name__ == "__main__":
    for n, units in ((32, 64), (128, 256), (256, 1024)):
        idioms(n, units)
    print("\nforward and backward, dense layers with one other between them")
    skipped = {"dense", "flatten", "reshape", "residual"}
    for kind in (name for name in LAYERS if name not in skipped):
        small, large = step_of(kind, (64, 64, 32, 10), 32), step_of(kind, (784, 512, 256, 10), 128)
        show(kind, small=small, large=large)
