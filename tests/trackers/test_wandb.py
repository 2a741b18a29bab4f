"""Weights & Biases, offline: with a stand-in that notes what it is told, and with the real one."""

import sys
import types

import pytest

from bpnet import resume, train
from bpnet.errors import UsageError
from bpnet.runs import rundir

CONFIG = """\
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: auto}
loss: cross_entropy
training: {epochs: 3}
logging: {wandb: offline}
"""


class Run:
    def __init__(self):
        self.logged, self.summary, self.finished = [], {}, 0
        self.failing = False

    def log(self, values, step):
        if self.failing:
            raise RuntimeError("no space")
        self.logged.append((step, values))

    def finish(self, quiet):
        self.finished += 1


@pytest.fixture
def stand_in(monkeypatch):
    """Return a module that takes the place of wandb, and the runs that it has begun."""
    module = types.ModuleType("wandb")
    module.__spec__ = types.SimpleNamespace()
    module.runs, module.calls = [], []
    module.Settings = lambda **options: options
    module.Histogram = lambda np_histogram: np_histogram

    def init(**options):
        module.calls.append(options)
        module.runs.append(Run())
        return module.runs[-1]

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def test_it_hears_of_every_epoch_offline(stand_in, config, tmp_path):
    run = train(config, run_dir=tmp_path / "run")
    (heard,), (call,) = stand_in.runs, stand_in.calls
    assert call["mode"] == "offline"
    assert call["dir"] == str(run.directory)
    assert call["id"] == rundir.open_run(run.directory)["id"]
    assert call["config"]["training"]["epochs"] == 3
    assert [step for step, _ in heard.logged] == [1, 2, 3]
    assert {"train/loss", "val/accuracy", "lr", "weights/dense_1.W", "gradients/dense_1.b"} <= set(
        heard.logged[0][1]
    )
    assert heard.summary["model/test/accuracy"] == run.metrics["test/accuracy"]
    assert heard.finished == 1


@pytest.mark.filterwarnings("ignore:changed from here on")
def test_a_run_that_goes_on_is_the_same_run_there(stand_in, config, tmp_path):
    directory = train(config, run_dir=tmp_path / "run").directory
    resume(directory, **{"training.epochs": 5})
    first, second = stand_in.calls
    assert first["id"] == second["id"]
    assert (first["resume"], second["resume"]) == (None, "allow")
    assert [step for step, _ in stand_in.runs[1].logged] == [4, 5]


def test_its_failure_does_not_end_the_training(stand_in, config, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "log", lambda self, values, step: 1 / 0)
    run = train(config, run_dir=tmp_path / "run")
    assert run.result["status"] == "done"
    assert "ZeroDivisionError" in (run.directory / "events.jsonl").read_text()


def test_without_the_package_nothing_begins(config, tmp_path, monkeypatch):
    from bpnet import trackers

    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'bpnet\[wandb\]'"):
        train(config, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_real_package_keeps_a_run_for_wandb_sync(config, tmp_path):
    pytest.importorskip("wandb", reason="needs wandb")
    import subprocess

    command = [sys.executable, "-m", "bpnet", "train", str(config), "--run-dir", "run", "-q"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "run\n", "")
    (kept,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    assert b"val/accuracy" in kept.read_bytes()
    assert "wandb" not in (tmp_path / "run" / "manifest.sha256").read_text()
