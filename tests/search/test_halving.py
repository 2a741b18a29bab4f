"""Survivors go on from their checkpoints, and end as if they had never paused."""

import re

import pytest

from bpnet import session
from bpnet.config.document import Document
from bpnet.experiment import build
from bpnet.runs import checkpoint, metrics_log, rundir
from bpnet.search import sharing

CHOSEN = (
    "search.method={type: halving, points: 6, reduction: 2, first: 2}",
    "training.epochs=8",
    "search.space.optimizer.learning_rate={log_uniform: [1e-3, 1]}",
)

PARTS = [
    "schedule={type: cosine, warmup: 3}",
    "schedule={type: one_cycle}",
    "schedule={type: plateau, patience: 1}",
    "early_stopping={patience: 3}",
    "model.layers.1={type: dropout, rate: 0.3}",
    "optimizer=nesterov",
]


def timeless(rows):
    return [{k: v for k, v in row.items() if k != "time_s"} for row in rows]


@pytest.mark.parametrize("part", PARTS)
def test_a_survivor_is_bit_equal_to_training_straight_through(part, plan, search, tmp_path):
    made = plan(*CHOSEN, part)
    found = search(made)
    done = [trial for trial in found.trials if trial.outcome.state == "done"]
    assert done
    for trial in done:
        directory = found.directory / trial.directory
        resumed = rundir.open_run(directory)["resumed"]
        assert resumed or trial.outcome.epochs <= 2  # it did pause
        own = made.assignments(dict(trial.values), trial.seed, -1)
        document = Document.parse(made.document.data, "<config>")
        straight = build(document.override(own).without({"search"}), sharing.data_for)
        other = tmp_path / f"straight-{trial.number}"
        with session.begin(straight, run_dir=other) as begun:
            list(begun.events())
        for name in (rundir.MODEL, rundir.BEST):
            assert (directory / name).read_bytes() == (other / name).read_bytes(), name
        mine, theirs = (checkpoint.read(checkpoint.newest(d)) for d in (directory, other))
        assert {k: a.tobytes() for k, a in mine.arrays.items()} == {
            k: a.tobytes() for k, a in theirs.arrays.items()
        }
        assert timeless(metrics_log.read(directory)) == timeless(metrics_log.read(other))


def test_only_survivors_train_on(plan, search):
    found = search(plan(*CHOSEN))
    epochs = sorted((trial.outcome.epochs for trial in found.trials), reverse=True)
    assert epochs == [8, 4, 4, 2, 2, 2]
    rows = found.answer.rows
    assert [row.state for row in rows] == ["done", *["paused"] * 5]
    assert [row.rank for row in rows] == [1, *[None] * 5]
    assert [row.epochs for row in rows] == epochs
    assert re.fullmatch(r"halving: stopped after epoch 4", rows[1].reason)


@pytest.mark.parametrize("after", [1, 7])
def test_halving_that_was_cut_off_goes_on_to_the_same_end(plan, search, after):
    def stop(progress):
        stop.count += progress.ended is not None
        if stop.count >= after:
            raise KeyboardInterrupt

    stop.count = 0
    with pytest.raises(KeyboardInterrupt):
        search(plan(*CHOSEN), watch=stop)
    found, whole = search(plan(*CHOSEN)), search(plan(*CHOSEN), "whole")
    for name in ("leaderboard.csv", "leaderboard.json", "best.txt", "best.yaml"):
        assert (found.directory / name).read_bytes() == (whole.directory / name).read_bytes()


def test_a_pause_that_was_not_written_down_is_not_trained_again(plan, search, at_once):
    found = search(plan(*CHOSEN))
    before = (found.directory / "leaderboard.json").read_bytes()
    (found.directory / "search.sqlite").unlink()
    again = search(plan(*CHOSEN))
    assert (again.directory / "leaderboard.json").read_bytes() == before
