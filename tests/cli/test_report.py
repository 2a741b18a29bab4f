"""``bpnet report``, and the report after a training."""

import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pexpect
import pytest

from bpnet import train
from bpnet.cli import report
from bpnet.cli.console import Console
from bpnet.errors import RefusedError
from bpnet.report import drawing


@pytest.fixture
def trained(tmp_path, config):
    """Return the directory of a small finished run, made without a process of its own."""
    return train(tmp_path / config(), run_dir=tmp_path / "runs" / "c-001").directory


def test_it_answers_in_words_and_ends_with_the_page(bpnet, trained):
    done = bpnet("report", trained)
    assert done.lines[0] == "How good is it?"
    assert re.fullmatch(r"  \d+ of \d+ test rows are right: .*", done.lines[1])
    assert {"Why did it stop?", "Where does it fail?"} <= set(done.lines)
    assert Path(done.lines[-1]) == trained / "report.html"
    assert done.err == ""
    quiet = bpnet("report", trained, "-q")
    assert quiet.lines == [str(trained / "report.html")]
    found = bpnet("report", trained, "--json").json()
    assert found["report"] == str(trained / "report.html")
    assert list(found["answers"]) == ["How good is it?", "Why did it stop?", "Where does it fail?"]
    assert all(Path(plot).is_file() for plot in found["plots"])
    assert found["notes"] == []


def test_what_is_left_out_is_a_warning(bpnet, config, tmp_path):
    (tmp_path / "d.csv").write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    text = "data: {train: d.csv, target: y}\nmodel: {layers: [{type: dense, units: auto}]}\n"
    config(f"{text}loss: cross_entropy\ntraining: {{epochs: 1}}\n")
    run = bpnet("train", "c.yaml", "-q").lines[-1]
    (tmp_path / "d.csv").unlink()
    done = bpnet("report", run)
    assert "bpnet: warning: What needs data and weights is left out" in done.err
    assert "no such file" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["RUN", "--split", "rest"], 2, "--split: expected train, val or test, received 'rest'"),
        (["RUN", "-o", "x.html"], 2, "--output is for the page of several runs"),
        (["RUN", "RUN"], 2, "is there twice"),
        (["RUN", "other", "--split", "val"], 2, "--split is for the report of one run"),
        (["nothing"], 5, "no such run directory"),
        (["."], 5, "not a run directory"),
        ([], 2, "Missing argument"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(bpnet, trained, arguments, code, said):
    words = [str(trained) if word == "RUN" else word for word in arguments]
    done = bpnet("report", *words, code=code)
    assert said in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert not (trained / "report.html").exists()


def test_several_runs_are_compared_in_one_page(bpnet, config, tmp_path):
    runs = [
        bpnet("train", config(), "-q", "training.epochs=2", f"seed={i}").lines[-1] for i in (1, 2)
    ]
    done = bpnet("report", *runs)
    assert "the best test/accuracy" in done.out or "have the same test/accuracy" in done.out
    assert done.lines[-1] == "comparison.html"
    page = (tmp_path / "comparison.html").read_text()
    assert "seed" in page
    assert bpnet("report", *runs, "-o", "two.html", "-q").lines == ["two.html"]
    assert (tmp_path / "two.html").read_text() == page
    found = bpnet("report", *runs, "--json").json()
    assert found["runs"] == runs
    (tmp_path / "comparison.html").write_text("mine")
    refused = bpnet("report", *runs, code=5)
    assert "comparison.html: there already, and no page of bpnet" in refused.err


def test_terminal_escapes_in_names_do_not_reach_the_terminal(bpnet, tmp_path, config):
    names = ("x", "y\x1b]0;owned\x07")
    rows = [f"{i % 7},{names[i % 2]}" for i in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    text = "data: {train: d.csv, target: y}\nmodel: {layers: [{type: dense, units: auto}]}\n"
    config(f"{text}loss: cross_entropy\ntraining: {{epochs: 1}}\n")
    run = bpnet("train", "c.yaml", "-q").lines[-1]
    done = bpnet("report", run)
    assert "\x1b" not in done.out + done.err
    assert "owned" in done.out


def test_a_short_training_in_a_script_draws_nothing_and_imports_nothing(bpnet, config, tmp_path):
    done = bpnet("train", config(), "-q", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert "bpnet.report" not in done.err.replace("bpnet.cli.report", "")
    assert not (tmp_path / done.lines[-1] / "report.html").exists()
    assert not (tmp_path / done.lines[-1] / "plots").exists()


def test_always_draws_and_the_run_stays_sound(bpnet, config, tmp_path):
    done = bpnet("train", config(), "report=always")
    run = tmp_path / done.lines[-1]
    assert f"report: {done.lines[-1]}/report.html\n" in done.err
    assert (run / "report.html").stat().st_size > 20_000
    assert len(list((run / "plots").iterdir())) >= 8
    assert "0 wrong" in bpnet("verify", run).out
    before = (run / "report.html").read_bytes()
    bpnet("report", done.lines[-1])
    assert (run / "report.html").read_bytes() == before
    assert bpnet("train", config(), "report=always", "-q").lines == ["runs/c-002"]
    assert (tmp_path / "runs/c-002/report.html").exists()
    assert bpnet("train", config(), "report=always", "--json").json()["run"] == "runs/c-003"
    assert (tmp_path / "runs/c-003/report.html").exists()


def test_a_report_does_not_get_out_of_date_when_its_run_goes_on(bpnet, config, tmp_path):
    run = tmp_path / bpnet("train", config(), "report=always", "-q").lines[-1]
    bpnet("train", "--resume", run, "training.epochs=7", "report=auto", "-q")
    assert "<b>7</b><span>epochs of 7</span>" in (run / "report.html").read_text()
    bpnet("train", "--resume", run, "training.epochs=8", "report=never", "-q")
    assert "<b>7</b><span>epochs of 7</span>" in (run / "report.html").read_text()
    assert "0 wrong" in bpnet("verify", run).out


def test_a_report_that_cannot_be_drawn_is_a_warning(bpnet, config, tmp_path):
    run = tmp_path / bpnet("train", config(), "report=always", "-q").lines[-1]
    for plot in (run / "plots").iterdir():
        plot.unlink()
    (run / "plots").rmdir()
    (run / "plots").write_text("in the way")
    done = bpnet("train", "--resume", run, "training.epochs=7")
    assert "bpnet: warning: the report could not be drawn: can't make" in done.err
    assert done.lines[-1] == str(run)
    assert bpnet("report", run, code=8).out == ""


def test_a_diverged_training_is_drawn_too(bpnet, config, tmp_path):
    text = "data: {train: builtin:concrete, target: compressive_strength}\n"
    text += "model: {layers: [{type: dense, units: 8}, {type: relu}, {type: dense, units: 1}]}\n"
    text += "loss: mse\noptimizer: {type: sgd, learning_rate: 0.9}\nreport: always\n"
    done = bpnet("train", config(text), code=4)
    assert "report: runs/c-001/report.html" in done.err
    assert done.err.splitlines()[-1].startswith("bpnet: error: training diverged")
    assert "It diverged after" in (tmp_path / "runs/c-001/report.html").read_text()


@pytest.mark.parametrize(("wanted", "drawn"), [("auto", True), ("never", False)])
def test_on_a_terminal_it_is_drawn_unless_never(tmp_path, config, wanted, drawn):
    config()
    child = pexpect.spawn(
        sys.executable,
        ["-m", "bpnet", "train", "c.yaml", f"report={wanted}"],
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        timeout=60,
        encoding="utf-8",
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert ("report: runs/c-001/report.html" in child.before) == drawn
    assert (tmp_path / "runs/c-001/report.html").exists() == drawn
    assert child.before.splitlines()[-1] == "runs/c-001"


@pytest.fixture
def session(tmp_path):
    """Return what `draw_if_due` looks at, of a training in a script."""
    state = SimpleNamespace(elapsed=1.0)
    experiment = SimpleNamespace(
        config=SimpleNamespace(report="auto"), state=state, data="the data"
    )
    return SimpleNamespace(experiment=experiment, directory=tmp_path)


@pytest.fixture
def draws(monkeypatch):
    """Return a list of what gets drawn."""
    drawn = []

    def draw(directory, data):
        drawn.append((directory, data))
        return SimpleNamespace(page=directory / "report.html")

    monkeypatch.setattr(drawing, "draw", draw)
    return drawn


@pytest.mark.parametrize(
    ("wanted", "elapsed", "drawn"),
    [
        ("auto", 9.9, False),
        ("auto", 10.1, True),
        ("always", 0.1, True),
        ("never", 1000.0, False),
    ],
)
def test_long_trainings_are_drawn_anywhere(session, draws, capsys, wanted, elapsed, drawn):
    session.experiment.config.report = wanted
    session.experiment.state.elapsed = elapsed
    signals = SimpleNamespace(received=None, session=session)
    report.draw_if_due(session, Console(), signals)
    assert draws == ([(session.directory, "the data")] if drawn else [])


def test_after_a_signal_nothing_is_drawn(session, draws):
    session.experiment.config.report = "always"
    report.draw_if_due(session, Console(), SimpleNamespace(received="SIGINT", session=session))
    assert draws == []


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (KeyboardInterrupt(), "interrupted, so the report is not drawn; bpnet report "),
        (RefusedError("disk full"), "the report could not be drawn: disk full; bpnet report "),
        (MemoryError("no room"), "the report could not be drawn: no room; bpnet report "),
        (ValueError("oh"), "a bug in bpnet's report: ValueError: oh; please report it"),
    ],
)
def test_nothing_that_fails_in_it_makes_a_training_fail(
    session, monkeypatch, capsys, failure, said
):
    def draw(directory, data):
        raise failure

    monkeypatch.setattr(drawing, "draw", draw)
    session.experiment.config.report = "always"
    signals = SimpleNamespace(received=None, session=session)
    report.draw_if_due(session, Console(), signals)
    assert f"bpnet: warning: {said}" in capsys.readouterr().err
    assert signals.session is None  # so that Ctrl-C would have ended it


def test_the_option_is_one_of_three(bpnet, config):
    done = bpnet("train", config(), "report=sometimes", code=2)
    assert "report: expected 'auto', 'always' or 'never'" in done.err
    found = json.loads(bpnet("schema").out)["properties"]["report"]
    assert found["enum"] == ["auto", "always", "never"]
