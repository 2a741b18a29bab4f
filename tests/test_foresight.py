"""The memory that `bpnet check` foretells, against what a training takes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bpnet.config.document import Document
from bpnet.experiment import build

SITUATIONS = {
    "small": ((64,), 32, "adam"),
    "wide": ((1100, 1100), 128, "adam"),
    "the whole data as one batch": ((900, 900), "full", "sgd"),
    "two threads": ((900, 900, 700), 96, "momentum"),
    "compiled loops": ((64,), 32, "adam"),
}
NUMBA = {"compiled loops"}


def peak(*arguments, cwd):
    """Run a command; return its largest memory in bytes and what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    # The child's peak would start with that of this process, so another stands between them.
    code = (
        "import json, os, subprocess, sys\n"
        "p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)\n"
        "out = p.stdout.read(); usage = os.wait4(p.pid, 0)[2]; print(usage.ru_maxrss)\n"
        "print(out)"
    )
    command = [sys.executable, "-m", "bpnet", *arguments]
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    size, _, out = done.stdout.partition("\n")
    return int(size) << 10, out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux' figures")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in NUMBA)) for name in SITUATIONS],
)
def test_check_foretells_the_memory_of_a_training(tmp_path, name):
    if name in NUMBA:
        pytest.importorskip("numba")
    units, batch, optimizer = SITUATIONS[name]
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "d.npz",
        x=rng.standard_normal((1500, 40)).astype("f4"),
        y=rng.integers(0, 3, 1500),
    )
    layers = [part for size in units for part in ({"type": "dense", "units": size}, "relu")]
    config = {
        "data": {"train": "d.npz", "validation": 0.2},
        "model": {"layers": [*layers, {"type": "dense", "units": "auto"}]},
        "loss": "cross_entropy",
        "optimizer": {"type": optimizer, "learning_rate": 1e-5},
        "training": {"epochs": 2, "batch_size": batch},
        "report": "never",
        "compute": "numba" if name in NUMBA else "numpy",
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    _, told = peak("check", "c.yaml", "--json", cwd=tmp_path)
    foretold = json.loads(told)
    if name in NUMBA:  # the first start, which compiles, takes more
        peak("train", "c.yaml", "-q", "--run-dir", "first", cwd=tmp_path)
    taken, _ = peak("train", "c.yaml", "-q", "--run-dir", "run", cwd=tmp_path)
    assert foretold["process_bytes"] == pytest.approx(taken, rel=0.1)
    assert 0 < foretold["memory_bytes"] < foretold["process_bytes"]


DENSE = {"type": "dense", "units": "auto"}
UNTRAINED_BELOW = {
    "the first layer": ([{"type": "dense", "units": 4}, DENSE], []),
    "a block that comes first": (
        [
            {
                "type": "residual",
                "layers": [{"type": "dense", "units": 4}, "relu"],
                "projection": {"type": "dense", "units": 4},
            },
            DENSE,
        ],
        [],
    ),
    "frozen layers": ([{"type": "dense", "units": 4}, DENSE], ["dense_1"]),
}


@pytest.mark.parametrize("name", UNTRAINED_BELOW)
def test_gradients_that_no_layer_needs_take_no_memory(tmp_path, name):
    layers, freeze = UNTRAINED_BELOW[name]
    x = np.random.default_rng(0).standard_normal((500, 2000)).astype("f4")
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(500) % 3)
    config = {
        "data": {"train": "d.npz", "validation": 0, "test": 0},
        "model": {"layers": layers, "freeze": freeze},
        "loss": "cross_entropy",
        "optimizer": "sgd",
        "training": {"batch_size": "full"},
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    memory = build(Document.read(str(tmp_path / "c.yaml"))).memory()
    # One more matrix of such rows, for what the loss's gradient by them would be, has no use.
    assert x.nbytes < memory.arrays < 1.5 * x.nbytes
