"""New epochs as they are written, whatever a training does to its files meanwhile."""

import json
import os

import pytest

from bpnet.errors import RunError
from bpnet.report.following import Follower
from bpnet.runs import lock


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"status": "running", "resumed": []}))
    return tmp_path


def write(run, text, mode="a"):
    with (run / "metrics.jsonl").open(mode) as file:
        file.write(text)


def line(epoch, loss=1.0, time=0.1):
    return json.dumps({"epoch": epoch, "train/loss": loss, "time_s": time}) + "\n"


def epochs(rows):
    return [row["epoch"] for row in rows]


def test_rows_come_once_and_half_a_line_waits(run):
    follower = Follower(run)
    assert follower.poll() == []
    write(run, line(1) + line(2)[:10])
    assert epochs(follower.poll()) == [1]
    assert follower.poll() == []
    write(run, line(2)[10:] + line(3))
    assert epochs(follower.poll()) == [2, 3]
    assert epochs(follower.rows) == [1, 2, 3]


def test_a_resume_that_cuts_rows_off_shows_only_what_has_become_other(run):
    follower = Follower(run)
    write(run, line(1) + line(2) + line(3))
    follower.poll()
    # as a resume does: another, shorter file takes its place
    (run / "new").write_text(line(1))
    os.replace(run / "new", run / "metrics.jsonl")
    assert follower.poll() == []
    assert epochs(follower.rows) == [1]
    write(run, line(2, time=0.7) + line(3, loss=0.5) + line(4))
    assert epochs(follower.poll()) == [2, 3, 4]


def test_rows_that_were_rewritten_as_they_were_are_not_shown_again(run):
    follower = Follower(run)
    write(run, line(1) + line(2))
    follower.poll()
    (run / "new").write_text(line(1, time=0.9) + line(2, loss=0.4) + line(3))
    os.replace(run / "new", run / "metrics.jsonl")
    assert epochs(follower.poll()) == [2, 3]
    assert epochs(follower.rows) == [1, 2, 3]


def test_a_file_that_became_shorter_in_place_is_read_anew(run):
    follower = Follower(run)
    write(run, line(1) + line(2) + line(3))
    follower.poll()
    write(run, line(1) + line(2, loss=7.0), "w")
    assert epochs(follower.poll()) == [2]


def test_lines_that_are_none_are_left_out(run):
    follower = Follower(run)
    write(
        run, "nonsense\n[1]\n" + json.dumps({"epoch": "two"}) + "\n" + "[" * 9999 + "\n" + line(1)
    )
    assert epochs(follower.poll()) == [1]


def test_it_knows_when_nothing_more_will_come(run):
    follower = Follower(run)
    assert "no bpnet trains it any more" in follower.over
    with lock.hold(run):
        assert follower.over == ""
    facts = {"status": "done", "stop_reason": "all 5 epochs are done", "resumed": []}
    (run / "run.json").write_text(json.dumps(facts))
    follower.poll()
    assert follower.over == "done: all 5 epochs are done"


def test_a_run_that_ended_between_two_looks_is_not_taken_for_dead(run):
    follower = Follower(run)
    with lock.hold(run):
        follower.poll()
        (run / "run.json").write_text(json.dumps({"status": "done", "stop_reason": "all done"}))
    assert follower.over == "done: all done"


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such run"):
        Follower(tmp_path / "nothing")
    with pytest.raises(RunError, match="not a run"):
        Follower(tmp_path)


def test_what_is_planned_is_read_again_after_a_resume(run):
    follower = Follower(run)
    assert (follower.planned, follower.monitor) == (None, "")
    text = "training: {epochs: 7}\nearly_stopping: {monitor: val/f1}\n"
    (run / "config.resolved.yaml").write_text(text)
    entry = {"step": 1, "epoch": 1, "data": [], "changes": [["training.epochs", 7, 9]]}
    (run / "run.json").write_text(json.dumps({"status": "running", "resumed": [entry]}))
    follower.poll()
    assert (follower.planned, follower.monitor) == (9, "val/f1")
