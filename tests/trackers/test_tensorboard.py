"""TensorBoard files: their bytes, what TensorBoard's own reader sees, and going on with them."""

import os
import struct
import warnings

import numpy as np
import pytest

from bpnet import resume, train
from bpnet.runs import metrics_log
from bpnet.trackers import records
from bpnet.trackers.tensorboard import FILE

CONFIG = """\
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: 4, name: frozen}
    - {type: tanh}
    - {type: dense, units: auto}
  freeze: [frozen]
loss: cross_entropy
training: {epochs: 4}
checkpoint: {every: 1 epoch, pause: 0 s, keep: 9}
logging: {tensorboard: true}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def test_the_checksum_is_crc_32c():
    # RFC 3720, B.4, and the customary check value.
    assert records.crc32c(b"123456789") == 0xE3069283
    assert records.crc32c(bytes(32)) == 0x8A9136AA
    assert records.crc32c(b"\xff" * 32) == 0x62A8AB43


def test_records_end_at_the_first_torn_or_damaged_one():
    parts = [records.record(f"text {i}".encode()) for i in range(3)]
    whole = b"".join(parts)
    assert [content for _, content in records.records(whole)] == [b"text 0", b"text 1", b"text 2"]
    for cut in range(len(whole)):
        ends = [end for end, _ in records.records(whole[:cut])]
        assert ends == [end for end in np.cumsum([len(p) for p in parts]).tolist() if end <= cut]
    for place in range(len(parts[0]), len(parts[0]) + len(parts[1])):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        assert len(list(records.records(bytes(damaged)))) == 1


def test_the_step_of_an_event_is_read_back():
    for step in (0, 1, 127, 128, 300, 10**12):
        assert records.step_of(records.event(1.5, step, [])) == step
    assert records.step_of(records.version_event(1.5)) == 0


def test_histograms_leave_out_what_is_not_finite():
    made = records.histogram("w", np.array([np.nan, np.inf, 1.0, 3.0]))
    assert struct.pack("<d", 2.0) in made  # the count
    records.histogram("w", np.array([np.nan]))
    records.histogram("w", np.array([1e300, -1e300]))
    records.scalar("x", 1e300)


@pytest.fixture
def seen():
    """Return a function that reads a run with TensorBoard's own reader."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name = "tensorboard.backend.event_processing.event_accumulator"
        reader = pytest.importorskip(name, reason="needs tensorboard")

    def read(directory):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = reader.EventAccumulator(str(directory), {"scalars": 0, "histograms": 0})
            found.Reload()
        return found

    return read


def test_tensorboard_sees_the_metrics_the_histograms_and_the_config(config, tmp_path, seen):
    run = train(config, run_dir=tmp_path / "run")
    found, rows = seen(run.directory), metrics_log.read(run.directory)
    for name in ("train/loss", "val/accuracy", "lr", "grad_norm"):
        points = found.Scalars(name)
        assert [point.step for point in points] == [1, 2, 3, 4]
        assert [p.value for p in points] == pytest.approx([row[name] for row in rows], rel=1e-6)
    (last,) = found.Scalars("model/test/accuracy")
    assert last.value == pytest.approx(run.metrics["test/accuracy"])
    tags = set(found.Tags()["histograms"])
    weights = {f"weights/{name}.{p}" for name in ("frozen", "dense_2") for p in "Wb"}
    assert tags == weights | {"gradients/dense_2.W", "gradients/dense_2.b"}
    value = found.Histograms("weights/dense_2.W")[-1].histogram_value
    final = run.model().weights["dense_2.W"]
    assert value.num == final.size == sum(value.bucket)
    if run.result["model_epoch"] == 4:
        assert (value.min, value.max) == pytest.approx((final.min(), final.max()))
    (text,) = found.Tensors("config")
    assert b"type: dense" in text.tensor_proto.string_val[0]


def test_histograms_can_be_left_out(config, tmp_path, seen):
    config.write_text(CONFIG.replace("true}", "true, histograms: false}"))
    assert seen(train(config, run_dir=tmp_path / "run").directory).Tags()["histograms"] == []


@pytest.mark.filterwarnings("ignore:changed from here on")
def test_a_run_that_goes_on_continues_its_file_without_doubles(config, tmp_path, seen):
    run = train(config, run_dir=tmp_path / "run").directory
    os.unlink(run / "result.json")
    for checkpoint in (run / "checkpoints").glob("step-*"):  # as if killed in the third epoch
        if int(checkpoint.stem.removeprefix("step-")) > 2 * 4:
            checkpoint.unlink()
    data = (run / FILE).read_bytes()
    (run / FILE).write_bytes(data[:-5])
    resume(run)
    for name in ("train/loss", "grad_norm"):
        assert [point.step for point in seen(run).Scalars(name)] == [1, 2, 3, 4]
    resume(run, **{"training.epochs": 6})
    assert [point.step for point in seen(run).Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert [point.step for point in seen(run).Scalars("model/test/loss")] == [4, 6]


def test_following_changes_nothing_in_a_training(config, tmp_path):
    followed = train(config, run_dir=tmp_path / "a")
    config.write_text(CONFIG.replace("tensorboard: true", "tensorboard: false"))
    alone = train(config, run_dir=tmp_path / "b")
    assert not (alone.directory / FILE).exists()
    for name, array in followed.model().weights.items():
        assert array.tobytes() == alone.model().weights[name].tobytes()
    assert followed.metrics == alone.metrics
