"""The memory that `bpnet check` foretells, against what a training takes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

SITUATIONS = {
    "small": ((64,), 32, "adam"),
    "wide": ((1100, 1100), 128, "adam"),
    "the whole data as one batch": ((900, 900), "full", "sgd"),
    "two threads": ((900, 900, 700), 96, "momentum"),
}


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
@pytest.mark.parametrize("name", SITUATIONS)
def test_check_foretells_the_memory_of_a_training(tmp_path, name):
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
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    _, told = peak("check", "c.yaml", "--json", cwd=tmp_path)
    foretold = json.loads(told)
    taken, _ = peak("train", "c.yaml", "-q", "--run-dir", "run", cwd=tmp_path)
    assert foretold["process_bytes"] == pytest.approx(taken, rel=0.1)
    assert 0 < foretold["memory_bytes"] < foretold["process_bytes"]
