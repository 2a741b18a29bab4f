import numpy as np
import pytest

from bpnet.data.batches import Batches
from bpnet.data.dataset import Dataset
from bpnet.data.target.classes import ClassTarget
from bpnet.nn.layers import LAYERS
from bpnet.nn.losses import LOSSES
from bpnet.nn.network import Network
from bpnet.optim.optimizers import OPTIMIZERS
from bpnet.optim.schedules import SCHEDULES
from bpnet.training.early_stopping import Monitor
from bpnet.training.metrics import build_metrics
from bpnet.training.state import Control, TrainingState


@pytest.fixture
def make_state():
    """Return a function that makes the same small training every time."""

    def make(
        *,
        layers=("tanh",),
        rows=50,
        dtype="float64",
        batch_size=8,
        accumulate=1,
        optimizer=None,
        schedule=None,
        patience=None,
        weighted=False,
        shuffle=True,
        shards=1,
        **control,
    ):
        rng = np.random.default_rng(7)
        x = rng.normal(size=(rows, 5)).astype(dtype)
        y = (x[:, 0] * x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 0.5)
        weight = rng.uniform(0.2, 3, rows).astype(dtype) if weighted else None
        data = Dataset(x, y, weight)
        valid = Dataset(x[::-2].copy(), y[::-2].copy())
        hidden = [LAYERS[name]() for name in layers]
        network = Network(
            [LAYERS["dense"](8), *hidden, LAYERS["dense"](3)], (5,), dtype=dtype, seed=3
        )
        loss = LOSSES["cross_entropy"]()
        loss.build(3, dtype=dtype)
        epochs = control.pop("epochs", 6)
        batches = Batches(
            data, batch_size, accumulate=accumulate, shuffle=shuffle, seed=control.get("seed", 0)
        )
        batches.shards = shards
        schedule = schedule or SCHEDULES["constant"]()
        optimizer = optimizer or OPTIMIZERS["adam"](learning_rate=0.02)
        schedule.build(optimizer.learning_rate, epochs * batches.steps, batches.steps)
        return TrainingState(
            network=network,
            loss=loss,
            optimizer=optimizer,
            schedule=schedule,
            batches=batches,
            control=Control(epochs=epochs, **control),
            monitor=Monitor("val/loss", "min", patience=patience),
            target=ClassTarget(("y",), ("0", "1", "2"), (20, 20, 10)),
            validation=valid,
            metrics=build_metrics(["accuracy"], "class", 3),
        )

    return make
