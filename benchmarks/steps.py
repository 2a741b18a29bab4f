"""One training step, the whole of it, against PyTorch, JAX and scikit-learn.

    python benchmarks/steps.py [--peers PYTHON] [--rounds N] [--network NAME]...

bpnet's step is `training.fit.learn` with nothing left out: gathering the batch, forward, loss,
backward, gradient norm, the checks for divergence, Adam, the books. The peers get one batch ready
in memory. PyTorch is eager with fused Adam, JAX one jitted function with donated buffers,
scikit-learn's fit() over many batches; all in float32. "products" are the matrix products of the
step alone, by the BLAS that bpnet uses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from measuring import Spread, Subject, in_turns, ratios

NETWORKS = (
    "64-64-32-10 x 32",
    "784-512-256-10 x 128",
    "784-2048-2048-10 x 256",
    "256-256-256-256-256-256-256-256-256-10 x 128",
    "20-64-3 x 32",
    "30-128-128-128-1 x 64",
    "784-1024-10 x 512",
)
"""Units from input to output, and rows in a batch."""

BATCHES = 20
"""In the data, unless a network says otherwise. Adam's learning rate is so small that nothing
diverges."""

Steps = Callable[[int], Any]
"""Takes a number of steps."""


@dataclass(frozen=True)
class Work:
    """What is trained.

    Attributes
    ----------
    network
        Its name, ``64-64-32-10 x 32`` or ``64-64-32-10 x 32 of 100000``.
    sizes
        Units from input to output.
    batch, rows
        Rows in a batch and in all of the data.
    """

    network: str
    sizes: tuple[int, ...]
    batch: int
    rows: int

    @classmethod
    def parse(cls, network: str) -> Work:
        """Read the name of a network."""
        sizes, _, rest = network.partition(" x ")
        batch, _, rows = rest.partition(" of ")
        units = tuple(map(int, sizes.split("-")))
        return cls(network, units, int(batch), int(rows or int(batch) * BATCHES))

    def data(self) -> tuple[Any, Any]:
        """Make rows that everybody learns from."""
        import numpy as np

        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.rows, self.sizes[0]), "f4")
        if self.sizes[-1] == 1:
            return x, rng.standard_normal(self.rows, "f4")
        return x, np.arange(self.rows) % self.sizes[-1]


def built(work: Work, compute: str = "numpy") -> Any:
    """Build a training from a config and a file, with the threads that ``bpnet train`` chooses."""
    from bpnet import threads
    from bpnet.config.document import Document

    layers: list[Any] = []
    for units in work.sizes[1:-1]:
        layers += [{"type": "dense", "units": units}, "relu"]
    layers.append({"type": "dense", "units": work.sizes[-1]})
    config = {
        "data": {"train": "rows.npz", "validation": 0, "test": 0, "numeric": {"scale": "none"}},
        "model": {"layers": layers},
        "loss": "cross_entropy" if work.sizes[-1] > 1 else "mse",
        "optimizer": {"type": "adam", "learning_rate": 1e-5},
        "training": {"batch_size": work.batch, "epochs": 1},
        "compute": compute,
    }
    with tempfile.TemporaryDirectory() as folder:
        # Another process writes the data, as NumPy must not be here before threads are chosen.
        command = [sys.executable, __file__, "--network", work.network, "--write"]
        subprocess.run([*command, str(Path(folder) / "rows.npz")], check=True)
        path = Path(folder) / "config.yaml"
        path.write_text(json.dumps(config))
        document = Document.read(str(path))
        threads.choose(document)

        from bpnet.experiment import build

        return build(document)


def bpnet(work: Work, compute: str = "numpy") -> Steps:
    """Take steps as ``bpnet train`` does."""
    state = built(work, compute).state

    from bpnet.nn.layers.base import Pass
    from bpnet.training.events import StepEnd
    from bpnet.training.fit import learn
    from bpnet.training.guard import Guard

    order, done, guard = state.batches.order(0), StepEnd(), Guard(state)
    replicas, passing = state.replicas(), Pass(train=True)

    def steps(count: int) -> None:
        for _ in range(count):
            if state.position == state.batches.steps:
                state.position = 0
            learn(state, order, passing, done, guard, replicas)

    return steps


def bpnet_numba(work: Work) -> Steps:
    """Train with compiled loops."""
    return bpnet(work, "numba")


def pytorch(work: Work) -> Steps:
    """Train eagerly with the fused Adam."""
    import os

    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    layers: list[nn.Module] = []
    for inputs, units in pairwise(work.sizes):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    criterion = nn.CrossEntropyLoss() if work.sizes[-1] > 1 else nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-5, fused=True)
    x, y = (torch.from_numpy(part[: work.batch].copy()) for part in work.data())
    y = y if work.sizes[-1] > 1 else y[:, None]

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            criterion(network(x), y).backward()
            optimizer.step()

    return steps


def jax(work: Work) -> Steps:
    """Train with one compiled function that overwrites its arguments."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    rng = np.random.default_rng(0)
    weights = [
        (rng.normal(0, (2 / n) ** 0.5, (n, m)).astype("f4"), np.zeros(m, "f4"))
        for n, m in pairwise(work.sizes)
    ]
    optimizer = optax.adam(1e-5)
    weights = jax.tree.map(jnp.asarray, weights)
    moments = optimizer.init(weights)
    x, y = (jnp.asarray(part[: work.batch]) for part in work.data())

    def loss(weights: Any, x: Any, y: Any) -> Any:
        for w, b in weights[:-1]:
            x = jax.nn.relu(x @ w + b)
        w, b = weights[-1]
        z = x @ w + b
        if work.sizes[-1] == 1:
            return jnp.mean((z[:, 0] - y) ** 2)
        return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()

    def step(weights: Any, moments: Any, x: Any, y: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(weights, x, y)
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(weights, updates), moments, value

    compiled = jax.jit(step, donate_argnums=(0, 1))
    kept = [weights, moments]

    def steps(count: int) -> None:
        weights, moments = kept
        for _ in range(count):
            weights, moments, value = compiled(weights, moments, x, y)
        jax.block_until_ready(value)
        kept[:] = weights, moments

    return steps


def scikit_learn(work: Work) -> Steps:
    """Train with fit(), whose checks of the data are spread over many batches."""
    import warnings

    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore")
    x, y = work.data()
    kind = MLPClassifier if work.sizes[-1] > 1 else MLPRegressor
    model = kind(
        hidden_layer_sizes=work.sizes[1:-1],
        batch_size=work.batch,
        learning_rate_init=1e-5,
        alpha=0,
        max_iter=1,
        warm_start=True,
    )
    model.fit(x, y)

    def steps(count: int) -> None:
        model.set_params(max_iter=max(1, round(count / BATCHES)), n_iter_no_change=10**9)
        model.fit(x, y)

    return steps


def products(work: Work) -> Steps:
    """Compute the matrix products of a step and nothing else."""
    import numpy as np

    def array(*shape: int) -> Any:
        raw = np.empty(int(np.prod(shape)) + 16, "f4")
        start = -raw.ctypes.data % 64 // 4
        part = raw[start : start + int(np.prod(shape))].reshape(shape)
        part[...] = np.random.default_rng(0).standard_normal(shape)
        return part

    pairs = list(pairwise(work.sizes))
    values = [array(work.batch, n) for n in work.sizes]
    weights = [array(*pair) for pair in pairs]
    gradients = [array(*pair) for pair in pairs]

    def steps(count: int) -> None:
        for _ in range(count):
            for i, weight in enumerate(weights):
                np.dot(values[i], weight, values[i + 1])
            for i in reversed(range(len(weights))):
                np.dot(values[i].T, values[i + 1], gradients[i])
                if i:
                    np.dot(values[i + 1], weights[i].T, values[i])
            values[-1].fill(0.5)  # so that nothing overflows or vanishes
            values[0].fill(0.5)

    return steps


SIDES = {
    "bpnet": (bpnet, ["numpy"]),
    "bpnet with numba": (bpnet_numba, ["numba"]),
    "pytorch": (pytorch, ["torch"]),
    "jax": (jax, ["jax", "optax"]),
    "scikit-learn": (scikit_learn, ["sklearn"]),
    "products": (products, ["numpy"]),
}


def time_steps(steps: Steps, seconds: float) -> dict[str, float]:
    """Return microseconds a step: the fastest and the median of many short runs."""
    steps(BATCHES)
    count = BATCHES
    while True:
        began = time.perf_counter()
        steps(count)
        taken = time.perf_counter() - began
        if taken > 0.05:
            break
        count = BATCHES * max(count // BATCHES + 1, round(0.06 / taken * count / BATCHES))
    figures, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(figures) < 5:
        began = time.perf_counter()
        steps(count)
        figures.append((time.perf_counter() - began) / count * 1e6)
    figures.sort()
    return {"fastest": figures[0], "median": figures[len(figures) // 2]}


def subjects(
    network: str, interpreter: str, cores: int, seconds: float, sides: Iterable[str] = SIDES
) -> list[Subject]:
    """Return who takes part: bpnet as it chooses, the others with one thread and one a core."""
    found = []
    for side in sides:
        needs = SIDES[side][1]
        runs = sys.executable if side.startswith("bpnet") or side == "products" else interpreter
        command = [runs, str(Path(__file__)), "--measure", side, "--network", network]
        command += ["--seconds", str(seconds)]
        if side.startswith("bpnet") or side == "jax":  # XLA takes all cores, whatever one says
            found.append(Subject(side, command, needs, interpreter=runs))
        else:
            for threads in sorted({1, cores}):
                name = f"{side}, {threads} thread{'s' * (threads > 1)}"
                found.append(Subject(name, command, needs, threads, runs))
    return found


def compare(network: str, interpreter: str, *, rounds: int, seconds: float) -> list[list[str]]:
    """Measure one network; return a row a library, each with its better number of threads."""
    cores = len(os.sched_getaffinity(0))
    sides = subjects(network, interpreter, cores, seconds)
    best = best_by_side(in_turns(sides, rounds, say=print))
    ours = best["bpnet"]
    return [
        [
            *(network if side == "bpnet" else "", side),
            *(Spread.of(times).show(), ratios(ours, times).show()),
        ]
        for side, times in best.items()
    ]


def best_by_side(figures: Mapping[str, list[dict[str, float]]]) -> dict[str, list[float]]:
    """Return the medians of each round by library, with the better number of threads."""
    best: dict[str, list[float]] = {}
    for name, runs in figures.items():
        times = [run["median"] for run in runs]
        side = name.partition(",")[0]
        best[side] = list(map(min, times, best[side])) if side in best else times
    return best


HEADER = ("network x batch", "library", "us a step", "times bpnet's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="a subject, a round")
    parser.add_argument("--network", action="append", help="a name, or all")
    parser.add_argument("--measure", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        import numpy as np

        np.savez(given.write, **dict(zip("xy", Work.parse(given.network[0]).data(), strict=True)))
        return
    if given.measure:
        work = Work.parse(given.network[0])
        print(json.dumps(time_steps(SIDES[given.measure][0](work), given.seconds)))
        return
    print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|")
    for network in given.network or NETWORKS:
        for row in compare(network, given.peers, rounds=given.rounds, seconds=given.seconds):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
