import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from bpnet.replaying import KIND
from bpnet.runs import tensors

RISING = """\
data:
  train: d.csv
  target: y
  validation: 0.2
model:
  layers:
    - {type: dense, units: 8}
    - {type: batch_norm}
    - {type: tanh}
    - {type: dropout, rate: 0.1}
    - {type: dense, units: auto}
loss: mse
optimizer: {type: sgd, learning_rate: 100}
schedule: {type: constant, warmup: 190 epochs}
training: {epochs: 200, batch_size: 8}
checkpoint: {every: 1 epoch, pause: 0 s}
"""
"""Learns for an epoch or so, until the learning rate gets too high."""


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Return the folder of a run that diverged after it had been good, and what it said."""
    folder = tmp_path_factory.mktemp("original")
    rows = [f"{i % 7},{i % 5},{(i % 7) * 2 - i % 5}" for i in range(100)]
    (folder / "d.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    (folder / "c.yaml").write_text(RISING)
    done = subprocess.run(
        [sys.executable, "-m", "bpnet", "train", "c.yaml"],
        cwd=folder,
        env=os.environ | {"NO_COLOR": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    return folder, done.stderr


@pytest.fixture
def diverged(original, tmp_path):
    """Return the directory of such a run, and what it said."""
    folder, said = original
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs" / "c-001", said


def finite(path):
    return all(
        np.isfinite(array).all()
        for array in tensors.read(path, "checkpoint", "weights").arrays.values()
        if array.dtype.kind == "f"
    )


def test_a_run_that_diverges_says_where_and_how_to_look_at_it(diverged):
    run, said = diverged
    (error,) = (line for line in said.splitlines() if "error: " in line)
    facts = json.loads((run / "run.json").read_text())
    assert facts["status"] == "diverged"
    assert error.startswith("bpnet: error: training diverged at step ")
    assert "the step before had a loss of " in error
    assert error.endswith("look at the step with: bpnet replay runs/c-001")
    assert not (run / "result.json").exists()


def test_best_and_checkpoints_stay_as_they_were(diverged):
    run, _ = diverged
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = tensors.read(run / "checkpoints" / "best.safetensors", "weights")
    values = {row["epoch"]: row["val/loss"] for row in metrics if row["val/loss"] is not None}
    assert best.facts["epoch"] == min(values, key=values.get)
    steps = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    last = tensors.read(run / "diverged.safetensors", KIND).facts["step"]
    assert all(event["step"] < last for event in steps if event["event"] == "saved")
    checkpoints = list((run / "checkpoints").iterdir())
    assert len(checkpoints) == 3
    assert all(map(finite, checkpoints))


def test_the_step_is_reproduced_without_the_data(bpnet, diverged, tmp_path):
    run, said = diverged
    (tmp_path / "d.csv").unlink()
    again = bpnet("replay", run)
    message = again.lines[0]
    assert message in said
    assert again.lines[-1].startswith("reproduced bit for bit: loss ")
    assert sum("<- it began here" in line for line in again.lines) == 1
    assert again.err == ""
    assert bpnet("replay", run, "-q").out == ""


def test_the_file_alone_is_enough(bpnet, diverged, tmp_path):
    run, _ = diverged
    path = shutil.move(run / "diverged.safetensors", tmp_path / "elsewhere")
    shutil.rmtree(run)
    assert bpnet("replay", path).lines[-1].startswith("reproduced bit for bit")


def test_as_json_every_tensor_is_there(bpnet, diverged):
    run, _ = diverged
    found = bpnet("replay", run, "--json").json()
    assert found["reproduced"] is True
    assert found["differences"] == found["changed"] == []
    assert found["began"] in found["tensors"]
    assert found["began"]["nans"] + found["began"]["infs"] > 0
    assert {"weights", "input", "output", "state", "loss", "gradient"} <= {
        tensor["part"] for tensor in found["tensors"]
    }
    assert found["message"].startswith(f"training diverged at step {found['step']} ")
    assert len(found["rows"]) == 1


def test_what_is_not_as_it_was_exits_with_6(bpnet, diverged):
    run, _ = diverged
    path = run / "diverged.safetensors"
    file = tensors.read(path, KIND)
    gradient = file.arrays["gradient"].copy()
    gradient[0] = 12345.0
    facts = file.facts | {"environment": file.facts["environment"] | {"cpu": "an abacus"}}
    tensors.write(path, KIND, file.arrays | {"gradient": gradient}, facts)
    done = bpnet("replay", run, code=6)
    assert "the step is not what it was: 1 of " in done.err
    assert "cpu an abacus -> " in done.err
    assert "reproduced" not in done.out
    assert bpnet("replay", run, "--json", code=6).json()["reproduced"] is False


@pytest.mark.parametrize("harm", ["flipped", "cut", "empty"])
def test_a_file_that_is_damaged_is_refused(bpnet, diverged, harm):
    run, _ = diverged
    path = run / "diverged.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes({"flipped": data, "cut": data[:3000], "empty": b""}[harm])
    done = bpnet("replay", run, code=5)
    assert f"{path}: damaged" in done.err
    assert done.out == ""


def test_a_run_that_is_done_has_nothing_to_replay(bpnet, trained):
    done = bpnet("replay", trained, code=5)
    assert "it has no divergence to replay: its status is done" in done.err


def test_something_else_is_refused(bpnet, tmp_path, trained):
    assert "no such file" in bpnet("replay", "nothing", code=5).err
    assert "not a run directory" in bpnet("replay", tmp_path, code=5).err
    model = trained / "model.safetensors"
    assert "expected a divergence file, found a model" in bpnet("replay", model, code=5).err
    (tmp_path / "hostile").write_bytes(b"\xff" * 100)
    assert "damaged" in bpnet("replay", "hostile", code=5).err


def test_it_gets_the_threads_of_the_run(bpnet, diverged):
    run, _ = diverged
    path = run / "diverged.safetensors"
    file = tensors.read(path, KIND)
    assert file.facts["environment"]["threads"] == 1
    two = file.facts["environment"] | {"threads": 2, "cores": 2}
    tensors.write(path, KIND, file.arrays, file.facts | {"environment": two})
    free = dict.fromkeys(["OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"], "")
    changed = bpnet("replay", run, "--json", env=free, code=None).json()["changed"]
    enough = len(os.sched_getaffinity(0)) >= 2
    assert changed == ([] if enough else ["threads 2 -> 1"])
