"""``bpnet watch``: live curves on a terminal, plain lines elsewhere."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time

import pexpect
import pytest

from bpnet import train
from bpnet.runs import lock


@pytest.fixture
def trained(tmp_path, config):
    """Return the directory of a small finished run, made without a process of its own."""
    return train(tmp_path / config(), run_dir=tmp_path / "runs" / "c-001").directory


def test_of_a_run_that_is_over_every_epoch_is_a_line(bpnet, trained):
    done = bpnet("watch", trained)
    assert len(done.lines) == 5
    assert all(re.match(rf"epoch={i} step=", line) for i, line in enumerate(done.lines, 1))
    assert done.lines == list((trained / "log.txt").read_text().splitlines())[:5]
    assert done.err == "done: all 5 epochs are done\n"
    assert bpnet("watch", trained, "-q").out == ""
    found = bpnet("watch", trained, "--json").json()
    assert (found["status"], found["epochs"], found["last"]["epoch"]) == ("done", 5, 5)


@pytest.mark.parametrize("options", [[], ["--json"], ["-q"]])
def test_what_is_no_run_is_refused(bpnet, options):
    assert "no such run directory" in bpnet("watch", "nothing", *options, code=5).err
    assert "not a run directory" in bpnet("watch", ".", *options, code=5).err


def test_a_run_that_nobody_trains_any_more_is_left_with_a_hint(bpnet, trained):
    facts = json.loads((trained / "run.json").read_text())
    (trained / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    done = bpnet("watch", trained)
    assert len(done.lines) == 5
    assert "no bpnet trains it any more" in done.err
    assert f"bpnet train --resume {trained}" in done.err


@pytest.fixture
def running(trained):
    """Return a run that seems to be trained, and functions that add an epoch and end it."""
    facts = json.loads((trained / "run.json").read_text())
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]

    def add(epoch):
        with (trained / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({**rows[-1], "epoch": epoch, "best": False}) + "\n")

    def end():
        (trained / "run.new").write_text(json.dumps(facts))
        os.replace(trained / "run.new", trained / "run.json")

    (trained / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    with lock.hold(trained):
        yield trained, add, end


def test_it_follows_a_training_line_by_line_and_ends_with_it(running):
    run, add, end = running
    process = subprocess.Popen(
        [sys.executable, "-m", "bpnet", "watch", run], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    seen = [process.stdout.readline() for _ in range(5)]
    add(6)
    seen.append(process.stdout.readline())
    add(7)
    seen.append(process.stdout.readline())
    assert [line.split()[0] for line in seen] == [f"epoch={i}" for i in range(1, 8)]
    assert process.poll() is None
    end()
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == ("", 0)


def test_a_reader_that_goes_away_ends_it(running):
    run, _, _ = running
    done = subprocess.run(
        f"{sys.executable} -m bpnet watch {run} | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("epoch=1 ")
    assert "Traceback" not in done.stderr


class Terminal:
    """`bpnet watch` on a terminal."""

    def __init__(self, run, rows=30, columns=100, **environment):
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "bpnet", "watch", str(run)],
            dimensions=(rows, columns),
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"} | environment,
            timeout=30,
            encoding="utf-8",
        )
        self.before = termios.tcgetattr(self.child.child_fd)

    def screens(self):
        """Return what was drawn, as text without control codes."""
        return [
            re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", part) for part in self.child.before.split("\x1b[H")
        ]


def test_on_a_terminal_curves_are_drawn_until_the_run_ends(running):
    run, add, end = running
    terminal = Terminal(run)
    child = terminal.child
    child.expect("epoch 5 of 5, best in epoch")
    child.expect_exact("q ends this, not the run")
    add(6)
    child.expect(r"epoch 6 of 5, best in epoch")
    end()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    last = child.before.rpartition("\x1b[?1049l")[2]  # behind the curves: the usual screen
    assert "\x1b" not in last
    assert "* val" in last
    assert "+-----" in last
    assert last.splitlines()[-1] == "done: all 5 epochs are done"
    assert max(map(len, last.splitlines())) < 100


def test_it_says_how_long_it_will_take_and_what_is_best_by_the_metric_that_chooses(running):
    run, _, _ = running
    path = run / "config.resolved.yaml"
    text = path.read_text().replace("epochs: 5", "epochs: 600")
    early = "early_stopping: {monitor: val/accuracy, patience: 9}\n"
    path.write_text(re.sub(r"(?m)^early_stopping:.*\n(?: .*\n)*", early, text))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    lines = [json.dumps({**row, "time_s": 0.2}) for row in rows]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    child = Terminal(run, columns=200).child
    child.expect(
        r"epoch 5 of 600, at most 1 min 59 s left, "
        r"best in epoch \d \(val/accuracy [\d.]+\), 0\.20 s an epoch"
    )
    child.send("q")
    child.expect(pexpect.EOF)


@pytest.mark.parametrize("key", ["q", "\x03", "\x04"])
def test_a_key_ends_it_and_leaves_the_terminal_as_it_was(running, key):
    run, _, _ = running
    terminal = Terminal(run)
    child = terminal.child
    child.expect_exact("q ends this, not the run")
    during = termios.tcgetattr(child.child_fd)
    assert not during[3] & termios.ICANON
    child.send(key)
    child.expect_exact("\x1b[?25h\x1b[?1049l")  # cursor and screen are given back
    child.expect_exact("still training")
    child.expect(pexpect.EOF)
    assert termios.tcgetattr(child.child_fd)[3] & termios.ICANON
    child.close()
    assert child.exitstatus == 0
    assert lock.is_held(run)


def test_another_size_is_drawn_anew(running):
    run, _, _ = running
    terminal = Terminal(run, 40, 160)
    child = terminal.child
    child.expect_exact("q ends this, not the run")
    wide = child.before
    child.setwinsize(14, 50)
    child.expect_exact("q ends this, not the run")
    narrow = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", child.before.rpartition("\x1b[H")[2])
    lines = narrow.split("\r\n")
    assert len(lines) <= 14
    assert max(map(len, lines)) <= 50
    assert "-" * 40 in wide
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()


def test_a_run_without_an_epoch_waits_for_the_first(running):
    run, add, end = running
    (run / "metrics.jsonl").unlink()
    terminal = Terminal(run)
    child = terminal.child
    child.expect_exact("no epoch is done yet")
    add(1)
    child.expect("epoch 1")
    end()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_ended_by_the_system_it_gives_the_terminal_back(running):
    run, _, _ = running
    terminal = Terminal(run)
    child = terminal.child
    child.expect_exact("q ends this, not the run")
    child.kill(signal.SIGTERM)
    child.expect_exact("\x1b[?25h\x1b[?1049l")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 143


def test_stopped_it_gives_the_terminal_back_and_draws_again_when_it_goes_on(running):
    run, _, _ = running
    terminal = Terminal(run)
    child = terminal.child
    child.expect_exact("q ends this, not the run")
    child.send("\x1a")
    child.expect_exact("\x1b[?25h\x1b[?1049l")
    child.kill(signal.SIGCONT)
    child.expect_exact("\x1b[?1049h")
    child.expect_exact("q ends this, not the run")
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_colours_are_there_unless_they_are_not_wanted(running):
    run, _, end = running
    end()
    for environment, colored in (({"NO_COLOR": ""}, True), ({}, False)):
        terminal = Terminal(run, **environment)
        terminal.child.expect(pexpect.EOF)
        assert ("\x1b[33m" in terminal.child.before) == colored
        terminal.child.close()


def test_a_terminal_that_can_do_nothing_gets_lines(running):
    run, _, end = running
    end()
    terminal = Terminal(run, TERM="dumb")
    terminal.child.expect(pexpect.EOF)
    assert "\x1b" not in terminal.child.before
    assert terminal.child.before.count("epoch=") == 5
    terminal.child.close()


def test_names_with_escapes_do_no_harm_on_a_terminal(running, tmp_path):
    run, _, end = running
    end()
    named = tmp_path / "evil\x1b]0;owned\x07"
    os.rename(run, named)
    try:
        terminal = Terminal(named)
        terminal.child.expect(pexpect.EOF)
        assert "\x1b]0;" not in terminal.child.before
        assert "\\x1b]0;owned" in terminal.child.before
        terminal.child.close()
    finally:
        os.rename(named, run)


def test_a_real_training_is_watched_to_its_end(bpnet, config, tmp_path):
    config()
    training = threading.Thread(
        target=bpnet,
        args=("train", "c.yaml", "-q", "--run-dir", "run", "training.epochs=400"),
        kwargs={"code": 0},
    )
    training.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "run.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    done = bpnet("watch", "run")
    with contextlib.suppress(RuntimeError):
        training.join()
    assert [line.split()[0] for line in done.lines] == [f"epoch={i}" for i in range(1, 401)]
    assert done.err == "done: all 400 epochs are done\n"
