"""Searches as users run them: a process that is read, interrupted and killed."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import small_configs
from processes import processes_of, soon

SEARCH = small_configs.IRIS.replace("tanh", "relu").replace("adam", "sgd")
SEARCH += small_configs.SEARCH.replace(", 0.001]", "]")
"""Diverges at a learning rate of 1e6, as Adam and tanh would not."""

LONG = "training.epochs=300"
MANY = "search.space.model.layers.0.units={integers: [3, 14]}"
FILES = ("leaderboard.csv", "leaderboard.json", "best.txt", "best.yaml", "space.svg")


@pytest.fixture
def searching(config):
    return config(SEARCH, "iris.yaml")


def files(directory):
    return {name: (directory / name).read_bytes() for name in FILES}


def start(folder, *arguments):
    environment = os.environ | {"NO_COLOR": "1"}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    return subprocess.Popen(
        [sys.executable, "-m", "bpnet", "gridsearch", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_search_ends_with_an_honest_line(bpnet, searching, tmp_path):
    done = bpnet("gridsearch", searching)
    assert done.lines[0].split() == [
        *("rank", "trial", "learning_rate", "layers.0.units"),
        *("val/accuracy", "val/loss", "val/f1"),
    ]
    last = done.lines[-1]
    assert last.startswith("best: trial ")
    assert "by which it was chosen; test/accuracy 0." in last
    assert "on 22 rows that chose nothing; runs/iris-001/trials/000" in last
    assert "iris: grid, 4 points, 4 trials; runs/iris-001" in done.err
    assert done.err.count("trial=") == 4
    with open(tmp_path / "runs/iris-001/leaderboard.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 4
    best = (tmp_path / "runs/iris-001/best.txt").read_text().strip()
    assert bpnet("eval", f"runs/iris-001/{best}").code == 0
    assert bpnet("verify", f"runs/iris-001/{best}").code == 0
    assert bpnet("reproduce", f"runs/iris-001/{best}").code == 0
    assert bpnet("train", "runs/iris-001/best.yaml", "-q").code == 0


def test_on_a_terminal_a_few_lines_live(searching, tmp_path):
    pexpect = pytest.importorskip("pexpect")
    child = pexpect.spawn(
        sys.executable,
        ["-m", "bpnet", "gridsearch", searching, LONG, MANY],
        cwd=str(tmp_path),
        timeout=120,
        encoding="utf-8",
        env=os.environ | {"TERM": "xterm", "NO_COLOR": "1"},
    )
    shown = child.read()
    child.close()
    assert child.exitstatus == 0
    assert "\x1b[3A\r\x1b[J" in shown  # back to the first of the lines
    assert "best so far: val/accuracy " in shown
    assert "24 left" in shown
    assert "to go" in shown
    end = shown.rpartition("\x1b[J")[2]
    assert "rank" in end
    assert "running" not in end
    assert "best: trial " in end.splitlines()[-1]


def test_quiet_prints_the_best_run_and_json_everything(bpnet, searching, tmp_path):
    quiet = bpnet("gridsearch", searching, "-q")
    assert len(quiet.lines) == 1
    assert (tmp_path / quiet.lines[0] / "model.safetensors").is_file()
    assert quiet.err == ""
    found = bpnet("gridsearch", searching, "--json").json()
    assert found["best_run"] == quiet.lines[0]
    assert len(found["points"]) == 4
    assert found["complete"] is True


def test_the_same_command_goes_on_and_new_starts_another(bpnet, searching, tmp_path):
    bpnet("gridsearch", searching, "-q")
    again = bpnet("gridsearch", searching, "search.space.optimizer.learning_rate=[0.1, 0.2]")
    assert "2 trials are there already" in again.err
    assert again.err.count("trial=") == 2
    assert again.err.count("not in the space any more, but kept: trial") == 2
    assert "trial 3 (optimizer.learning_rate=0.01 model.layers.0.units=3)" in again.err
    bpnet("gridsearch", searching, "-q", "--new")
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["iris-001", "iris-002"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "iris.yaml").write_text(SEARCH)
    bpnet("gridsearch", "other/iris.yaml", "-q")  # another file of the same name
    assert (tmp_path / "runs/iris-003").is_dir()


def test_failed_trials_are_told_by_the_exit_code(bpnet, searching):
    done = bpnet("gridsearch", searching, "search.space.optimizer.learning_rate=[0.1, 1e6]", code=7)
    assert "2 of 4 points failed:" in done.out
    assert "best: trial 1 " in done.lines[-1] or "best: trial 2 " in done.lines[-1]
    nothing = bpnet(
        *("gridsearch", searching, "search.space.optimizer.learning_rate=[1e6]"), code=7
    )
    assert nothing.lines[-1] == "no point finished, so there is no best"
    fast = bpnet(
        *("gridsearch", searching, "search.space.optimizer.learning_rate=[9e5]", MANY),
        *("--fail-fast", "-j", "1"),
        code=7,
    )
    assert fast.err.count("trial=") < 12


def test_wrong_searches_are_refused_before_anything_is_made(bpnet, searching, tmp_path):
    key = "search.space.optimizer.learning_rte=[1]"
    assert "the nearest right path is optimizer.learning_rate" in (
        bpnet("gridsearch", searching, key, code=2).err
    )
    huge = "search.space.training.epochs={integers: [1, 1000000000]}"
    assert "4,000,000,000 points are more" in bpnet("gridsearch", searching, huge, code=2).err
    assert "nothing to try" in bpnet("gridsearch", searching, "search.space={}", code=2).err
    assert "no such file" in bpnet("gridsearch", "nothing.yaml", code=2).err
    assert "leave out" in bpnet("gridsearch", searching, "--run-dir", "x", "--new", code=2).err
    assert not (tmp_path / "runs").exists()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").write_text("mine")
    assert "never overwritten" in (bpnet("gridsearch", searching, "--run-dir", "taken", code=5).err)


def test_a_dry_run_lists_the_points_and_the_time(bpnet, searching, tmp_path):
    done = bpnet("gridsearch", searching, "--dry-run")
    assert done.lines[0].split() == ["point", "learning_rate", "layers.0.units"]
    assert done.lines[4].split() == ["4", "0.01", "6"]
    assert done.lines[5] == "4 points, 4 trainings, 12 epochs at most"
    assert done.lines[6].startswith("about ")
    found = bpnet("gridsearch", searching, "--dry-run", "--json", "search.seeds=3").json()
    assert found["trainings"] == 12
    assert found["seconds"] > 0
    assert not (tmp_path / "runs").exists()


def test_scripts_ask_and_tell(bpnet, searching, tmp_path):
    for score in ("0.5", "-0.25"):
        asked = bpnet("gridsearch", "ask", searching, "-q").out.split()
        bpnet("gridsearch", "tell", searching, f"{asked[0]}={score}")
        assert asked[1].startswith("data.seed=")
    asked = bpnet("gridsearch", "ask", searching, "--json").json()
    assert asked["trial"] == 3
    run = bpnet("train", searching, *asked["assignments"], "-q").lines[-1]
    score = json.loads((tmp_path / run / "result.json").read_text())["metrics"]["val/accuracy"]
    bpnet("gridsearch", "tell", searching, "3", score)
    bpnet("gridsearch", "ask", searching)
    bpnet("gridsearch", "tell", searching, "4", "failed", "no", "luck")
    assert bpnet("gridsearch", "ask", searching, "-q").out == ""
    with open(tmp_path / "runs/iris-001/leaderboard.csv", newline="") as file:
        rows = {row["trial"]: row for row in csv.DictReader(file)}
    assert rows["2"]["val/accuracy"] == "-0.25"
    assert rows["4"]["reason"] == "no luck"
    assert "expected a trial's number" in bpnet("gridsearch", "tell", searching, "x", code=2).err


def test_scripts_start_no_search_by_mistake(bpnet, searching, tmp_path):
    told = bpnet("gridsearch", "tell", searching, "1=0.5", code=2)
    assert "no search of this config; 'bpnet gridsearch ask' starts one" in told.err
    elsewhere = bpnet("gridsearch", "tell", searching, "1=0.5", "--run-dir", "x", code=2)
    assert "x: no such search" in elsewhere.err
    paused = bpnet("gridsearch", "ask", searching, "search.method=halving", code=2)
    assert "which only bpnet itself can" in paused.err
    crowd = bpnet("gridsearch", "ask", searching, "-j", "2", code=2)
    assert "ask carries out no trials" in crowd.err
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "x").exists()


def test_only_files_that_are_there_are_named(bpnet, searching, tmp_path):
    failing = "search.space.optimizer.learning_rate=[1e6]"
    done = bpnet("gridsearch", searching, failing, "--fail-fast", "-j", "1", code=7)
    assert "runs/iris-001: leaderboard.csv, leaderboard.json, space.svg" in done.lines
    assert "look at the step with: bpnet replay runs/iris-001/trials/0001-" in done.out
    assert "ended at the first failure (--fail-fast)" in done.err
    named = next(line for line in done.lines if line.startswith("runs/iris-001: "))
    for name in named.partition(": ")[2].split(", "):
        assert (tmp_path / "runs/iris-001" / name).is_file()
    assert not (tmp_path / "runs/iris-001/best.txt").exists()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one trial at a time")
def test_a_failure_lets_the_others_save_their_state(searching, tmp_path):
    space = "search.space={optimizer.learning_rate: [0.01, 1e6]}"
    process = start(tmp_path, searching, space, "training.epochs=1000000", "-j", "2", "--fail-fast")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 7, err
    for other in tmp_path.glob("runs/iris-001/trials/0001-*/run.json"):  # if it came to begin
        assert json.loads(other.read_text())["stop_reason"] == "the search was interrupted"


def test_trials_times_threads_never_exceed_the_cores(bpnet, searching):
    cores = len(os.sched_getaffinity(0))
    done = bpnet("gridsearch", searching, "-j", cores + 5)
    assert f"-j {cores + 5}: {cores} at a time, as there are {cores} cores" in done.err
    twice = bpnet(
        *("gridsearch", searching, f"threads={cores}", "-j", "2"), env={"OPENBLAS_NUM_THREADS": ""}
    )
    if cores > 1:
        assert f"-j 2: 1 at a time, as there are {cores} cores and each trial uses {cores}" in (
            twice.err
        )


def test_an_interrupt_is_one_message_and_the_same_command_goes_on(bpnet, searching, tmp_path):
    process = start(tmp_path, searching, LONG, MANY)
    lines = [process.stderr.readline() for _ in range(4)]
    assert sum(line.startswith("trial=") for line in lines) >= 2
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers receive it too
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    messages = [line for line in err.splitlines() if not line.startswith("trial=")]
    assert len(messages) == 1
    assert "the same command goes on" in messages[0]
    assert out == ""
    assert soon(lambda: not processes_of(process.pid), 2)
    done = bpnet("gridsearch", searching, LONG, MANY)
    assert "trials are there already" in done.err
    bpnet("gridsearch", searching, LONG, MANY, "--run-dir", "whole")
    assert files(tmp_path / "runs/iris-001") == files(tmp_path / "whole")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_end_it_with_their_code(searching, tmp_path, number, code):
    process = start(tmp_path, searching, "training.epochs=100000")
    assert soon(lambda: list(tmp_path.glob("runs/iris-001/trials/*/metrics.jsonl")))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.count("the same command goes on") == 1
    states = [
        json.loads(p.read_text())["status"] for p in tmp_path.glob("runs/*/trials/*/run.json")
    ]
    assert set(states) == {"interrupted"}  # they saved their state
    assert soon(lambda: not processes_of(process.pid), 2)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_again_and_again_it_ends_with_the_same_leaderboard(bpnet, searching, tmp_path, seed):
    rng = random.Random(seed)
    bpnet("gridsearch", searching, LONG, MANY, "--run-dir", "whole")
    kills = 0
    while kills < 5:
        process = start(tmp_path, searching, LONG, MANY)
        assert soon(lambda p=process: len(processes_of(p.pid)) > 1 or p.poll() is not None)
        time.sleep(rng.uniform(0, 0.5))
        if process.poll() is not None:
            break
        kills += 1
        if rng.random() < 0.5:
            os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers die with it
        else:
            victims = [pid for pid in processes_of(process.pid) if pid != process.pid]
            os.kill(rng.choice(victims), signal.SIGKILL)
            time.sleep(0.1)
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert soon(lambda p=process: not processes_of(p.pid), 2)
    assert kills
    bpnet("gridsearch", searching, LONG, MANY, code=0)
    assert files(tmp_path / "runs/iris-001") == files(tmp_path / "whole")
    trials = tmp_path / "runs/iris-001/trials"
    assert len(list(trials.iterdir())) == 24


def test_killed_workers_cost_nothing_but_time(bpnet, searching, tmp_path):
    process = start(tmp_path, searching, LONG, MANY)
    for _ in range(3):
        assert soon(lambda: len(processes_of(process.pid)) > 2 or process.poll() is not None)
        workers = sorted(processes_of(process.pid))[2:]  # not the parent, not the nursery
        if workers:
            os.kill(workers[0], signal.SIGKILL)
        time.sleep(0.2)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    bpnet("gridsearch", searching, LONG, MANY, "--run-dir", "whole")
    assert files(tmp_path / "runs/iris-001") == files(tmp_path / "whole")


def test_a_second_search_in_the_same_place_is_refused(bpnet, searching, tmp_path):
    process = start(tmp_path, searching, "training.epochs=100000")
    try:
        assert soon(lambda: list(tmp_path.glob("runs/iris-001/trials/*")))
        assert "another bpnet writes there" in bpnet("gridsearch", searching, code=5).err
    finally:
        process.kill()
        process.communicate()


def test_libraries_that_are_missing_are_named_with_their_extra(bpnet, searching, tmp_path):
    for name in ("optuna", "distributed", "mpi4py"):
        (tmp_path / "fake" / name).mkdir(parents=True)
        (tmp_path / "fake" / name / "__init__.py").write_text("raise ImportError('not here')\n")
    env = {"PYTHONPATH": str(tmp_path / "fake")}
    for arguments, extra in (
        (["search.method=tpe"], "bpnet[tpe]"),
        (["--dask", "tcp://127.0.0.1:1"], "bpnet[dask]"),
        (["--mpi"], "bpnet[mpi]"),
    ):
        done = bpnet("gridsearch", searching, *arguments, code=2, env=env)
        assert f"pip install '{extra}'" in done.err


@pytest.mark.slow
def test_dask_workers_give_the_same_and_one_of_them_may_be_killed(bpnet, searching, tmp_path):
    pytest.importorskip("distributed")
    bpnet("gridsearch", searching, LONG, MANY, "--run-dir", "whole")
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    kinds = ["dask_scheduler", "dask_worker", "dask_worker"]
    place = ["--scheduler-file", "scheduler.json", "--no-dashboard"]
    cluster = []
    for kind in kinds:
        own = ["--port", "0"] if kind == "dask_scheduler" else ["--nthreads", "1"]
        cluster.append(
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{kind}", *place, *own],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
    try:
        assert soon(lambda: (tmp_path / "scheduler.json").exists())
        time.sleep(5)  # until both workers have signed on
        process = start(tmp_path, searching, LONG, MANY, "--dask", "scheduler.json")
        process.stderr.readline()
        process.stderr.readline()
        os.killpg(cluster[2].pid, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    finally:
        for member in cluster:
            if member.poll() is None:
                os.killpg(member.pid, signal.SIGKILL)
            member.wait()
    assert files(tmp_path / "runs/iris-001") == files(tmp_path / "whole")
