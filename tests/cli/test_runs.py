import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pexpect
import pytest

from bpnet import train

SMALL = """\
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: 8}
    - {type: tanh}
    - {type: dense, units: auto}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 5}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with two finished runs, made once."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "c.yaml").write_text(SMALL)
    for number, rate in ((1, 0.02), (2, 0.001)):
        overrides = {"optimizer.learning_rate": rate}
        train(folder / "c.yaml", run_dir=folder / "runs" / f"c-00{number}", **overrides)
    return folder / "runs"


@pytest.fixture
def two(made, tmp_path):
    """Return the names of two finished runs."""
    shutil.copytree(made, tmp_path / "runs")
    return ["runs/c-001", "runs/c-002"]


def test_list_shows_runs_and_damaged_ones(bpnet, two, tmp_path):
    (tmp_path / "runs" / "c-002" / "run.json").write_text("{")
    done = bpnet("runs", "list")
    assert done.lines[0].split() == [
        "run",
        "status",
        "epochs",
        "best",
        "(epoch)",
        "duration",
        "start",
    ]
    assert done.lines[1].startswith("c-001  done")
    assert done.lines[2].startswith("c-002  damaged")
    entries = bpnet("runs", "list", "--json").json()
    assert [(e["run"], e["kind"]) for e in entries] == [(two[0], "run"), (two[1], "damaged")]
    assert bpnet("runs", "list", "-q").lines == two
    assert bpnet("runs", "list", "--status", "done", "-q").lines == two[:1]


def test_list_sorts_by_a_metric_and_shows_it(bpnet, two):
    done = bpnet("runs", "list", "--sort", "val/accuracy", "--metric", "val/accuracy")
    assert "val/accuracy" in done.lines[0]
    assert [line.split()[0] for line in done.lines[1:]] == ["c-001", "c-002"]
    worst = bpnet("runs", "list", "--sort", "val/accuracy", "-r", "-n", "1")
    assert worst.lines[1].startswith("c-002")
    assert "1 more; -n 2 shows all" in worst.err
    assert "did you mean 'val/loss'" in bpnet("runs", "list", "--sort", "val/los", code=2).err


def test_an_empty_folder_has_no_runs_and_a_missing_one_is_refused(bpnet, tmp_path):
    (tmp_path / "runs").mkdir()
    done = bpnet("runs", "list")
    assert (done.out, done.err) == ("", "runs: no runs\n")
    assert bpnet("runs", "list", "--json").json() == []
    assert "nowhere: no such folder" in bpnet("runs", "list", "nowhere", code=5).err


def test_show_tells_what_a_run_was(bpnet, two):
    done = bpnet("runs", "show", two[0])
    assert "status      done: all 5 epochs are done" in done.out
    assert "data        builtin:iris (150 rows)" in done.out
    assert done.lines[-4].split() == ["metric", "train", "val", "test"]
    found = bpnet("runs", "show", two[0], "--json").json()
    assert found["facts"]["id"]
    assert found["result"]["epochs"] == 5


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [("parameters", "many", "parameters  -"), ("command", 7, "command     7")],
)
def test_show_takes_what_a_foreign_hand_wrote(bpnet, two, tmp_path, name, value, shown):
    path = tmp_path / two[0] / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    assert shown in bpnet("runs", "show", two[0]).out


def on_terminal(columns, tmp_path, *command, colors=True):
    """Return the lines that a command shows on a terminal, without its colours."""
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment |= {"TERM": "xterm"} | ({} if colors else {"NO_COLOR": "1"})
    shown = pexpect.run(
        shlex.join([sys.executable, "-m", "bpnet", *command]),
        cwd=tmp_path,
        env=environment,
        dimensions=(40, columns),
        timeout=60,
        encoding="utf-8",
    )
    return re.sub(r"\x1b\[[\d;]*m", "", shown).replace("\r", "").rstrip("\n").split("\n")


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_on_a_terminal_each_run_is_a_line_and_no_name_is_cut(two, tmp_path, columns):
    (tmp_path / "runs" / "c-002").rename(tmp_path / "runs" / "a_long_name-002")
    head, _, *lines = on_terminal(columns, tmp_path, "runs", "list")
    assert len(lines) == 2
    assert {line.split()[0] for line in lines} == {"c-001", "a_long_name-002"}
    assert all(len(line) <= columns for line in lines)
    assert ("start" in head) == (columns > 60)
    assert not any("…" in line for line in lines)


def test_a_very_long_name_is_broken_and_hides_nothing_else(two, tmp_path):
    name = "experiment_" * 12
    (tmp_path / "runs" / "c-002").rename(tmp_path / "runs" / name)
    head, _, *lines = on_terminal(80, tmp_path, "runs", "list", "--sort", "name")
    assert head.split() == ["run", "status", "epochs", "best", "(epoch)", "duration", "start"]
    assert "".join(line.split(" ")[0] for line in lines[1:]) == name
    assert all(len(line) <= 80 for line in lines)


def test_japanese_names_stand_in_columns(two, tmp_path):
    (tmp_path / "runs" / "c-002").rename(tmp_path / "runs" / "数字-002")
    lines = on_terminal(160, tmp_path, "runs", "list", "--sort", "name", colors=False)
    assert lines[1].startswith("c-001     done")
    assert lines[2].startswith("数字-002  done")


SEARCH = (
    f"{SMALL}search: {{metric: val/accuracy, space: {{optimizer.learning_rate: [0.02, 0.001]}}}}\n"
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Return a folder with a finished search, made once."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "s.yaml").write_text(SEARCH)
    command = [sys.executable, "-m", "bpnet", "gridsearch", "s.yaml", "-j", "1", "-q"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "runs"


def test_a_search_is_an_entry_with_its_best_and_shown_by_its_points(bpnet, searched, tmp_path):
    shutil.copytree(searched, tmp_path / "runs")
    (line,) = bpnet("runs", "list").lines[1:]
    assert re.match(r"s-001  done +-  search: val/accuracy 0\.\d+ \(trial \d of 2\) +- ", line)
    shown = bpnet("runs", "show", "runs/s-001")
    assert re.search(r"(?m)^metric +val/accuracy \(more is better\)$", shown.out)
    rows = [line.split() for line in shown.lines[-2:]]
    assert [(row[0], row[2]) for row in rows] == [("1", "done"), ("2", "done")]
    told = bpnet("runs", "show", "runs/s-001", "--json").json()
    assert told["status"] == "done"
    best = bpnet("runs", "best", "runs/s-001", "-q").out.strip()
    assert best == told["best_run"]
    assert rows[0][1] == str(told["best"])
    listed = bpnet("runs", "list", "runs/s-001")
    assert "val/accuracy" in listed.lines[0]
    for command in ("eval", "watch"):
        assert "a search, no single run" in bpnet(command, "runs/s-001", code=5).err


def test_a_search_has_a_report(bpnet, searched, tmp_path):
    shutil.copytree(searched, tmp_path / "runs")
    done = bpnet("report", "runs/s-001")
    assert done.lines[0] == "What is best?"
    assert done.lines[-1] == "runs/s-001/report.html"
    names = {path.name for path in (tmp_path / "runs/s-001/plots").iterdir()}
    assert names == {"score_1.svg", "trials.svg"}
    bpnet("report", "runs/s-001", "--split", "test", code=2)


def test_compare_prints_in_four_forms(bpnet, two):
    table = bpnet("runs", "compare", *two)
    assert any(line.split() == ["optimizer.learning_rate", "0.02", "0.001"] for line in table.lines)
    assert "| optimizer.learning_rate | 0.02 | 0.001 |" in bpnet(
        "runs", "compare", *two, "--format", "markdown"
    ).lines  # fmt: skip
    rows = bpnet("runs", "compare", *two, "--format", "csv").lines
    assert rows[0] == "part,name,c-001,c-002,c-002 - c-001"
    assert "config,optimizer.learning_rate,0.02,0.001," in rows
    told = bpnet("runs", "compare", *two, "--format", "json").json()
    assert told == bpnet("runs", "compare", *two, "--json").json()
    assert told["config"] == {"optimizer.learning_rate": [0.02, 0.001]}
    assert "two runs or more" in bpnet("runs", "compare", two[0], code=2).err


def test_best_prints_the_directory_alone_for_scripts(bpnet, two):
    assert bpnet("runs", "best", "-q").out == f"{two[0]}\n"
    assert bpnet("runs", "best", "--metric", "val/accuracy", "--mode", "min", "-q").lines == two[1:]
    done = bpnet("runs", "best", "--metric", "test/accuracy")
    assert "val/ metrics are for choosing" in done.err
    assert bpnet("runs", "best", "--json").json()["among"] == 2
    bpnet("runs", "best", "--mode", "most", code=2)


def test_rm_asks_nobody_where_there_is_no_terminal(bpnet, two, tmp_path):
    done = bpnet("runs", "rm", two[0], code=2)
    assert "--yes removes them without asking" in done.err
    assert (tmp_path / two[0]).exists()
    assert bpnet("runs", "rm", *two, "--yes", "--json").json()["removed"] == two
    assert list((tmp_path / "runs").iterdir()) == []


def test_rm_refuses_all_if_one_must_stay(bpnet, two, tmp_path):
    (tmp_path / "data").mkdir()
    bpnet("runs", "rm", two[0], "data", "--yes", code=5)
    assert (tmp_path / two[0] / "run.json").exists()


def test_a_dry_run_of_rm_says_what_would_go_and_removes_nothing(bpnet, two, tmp_path):
    done = bpnet("runs", "rm", *two, "--dry-run")
    assert [line.split()[0] for line in done.lines[1:]] == two
    assert done.err == "nothing was removed\n"
    told = bpnet("runs", "rm", two[0], "--dry-run", "--json").json()
    files = [path for path in (tmp_path / two[0]).rglob("*") if path.is_file()]
    assert told == {"would_remove": two[:1], "bytes": sum(p.stat().st_size for p in files)}
    assert (tmp_path / two[1] / "run.json").exists()
    (tmp_path / "data").mkdir()
    bpnet("runs", "rm", "data", "--dry-run", code=5)


@pytest.mark.parametrize(("answer", "stays"), [("n", True), ("y", False)])
def test_rm_asks_on_a_terminal(two, tmp_path, answer, stays):
    command = ["-m", "bpnet", "runs", "rm", two[0]]
    child = pexpect.spawn(sys.executable, command, cwd=tmp_path, timeout=60, encoding="utf-8")
    child.expect("remove this run for good")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (tmp_path / two[0]).exists() == stays


def test_listing_does_not_import_numpy(two, tmp_path):
    commands = ("list", "compare runs/c-001 runs/c-002", "best", "show runs/c-001")
    lines = [f"bpnet.cli.run(['runs', *{command.split()!r}, '-q'])" for command in commands]
    code = "\n".join(["import bpnet.cli, sys", *lines, "assert 'numpy' not in sys.modules"])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_runs_that_went_on_are_compared_by_their_newest_config(bpnet, two, tmp_path):
    shutil.copytree(tmp_path / two[0], tmp_path / "runs" / "copy")
    bpnet("train", "--resume", "runs/copy", "training.epochs=6", "-q")
    told = bpnet("runs", "compare", two[0], "runs/copy", "--json").json()
    assert told["config"] == {"training.epochs": [5, 6]}
    json.dumps(told)
