"""`compute: numba` as users meet it."""

import json
import subprocess
import sys

import pytest

CONFIG = """\
compute: numba
data: {train: builtin:iris, target: species, validation: 0.2, test: 0.1}
model:
  layers:
    - {type: dense, units: 16}
    - relu
    - {type: dropout, rate: 0.1}
    - batch_norm
    - {type: dense, units: auto}
loss: cross_entropy
training: {epochs: 4, batch_size: 16}
checkpoint: {pause: 0s, keep: 10}
"""


def test_a_run_of_compiled_loops_is_like_any_other(bpnet, tmp_path):
    numba = pytest.importorskip("numba")
    (tmp_path / "c.yaml").write_text(CONFIG)
    bpnet("train", "c.yaml", "--run-dir", "one", "-q")
    bpnet("train", "c.yaml", "compute=numpy", "--run-dir", "two", "-q")
    ends = [json.loads((tmp_path / run / "result.json").read_text()) for run in ("one", "two")]
    assert ends[0]["metrics"]["val/loss"] == pytest.approx(ends[1]["metrics"]["val/loss"], rel=1e-4)
    facts = json.loads((tmp_path / "one/run.json").read_text())
    assert facts["versions"]["numba"] == numba.__version__
    bpnet("train", "c.yaml", "--run-dir", "cut", "-q", "training.epochs=2")
    done = bpnet("train", "--resume", "cut", "training.epochs=4")
    assert "bit-exact" not in done.err
    rows = [(tmp_path / run / "metrics.jsonl").read_text().splitlines() for run in ("one", "cut")]
    losses = [[json.loads(line)["train/loss"] for line in lines] for lines in rows]
    assert losses[0] == losses[1]


def test_a_model_needs_no_numba_to_predict(bpnet, tmp_path):
    pytest.importorskip("numba")
    (tmp_path / "c.yaml").write_text(CONFIG)
    bpnet("train", "c.yaml", "--run-dir", "run", "-q")
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from bpnet.cli import run; sys.exit(run(['eval', 'run', '-q']))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_without_numba_the_config_is_refused_at_its_place(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    code = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'numba' else find(name, *a)\n"
        "from bpnet.cli import run; sys.exit(run(['check', 'c.yaml']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "c.yaml:1:10: error: compute: the package numba is not installed: pip" in done.stderr
