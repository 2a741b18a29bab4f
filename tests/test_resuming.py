"""What a run can be gone on with, and what stays true of it then."""

import json
import math
import os
import shutil
import warnings

import pytest

import bpnet
from bpnet import resuming, session
from bpnet.config import of_run
from bpnet.config.document import Document
from bpnet.errors import ConfigError, DivergedError, RefusedError, RunError
from bpnet.experiment import build
from bpnet.reproducing import Reproduction
from bpnet.runs import checkpoint, rundir
from bpnet.training.events import StepEnd

CONFIG = """\
name: small
data: {train: data.csv, target: kind}
model: {layers: [{type: dense, units: 4}, {type: tanh}, {type: dense, units: auto}]}
loss: cross_entropy
training: {epochs: 6, batch_size: 8}
checkpoint: {every: 1 step, pause: 0 s, keep: 4}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a folder with data and a config, and go there."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 7},{(i * 5) % 11},{'ab'[i % 7 > 2]}" for i in range(60)]
    (tmp_path / "data.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


def quietly(function, *arguments, **options):
    """Call a function that says, in warnings, what has changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def cut_off(run_dir, steps, *overrides):
    """Train so many steps and leave the run as an interruption does."""
    experiment = build(Document.read("c.yaml").override(overrides))
    with session.begin(experiment, run_dir=run_dir) as begun:
        for event in begun.events():
            if isinstance(event, StepEnd) and event.step == steps:
                experiment.state.stop_request = "enough"
    return run_dir


def reproduce(run):
    reproduction = Reproduction(run)
    for _ in reproduction.events():
        pass
    return reproduction


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"monitor": "val/loss", "mode": "max"}, "early_stopping.mode"),
        ({"monitor": "val/accuracy"}, "early_stopping.monitor"),
    ],
)
def test_what_is_watched_can_not_change(folder, change, place):
    run = bpnet.train("c.yaml").directory
    with pytest.raises(ConfigError, match=rf"{place}: the run watches val/loss \(less is better"):
        quietly(bpnet.resume, run, training__epochs=9, early_stopping=change)


def test_a_best_that_was_not_kept_is_no_best(folder):
    run = bpnet.train("c.yaml", early_stopping={"restore_best": False}).directory
    extended = quietly(bpnet.resume, run, training__epochs=8, early_stopping__restore_best=True)
    assert extended.result["best_epoch"] > 6
    assert extended.result["model_epoch"] == extended.result["best_epoch"]


def test_an_epoch_that_has_begun_counts(folder):
    run = cut_off(folder / "run", steps=17)  # six steps an epoch
    state = checkpoint.read(checkpoint.newest(run)).facts
    assert (state["epoch"], state["position"]) == (2, 5)
    with pytest.raises(ConfigError, match="is in epoch 3 already; give that many or more"):
        quietly(bpnet.resume, run, training__epochs=2)
    assert quietly(bpnet.resume, run, training__epochs=3).result["epochs"] == 3


def test_data_that_has_moved_is_reproduced_from_where_it_lies(folder):
    run = cut_off(folder / "run", steps=7)
    os.rename("data.csv", "elsewhere.csv")
    quietly(bpnet.resume, run, data__train=str(folder / "elsewhere.csv"))
    assert reproduce(run).differences == []


def test_what_a_search_tries_may_change(folder):
    run = cut_off(folder / "run", 7, "search.space={optimizer.learning_rate: [1e-2]}")
    space = {"optimizer.learning_rate": [1e-3, 1e-2]}
    quietly(bpnet.resume, run, search={"space": space})
    assert of_run.current(run, rundir.open_run(run)).peek("search", "space") is not None


def test_a_damaged_end_is_reproduced_up_to_what_is_whole(folder):
    run = cut_off(folder / "run", steps=7)
    quietly(bpnet.resume, run)
    quietly(bpnet.resume, run, training__epochs=7)
    before = checkpoint.all_of(run)
    before[0].write_bytes(b"damaged")
    reproduction = reproduce(run)
    assert reproduction.goal == before[1]
    assert reproduction.differences == []
    assert "model.safetensors" not in reproduction.compared


def test_a_checkpoint_under_a_wrong_name_is_not_used(folder):
    run = cut_off(folder / "run", steps=7)
    newest = checkpoint.newest(run)
    shutil.copy(newest, newest.with_name("step-00000099.safetensors"))
    with pytest.raises(RunError, match="not the checkpoint that its name says"):
        quietly(bpnet.resume, run, strict=True)
    whole = bpnet.train("c.yaml").directory
    quietly(bpnet.resume, run)
    model = rundir.MODEL
    assert (run / model).read_bytes() == (whole / model).read_bytes()


def test_a_disk_that_fills_while_diverging_does_not_hide_the_divergence(folder, monkeypatch):
    def no_room(*arguments):
        raise RefusedError("can't write diverged.safetensors: the disk is full")

    monkeypatch.setattr("bpnet.session.replaying.save", no_room)
    huge = {"type": "sgd", "learning_rate": 1e6}
    with pytest.raises(DivergedError, match=r"diverged at step .*could not be kept.*disk is full"):
        bpnet.train("c.yaml", optimizer=huge, model__layers__1="relu", run_dir=folder / "run")
    assert rundir.open_run(folder / "run")["status"] == "diverged"


def test_a_failure_at_the_very_end_is_no_success(folder, monkeypatch):
    def refuse(directory, coming):
        if coming:
            raise RefusedError("can't write the manifest: the disk is full")

    monkeypatch.setattr("bpnet.session.manifest.write", refuse)
    with pytest.raises(RefusedError, match="manifest"):
        bpnet.train("c.yaml", run_dir=folder / "run")
    monkeypatch.undo()
    os.chdir(folder)
    assert rundir.open_run(folder / "run")["status"] == "failed"
    assert not (folder / "run" / rundir.RESULT).exists()
    assert quietly(bpnet.resume, folder / "run").result["status"] == "done"


def test_a_refusal_to_open_the_books_leaves_a_run_that_can_go_on(folder, monkeypatch):
    def refuse(directory, mark):
        raise RefusedError("can't open metrics.jsonl: no more files")

    monkeypatch.setattr("bpnet.runs.recorder.MetricsLog", refuse)
    with pytest.raises(RefusedError, match="no more files"):
        bpnet.train("c.yaml", run_dir=folder / "run")
    monkeypatch.undo()
    os.chdir(folder)
    facts = json.loads((folder / "run" / rundir.RUN).read_text())
    assert facts["status"] == "failed"
    assert quietly(bpnet.resume, folder / "run").result["epochs"] == 6


def test_the_newest_session_says_how_many_threads_there_were():
    facts = {"threads": 2, "resumed": [{"threads": 1}]}
    assert rundir.latest_session(facts)["threads"] == 1
    assert rundir.latest_session({"threads": 2, "resumed": []})["threads"] == 2


def test_going_on_without_a_best_looks_for_a_new_one(folder):
    run = cut_off(folder / "run", 7, "early_stopping={restore_best: false}")
    experiment = build(Document.read("c.yaml").override(["early_stopping={restore_best: true}"]))
    found = checkpoint.find(run, rundir.open_run(run)["id"])
    resuming.take_over(experiment, found.file, found.path, [])
    assert math.isnan(experiment.state.monitor.best)
    assert experiment.state.monitor.best_epoch == 0
