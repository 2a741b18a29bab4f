"""What a step of training costs, where no clock is needed to tell: memory, calls, bytes."""

import tracemalloc

import numpy as np
import pytest

from bpnet.data.batches import Batches
from bpnet.data.dataset import Dataset
from bpnet.data.target.classes import ClassTarget
from bpnet.nn.layers import LAYERS
from bpnet.nn.layers.base import Pass
from bpnet.nn.losses import LOSSES
from bpnet.nn.network import Network
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.optim.schedules import SCHEDULES
from bpnet.threads.team import Team
from bpnet.training.early_stopping import Monitor
from bpnet.training.events import StepEnd
from bpnet.training.fit import learn
from bpnet.training.guard import Guard
from bpnet.training.replicas import Replicas
from bpnet.training.state import Control, TrainingState

CALLS = 45
"""NumPy functions called in a step of 64-64-32-10, batch 32; methods of arrays come on top."""

BYTES = 380_000
"""Bytes that those calls write, where the parameters take 27 kB and a batch 8 kB; Adam alone
writes 9 times the parameters."""


def _dense(units):
    return [LAYERS["dense"](units)]


@pytest.fixture
def step():
    """Return a function that makes a function that takes one step, by default of 64-64-32-10."""

    def make(
        hidden=("relu", "relu"), optimizer="adam", threads=1, shards=1, units=(64, 32), **options
    ):
        rng = np.random.default_rng(0)
        rows = 10 * options.setdefault("batch_size", 32)
        x = rng.standard_normal((rows, 64)).astype(np.float32)
        first, second = (LAYERS[name]() for name in hidden)
        network = Network([*_dense(units[0]), first, *_dense(units[1]), second, *_dense(10)], (64,))
        loss, schedule = LOSSES["cross_entropy"](), SCHEDULES["constant"]()
        loss.build(10)
        schedule.build(1e-3, 1000, 10)
        batches = Batches(Dataset(x, np.arange(rows) % 10), **options)
        batches.shards = shards
        state = TrainingState(
            network=network,
            loss=loss,
            optimizer=OPTIMIZERS[optimizer](learning_rate=1e-3),
            schedule=schedule,
            batches=batches,
            control=Control(epochs=1),
            monitor=Monitor("train/loss", "min"),
            target=ClassTarget(("y",), tuple("0123456789"), (rows // 10,) * 10),
        )
        order, done, guard = state.batches.order(0), StepEnd(), Guard(state)
        passing = Pass(train=True, rng=state.dropout)
        replicas = None if threads == 1 else Replicas(state, Team(threads))

        def take():
            state.position = 0
            learn(state, order, passing, done, guard, replicas)

        return take

    return make


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hidden": ("layer_norm", "tanh")},
        {"hidden": ("batch_norm", "sigmoid")},
        {"accumulate": 2},
        {"optimizer": "momentum"},
        {"shards": 2},
        {"shards": 2, "threads": 2},
    ],
    ids=str,
)
def test_a_step_allocates_next_to_nothing(step, options):
    take = step(units=(300, 200), batch_size=256, **options)
    for _ in range(5):
        take()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(20):
            take()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # To add a row to all rows NumPy takes a buffer of 8192 numbers, in each thread; outputs have 6
    # times that.
    assert peak - before < 40_000 * options.get("threads", 1), "a step takes memory"
    assert after - before < 2048, "steps keep memory"


class Counting:
    """A function of NumPy that counts its calls and the bytes that they write."""

    def __init__(self, function, seen):
        self.function, self.seen = function, seen

    def __call__(self, *arguments, **options):
        result = self.function(*arguments, **options)
        written = arguments[0] if result is None else result
        self.seen["calls"] += 1
        self.seen["bytes"] += written.nbytes
        return result

    def reduce(self, *arguments, **options):
        self.seen["calls"] += 1
        return self.function.reduce(*arguments, **options)


@pytest.fixture
def counted(monkeypatch):
    seen = {"calls": 0, "bytes": 0}
    names = [name for name, thing in vars(np).items() if isinstance(thing, np.ufunc)]
    for name in (*names, "dot", "vdot", "copyto"):
        monkeypatch.setattr(np, name, Counting(getattr(np, name), seen))
    return seen


def test_a_step_calls_numpy_as_seldom_as_is_stated(step, counted):
    take = step()
    take()
    counted.update(calls=0, bytes=0)
    take()
    assert counted["calls"] <= CALLS
    assert counted["bytes"] <= BYTES
    assert counted["calls"] > CALLS - 3, "fewer than stated: state it"
    assert counted["bytes"] > 0.9 * BYTES, "less than stated: state it"
