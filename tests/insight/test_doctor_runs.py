"""The doctor looks at runs of every status, and changes nothing in their directories."""

import hashlib
import json
import math

import numpy as np
import pytest

from bpnet import resuming, session
from bpnet.config.document import Document
from bpnet.errors import DivergedError, RunError
from bpnet.experiment import build
from bpnet.fine_tuning import initialize_from
from bpnet.insight.doctor import past
from bpnet.insight.doctor.examination import examine
from bpnet.insight.doctor.laboratory import Laboratory
from bpnet.insight.doctor.report import as_json, layer_rows
from bpnet.runs import checkpoint, lock, rundir
from bpnet.training.events import EpochEnd

CONFIG = """\
data: {train: d.csv, target: y, validation: 0.25, test: 0}
model: {layers: [{type: dense, units: 12}, {type: relu}, {type: dense, units: auto}]}
loss: mse
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 40, batch_size: 16}
checkpoint: {pause: 0 s}
"""


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 3)).round(4)
    y = (x[:, 0] - 2 * x[:, 1] + np.sin(x[:, 2])).round(4)
    lines = [f"{a},{b},{c},{v}" for (a, b, c), v in zip(x, y, strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    return tmp_path


def train(folder, *overrides, stop_after=None, source=None):
    """Train, and return the run directory; stop after some epochs as a signal would."""
    document = Document.parse(CONFIG, str(folder / "c.yaml")).override(overrides)
    experiment = build(document)
    if source is not None:
        initialize_from(
            experiment.state.network,
            source,
            features=experiment.data.features,
            target=experiment.data.target,
        )
    parent = None if source is None else str(source)
    with session.begin(experiment, runs_root=folder / "runs", parent=parent) as begun:
        try:
            for event in begun.events():
                if isinstance(event, EpochEnd) and event.epoch == stop_after:
                    experiment.state.stop_request = "SIGINT received"
        except DivergedError:
            pass
    return begun.directory


def digest(directory):
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


def visit(directory, seconds=1e6):
    """Return what was seen and found of a run; nothing in it may change."""
    before = digest(directory)
    seen = past.recall_run(directory)
    laboratory = Laboratory(
        past.document_of(directory), seconds, weights=past.initial_weights(directory)
    )
    findings = examine(seen, laboratory)
    assert digest(directory) == before
    json.dumps(rundir.finite(as_json("x", seen, findings)), allow_nan=False)
    layer_rows(seen)
    return seen, findings


def test_a_healthy_finished_run_is_silent(folder):
    seen, findings = visit(train(folder))
    assert findings == []
    assert seen.complete
    assert seen.gaps == []
    assert len(seen.rows) == 40
    assert seen.steps == 400
    assert seen.start.loss > 10 * seen.end.loss
    assert set(seen.updates) == {"dense_1.W", "dense_2.W"}


def test_what_is_seen_of_a_run_is_what_it_recorded(folder):
    run = train(folder)
    seen, _ = visit(run)
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert seen.val_loss == pytest.approx(last["val/loss"], rel=1e-6)


def test_a_run_with_a_rate_that_is_too_low_is_told_a_better_one(folder):
    _, findings = visit(train(folder, "optimizer.learning_rate=1e-6"))
    (first, *_) = findings
    assert first.rule == "learning_rate_too_low"
    assert first.tried
    assert first.change.overrides[0].startswith("optimizer.learning_rate=")


def test_an_interrupted_run_is_judged_as_far_as_it_came(folder):
    seen, findings = visit(train(folder, stop_after=20))
    assert not seen.complete
    assert seen.steps == 201  # the request takes effect after the next step
    assert findings == []


def test_a_diverged_run_tells_the_step_and_the_cause(folder):
    run = train(folder, "optimizer={type: sgd, learning_rate: 50}")
    assert json.loads((run / "run.json").read_text())["status"] == "diverged"
    seen, findings = visit(run)
    rules = {finding.rule: finding for finding in findings}
    assert {"learning_rate_too_high", "loss_explodes"} <= rules.keys()
    assert rules["loss_explodes"].where == f"step {seen.steps + 1}"
    assert "learning_rate_too_high" in rules["loss_explodes"].follows
    assert rules["learning_rate_too_high"].tried
    assert seen.end is not None


def test_a_diverged_run_without_its_step_is_still_judged(folder):
    run = train(folder, "optimizer={type: sgd, learning_rate: 50}")
    (run / "diverged.safetensors").unlink()
    seen, findings = visit(run)
    assert "loss_explodes" in [finding.rule for finding in findings]
    assert any("divergence can't be read" in gap for gap in seen.gaps)


def test_a_run_that_is_still_training_is_looked_at_while_it_holds_its_lock(folder):
    run = train(folder, stop_after=10)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    with lock.hold(run):
        seen, findings = visit(run)
    assert findings == []
    assert "the training is not over: it is judged as it stands" in seen.gaps


def test_a_run_that_has_only_begun_is_looked_at_from_its_start(folder):
    run = train(folder, stop_after=10)
    for path in checkpoint.all_of(run):
        path.unlink()
    (run / "metrics.jsonl").unlink()
    seen, _ = visit(run)
    assert seen.start is not None
    assert seen.end is None
    assert any("no checkpoint to look at" in gap for gap in seen.gaps)
    assert any("no metrics" in gap for gap in seen.gaps)


def test_without_a_checkpoint_the_newest_loss_says_how_much_was_learned(folder):
    run = train(folder)
    for path in (*checkpoint.all_of(run), run / rundir.MODEL):
        path.unlink()
    seen, findings = visit(run)
    assert seen.end is None
    assert all("->" not in cell for row in layer_rows(seen) for cell in row)
    assert seen.unlearned == pytest.approx(seen.rows[-1]["train/loss"] / seen.base_train)
    assert findings == []


def test_without_its_data_only_the_metrics_are_judged(folder):
    run = train(folder, "optimizer.learning_rate=1e-7", stop_after=12)
    (folder / "d.csv").unlink()
    seen, findings = visit(run)
    assert seen.start is None
    assert any("only the metrics could be judged" in gap for gap in seen.gaps)
    assert [finding.rule for finding in findings] == ["loss_does_not_fall"]
    assert findings[0].change is None


def test_changed_data_is_said(folder):
    run = train(folder)
    text = (folder / "d.csv").read_text().splitlines()
    (folder / "d.csv").write_text("\n".join(text[:-1]) + "\n")
    seen, _ = visit(run)
    assert any("data has changed" in gap for gap in seen.gaps)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(folder):
    run = train(folder, stop_after=20)
    newest, before = checkpoint.all_of(run)[:2]
    newest.write_bytes(newest.read_bytes()[:-7])
    seen, _ = visit(run)
    assert seen.end is not None
    assert checkpoint.step_of(before) < checkpoint.step_of(newest)


def test_a_fine_tuned_run_starts_from_the_weights_it_was_given(folder):
    first = train(folder)
    second = train(folder, "optimizer.learning_rate=1e-3", source=first)
    seen, findings = visit(second)
    assert findings == []
    assert seen.start.loss < visit(first)[0].start.loss / 20


def test_a_resumed_run_is_judged_by_its_newest_config(folder):
    run = train(folder, stop_after=5)
    document = past.document_of(run).override(["training.epochs=20"])
    with lock.hold(run):
        resumed = resuming.prepare(run, document)
        list(resumed.events())
    seen, findings = visit(run)
    assert seen.complete
    assert seen.planned == 200
    assert seen.rows[-1]["epoch"] == 20
    assert [f.rule for f in findings] == []


def test_trials_stop_when_time_is_up(folder):
    seen, findings = visit(train(folder, "optimizer.learning_rate=1e-6"), seconds=0)
    assert "learning_rate_too_low" not in [finding.rule for finding in findings]
    assert all(finding.tried is None for finding in findings)
    assert math.isfinite(seen.train_loss)


def test_what_is_no_run_is_refused(folder):
    with pytest.raises(RunError, match=r"run\.json is missing"):
        past.recall_run(folder)


def test_where_all_checkpoints_are_damaged_the_model_is_looked_at(folder):
    run = train(folder)
    for path in checkpoint.all_of(run):
        path.write_bytes(path.read_bytes()[:500])
    seen, _ = visit(run)
    assert seen.end is not None
    (gap,) = seen.gaps
    assert "damaged" in gap
    assert gap.endswith("so the end is that of the model, its best epoch")


def test_metrics_that_can_not_be_read_are_a_gap(folder):
    run = train(folder)
    (run / rundir.METRICS).write_bytes(b"\xff\xfe{{{")
    seen, _ = visit(run)
    assert any("no metrics" in gap for gap in seen.gaps)


def test_a_rate_that_is_many_thousand_times_too_high_is_brought_down_to_one_that_works(folder):
    run = train(folder, "optimizer={type: sgd, learning_rate: 1e4}")
    document = past.document_of(run)
    found = examine(past.recall_run(run), Laboratory(document, 1e6))
    assert found[0].rule == "learning_rate_too_high"
    assert found[0].tried
    (override,) = found[0].change.overrides
    assert 1e-3 <= float(override.partition("=")[2]) <= 1
