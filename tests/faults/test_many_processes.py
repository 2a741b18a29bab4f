"""Many processes at one run directory, signals, and odd surroundings: same rules, same bytes."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import time

import pytest

from bpnet.errors import RunError
from bpnet.runs import checkpoint, lock

ENDLESS = ["training.epochs=100000000", "early_stopping.patience=100000000", "-q"]


@pytest.fixture
def endless(bench):
    """Start a training that does not end by itself; wait until its first checkpoint is there."""
    children = []

    def start(run, **options):
        child = bench.start("train", bench.config, "--run-dir", run, *ENDLESS, **options)
        children.append(child)
        wait_for(lambda: list(run.glob("checkpoints/step-*.safetensors")))
        return child

    yield start
    for child in children:
        if not child.ended:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()


def wait_for(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# One run directory, many processes


def check_one_wins(answers):
    """Check that one process trained and all others were refused, with a reason."""
    winners = [text for code, text in answers if code == 0 and "finished already" not in text]
    assert len(winners) == 1, answers
    for code, text in answers:
        if code == 0:
            continue
        assert code == 5, text
        assert text.count("bpnet: error:") == 1
        held = rf"process \d+ on {re.escape(socket.gethostname())} since 2"
        assert re.search(held, text) or "another bpnet writes" in text or "there already" in text


def check_a_round(bench, count):
    run = bench.fresh()
    begin = ["train", bench.config, "--run-dir", run]
    check_one_wins([child.wait() for child in [bench.start(*begin) for _ in range(count)]])
    bench.check_complete(run)
    (run / "result.json").unlink()
    for path in checkpoint.all_of(run)[:1]:
        path.unlink()
    resume = ["train", "--resume", run]
    check_one_wins([child.wait() for child in [bench.start(*resume) for _ in range(count)]])
    found = bench.outcome(run)
    assert all(found[part] == bench.expected[bench.config][part] for part in ("model", "metrics"))
    shutil.rmtree(run)


def test_of_four_processes_at_one_directory_one_trains(bench):
    check_a_round(bench, 4)


@pytest.mark.faults
def test_of_sixteen_processes_at_one_directory_one_trains_in_every_round(bench):
    for _ in range(100):
        check_a_round(bench, 16)


def test_a_second_process_is_told_at_once_who_is_there(bench, endless):
    run = bench.fresh()
    first = endless(run)
    for arguments in (
        ["train", "--resume", run],
        ["train", bench.config, "--run-dir", run],
        ["train", "--resume", run, "training.epochs=7"],
    ):
        text = bench.run(*arguments, code=5)
        if "--resume" in arguments:
            assert f"process {first.pid} on {socket.gethostname()} since 2" in text


def contend(directory, count):
    """Let `count` forked processes take the lock at once; return how many held it."""
    ready, go = os.pipe(), os.pipe()
    done = os.pipe()
    children = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                os.close(go[1])
                os.close(done[1])
                os.write(ready[1], b"r")
                os.read(go[0], 1)
                try:
                    with lock.hold(directory):
                        os.write(ready[1], b"w")
                        os.read(done[0], 1)  # until all have tried
                    code = 0
                except RunError as error:
                    os.write(ready[1], b"l")
                    code = 5 if "another bpnet writes there" in str(error) else 71
            finally:
                os._exit(code)
        children.append(pid)
    for pipe in (go[0], done[0]):
        os.close(pipe)
    heard = b""
    while len(heard) < count:
        heard += os.read(ready[0], count)
    os.close(go[1])
    heard = b""
    while len(heard) < count:
        heard += os.read(ready[0], count)
    os.close(done[1])
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)
    for end in ready:
        os.close(end)
    return codes


@pytest.mark.parametrize(
    "rounds", [5, pytest.param(500, marks=pytest.mark.faults)], ids=["a few", "hundreds"]
)
def test_one_of_sixteen_takes_the_lock_in_every_round(tmp_path, rounds):
    for round_ in range(rounds):
        assert contend(tmp_path, 16) == [0, *[5] * 15]
        if round_ % 3 == 0:
            (tmp_path / lock.LOCK).unlink()


def check_readers(bench, checkpoints):
    run = bench.fresh()
    bench.run("train", bench.config, "--run-dir", run)
    child = bench.start("train", "--resume", run, *ENDLESS)
    reads, evaluations, seen, until = 0, 0, set(), time.monotonic() + 120
    try:
        while len(seen) < checkpoints or evaluations < 4:
            assert time.monotonic() < until, f"{len(seen)} checkpoints in two minutes"
            try:
                path = checkpoint.newest(run)
                checkpoint.read(path)
            except RunError as error:
                if "no such file" in str(error):  # pruned since it was listed
                    continue
                raise
            seen.add(path.name)
            reads += 1
            if reads % 50 == 0:
                which = ["best", "last"][evaluations % 2]
                bench.run("eval", run, "--checkpoint", which)
                evaluations += 1
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    print(f"{reads} reads of {len(seen)} checkpoints, {evaluations} evaluations")


def test_readers_find_whole_checkpoints_while_a_training_saves(bench):
    check_readers(bench, 5)


@pytest.mark.faults
def test_readers_find_whole_checkpoints_for_long(bench):
    check_readers(bench, 500)


# Signals


def check_goes_on(bench, run, config):
    bench.run("train", "--resume", run)
    bench.check_complete(run, config=config)


@pytest.fixture
def long(bench):
    """Return a config that trains for about a second."""
    config = bench.folder / "signals.yaml"
    text = bench.config.read_text().replace("early_stopping: {patience: 3}", "")
    config.write_text(text.replace("epochs: 5", "epochs: 300"))
    return config


def begun(bench, config, **options):
    run = bench.fresh()
    child = bench.start("train", config, "--run-dir", run, **options)
    wait_for(lambda: list(run.glob("checkpoints/step-*.safetensors")))
    return run, child


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU"])
def test_a_signal_saves_and_going_on_gives_the_same_bytes(bench, long, name):
    run, child = begun(bench, long)
    os.kill(child.pid, getattr(signal, name))
    code, text = child.wait()
    assert code == 128 + getattr(signal, name)
    assert f"{name}: the state is saved; go on with: bpnet train --resume {run}" in text
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert not (run / "result.json").exists()
    bench.check_announced(run)
    check_goes_on(bench, run, long)


def test_a_second_signal_leaves_at_once(bench, long):
    run, child = begun(bench, long)
    os.kill(child.pid, signal.SIGSTOP)  # so that both are there when it looks
    os.kill(child.pid, signal.SIGTERM)
    os.kill(child.pid, signal.SIGINT)
    os.kill(child.pid, signal.SIGCONT)
    assert child.wait()[0] in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert json.loads((run / "run.json").read_text())["status"] == "running"
    bench.check_announced(run)
    check_goes_on(bench, run, long)


def test_a_request_to_save_is_followed_and_changes_nothing(bench, long):
    config = bench.folder / "rare.yaml"
    config.write_text(long.read_text().replace("every: 3 steps", "every: 100000 steps"))
    run = bench.fresh()
    child = bench.start("train", config, "--run-dir", run)
    wait_for(lambda: (run / "log.txt").is_file() and (run / "log.txt").stat().st_size)
    os.kill(child.pid, signal.SIGUSR1)
    assert child.wait()[0] == 0
    assert len(checkpoint.all_of(run)) == 2, "the one that was asked for, and the last"
    saved = [event["step"] for event in bench.events(run) if event["event"] == "saved"]
    assert saved == [saved[0], 600]
    assert saved[0] < 600
    whole = bench.fresh()
    bench.run("train", config, "--run-dir", whole)
    assert bench.outcome(run) == bench.outcome(whole)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_a_signal_that_was_ignored_stays_ignored(bench, long, name):
    run, child = begun(bench, long, ignored=[name])
    os.kill(child.pid, getattr(signal, name))
    assert child.wait()[0] == 0
    bench.check_complete(run, config=long)


def test_a_stopped_and_continued_training_gives_the_same_bytes(bench, long):
    run, child = begun(bench, long)
    for _ in range(3):
        os.kill(child.pid, signal.SIGSTOP)
        time.sleep(0.03)
        os.kill(child.pid, signal.SIGCONT)
        time.sleep(0.01)
    assert child.wait()[0] == 0
    bench.check_complete(run, config=long)


@pytest.mark.faults
def test_signals_at_random_times_leave_a_run_that_goes_on(bench, long):
    names, codes = ["SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU"], []
    for i in range(100):
        run, child = begun(bench, long)
        time.sleep(0.004 * i)
        number = getattr(signal, names[i % 4])
        os.kill(child.pid, number)
        code, text = child.wait()
        codes.append(code)
        assert code in (0, 128 + number, -number), text  # over before the signal came
        assert bench.check_announced(run)
        check_goes_on(bench, run, long)
        shutil.rmtree(run)
    print(f"{sum(code > 0 for code in codes)} of 100 ended by a signal")


# What grows


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.faults
def test_nothing_grows_over_ten_thousand_epochs(bench):
    run = bench.fresh()
    many = ["training.epochs=12000", "early_stopping.patience=100000", "checkpoint.pause=1s", "-q"]
    child = bench.start("train", bench.config, "--run-dir", run, *many)

    def lines():
        path = run / "metrics.jsonl"
        return path.read_bytes().count(b"\n") if path.is_file() else 0

    wait_for(lambda: lines() > 1000)
    files, memory = open_files(child.pid), resident(child.pid)
    wait_for(lambda: lines() > 11000)
    os.kill(child.pid, signal.SIGSTOP)
    after = open_files(child.pid), resident(child.pid)
    os.kill(child.pid, signal.SIGCONT)
    assert child.wait()[0] == 0
    print(f"{files} -> {after[0]} files, {memory} -> {after[1]} bytes")
    assert after[0] <= files + 1  # one that is being written
    assert after[1] <= memory + (1 << 20)


# Surroundings

SURROUNDINGS = {
    "the C locale": {"env": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}},
    "an odd time zone": {"env": {"TZ": "Pacific/Chatham"}},
    "a broken time zone": {"env": {"TZ": ":/no/such"}},
    "warnings as errors": {"env": {"PYTHONWARNINGS": "error"}},
    "no assertions": {"flags": ["-O"]},
    "no docstrings": {"flags": ["-OO"]},
    "random hashes 1": {"env": {"PYTHONHASHSEED": "1"}},
    "random hashes 2": {"env": {"PYTHONHASHSEED": "31337"}},
    "development mode": {"flags": ["-X", "dev", "-W", "error"]},
    "32 open files": {"limits": {"RLIMIT_NOFILE": 32}},
    "no home": {"env": {"HOME": "/no/such"}, "unset": ["HOME", "USER", "LOGNAME"]},
    "no temporary folder": {"env": {"TMPDIR": "/no/such"}},
    "no stdin": {"closed": [0]},
    "no stdout": {"closed": [1]},
    "no stderr": {"closed": [2]},
    "no streams": {"closed": [0, 1, 2]},
    "a narrow mask": {"umask": 0o077},
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_surroundings_change_no_byte(bench, name):
    case = SURROUNDINGS[name]
    run = bench.fresh()

    def before():
        for number, value in case.get("limits", {}).items():
            resource.setrlimit(getattr(resource, number), (value, value))
        for number in case.get("closed", ()):
            os.close(number)
        os.umask(case.get("umask", 0o022))

    without = [word for key in case.get("unset", ()) for word in ("-u", key)]
    process = bench.process(
        "train",
        bench.config,
        "--run-dir",
        run,
        before=["env", *without] if without else (),
        env=case.get("env", {}),
        flags=case.get("flags", ()),
        preexec_fn=before,
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    assert b"Warning" not in err
    bench.check_complete(run)
    mode = (run / "model.safetensors").stat().st_mode & 0o777
    assert mode == 0o666 & ~case.get("umask", 0o022)


def test_two_runs_named_at_the_same_moment_get_directories_of_their_own(bench):
    root = bench.fresh()
    arguments = ["train", bench.config, "--runs-root", root, "-q"]
    answers = [child.wait() for child in [bench.start(*arguments) for _ in range(6)]]
    assert [code for code, _ in answers] == [0] * 6, answers
    runs = sorted(root.iterdir())
    assert [path.name for path in runs] == [f"c-00{n}" for n in range(1, 7)]
    for run in runs:
        bench.check_complete(run)


def test_a_resume_can_wait_for_the_process_before_it(bench, long):
    run, child = begun(bench, long)
    waiter = bench.start("train", "--resume", run, "--wait")
    time.sleep(0.05)
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait()[0] == 143
    code, text = waiter.wait()
    assert code == 0, text
    bench.check_complete(run, config=long)
