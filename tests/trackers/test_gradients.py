"""gradients.jsonl: right numbers, one line an epoch, and going on with it."""

import json
import math
import os

import numpy as np
import pytest

from bpnet import resume, train
from bpnet.config.document import Document
from bpnet.experiment import build
from bpnet.runs.rundir import GRADIENTS
from bpnet.trackers.gradients import GradientLog
from bpnet.training.events import EpochEnd
from bpnet.training.fit import fit

CONFIG = """\
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: 4, name: frozen}
    - {type: tanh}
    - {type: dense, units: 5, name: second-one}
    - {type: batch_norm}
    - {type: dense, units: auto}
  freeze: [frozen]
loss: cross_entropy
training: {epochs: 4, clip_norm: 0.5}
checkpoint: {every: 1 epoch, pause: 0 s, keep: 9}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def lines(run):
    return [json.loads(line) for line in (run / GRADIENTS).read_text("utf-8").splitlines()]


def test_the_lengths_are_those_of_each_layers_gradient_in_the_last_step(tmp_path):
    state = build(Document.parse(CONFIG.encode(), "c.yaml")).state
    log, expected = GradientLog(state, tmp_path), []
    for event in fit(state):
        log.hear(event)
        if isinstance(event, EpochEnd):
            squares = {}
            for name, param in state.network.arena.params.items():
                layer = name.rpartition(".")[0]
                own = float(np.square(param.grad, dtype=np.float64).sum())
                squares[layer] = squares.get(layer, 0.0) + own
            expected.append({layer: math.sqrt(s) for layer, s in squares.items()})
    log.close()
    found = lines(tmp_path)
    assert [row["epoch"] for row in found] == [1, 2, 3, 4]
    for row, lengths in zip(found, expected, strict=True):
        assert list(row["layers"]) == ["second-one", "batch_norm_1", "dense_3"]  # frozen: none
        for layer, length in row["layers"].items():
            assert length == pytest.approx(lengths[layer], rel=1e-5)
        assert math.hypot(*row["layers"].values()) <= 0.5 * (1 + 1e-5)  # as it was clipped


def test_what_no_float_holds_is_null(tmp_path):
    state = build(Document.parse(CONFIG.encode(), "c.yaml")).state
    log = GradientLog(state, tmp_path)
    state.network.arena.grad[:] = 1e30
    log.hear(EpochEnd(1, {}))
    state.network.arena.grad[:] = math.nan
    log.hear(EpochEnd(2, {}))
    log.close()
    assert all(length is None for row in lines(tmp_path) for length in row["layers"].values())


def to_epoch(run, epoch):
    """Take a run back to where it was killed in the epoch after this one."""
    os.unlink(run / "result.json")
    for path in (run / "checkpoints").glob("step-*"):
        if int(path.stem.removeprefix("step-")) > 4 * epoch:
            path.unlink()


@pytest.mark.filterwarnings("ignore:changed from here on")
def test_a_run_that_goes_on_has_the_file_of_one_without_a_pause(config, tmp_path):
    run = train(config, run_dir=tmp_path / "run").directory
    whole = (run / GRADIENTS).read_bytes()
    to_epoch(run, 2)
    (run / GRADIENTS).write_bytes(whole[:-20])  # torn
    resume(run)
    assert (run / GRADIENTS).read_bytes() == whole
    resume(run, **{"training.epochs": 6})
    assert (run / GRADIENTS).read_bytes().startswith(whole)
    assert [row["epoch"] for row in lines(run)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.filterwarnings("ignore:changed from here on")
@pytest.mark.parametrize("left", [b"", b'{"epoch": 1, "layers": {}}\n[]\n', b"\xff\xfe\n"])
def test_a_run_without_it_or_with_a_damaged_one_goes_on(config, tmp_path, left):
    run = train(config, run_dir=tmp_path / "run").directory
    to_epoch(run, 2)
    (run / GRADIENTS).write_bytes(left)
    if not left:
        (run / GRADIENTS).unlink()
    resume(run)
    assert [row["epoch"] for row in lines(run)] == [*([1] if left[:1] == b"{" else []), 3, 4]


def test_equal_trainings_write_equal_bytes(config, tmp_path):
    a, b = (train(config, run_dir=tmp_path / name).directory for name in "ab")
    assert (a / GRADIENTS).read_bytes() == (b / GRADIENTS).read_bytes()


def test_if_one_tracker_can_not_be_opened_the_others_are_closed(tmp_path, monkeypatch):
    from bpnet.trackers import tensorboard, trackers

    closed = []
    monkeypatch.setattr(GradientLog, "close", lambda self: closed.append(self))
    monkeypatch.setattr(tensorboard.TensorBoard, "__init__", lambda *_: 1 / 0)
    text = CONFIG + "logging: {tensorboard: true}\n"
    experiment = build(Document.parse(text.encode(), "c.yaml"))
    with pytest.raises(ZeroDivisionError):
        trackers(experiment.config, experiment.state, tmp_path, "id")
    assert len(closed) == 1
