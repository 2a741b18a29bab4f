"""Whenever a training is killed, what it announced is there, and going on gives the same bytes."""

import os
import random
import shutil
import signal
import time

import pytest

from bpnet.runs import checkpoint

strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
KILL = "signal=SIGKILL"


def killed_after(bench, line, *arguments):
    """Start a training and kill it as soon as its n-th epoch is shown."""
    process = bench.process("train", *arguments)
    for _ in range(line + 1):
        process.stderr.readline()
    process.kill()
    process.communicate()


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_a_training_killed_after_an_epoch_goes_on_to_the_same_bytes(bench, epoch):
    run = bench.fresh()
    killed_after(bench, epoch, bench.config, "--run-dir", run)
    bench.complete(run)


def test_ten_kills_in_one_training_change_nothing(bench):
    text = "name: long\n" + bench.config.read_text()
    text = text.replace("early_stopping: {patience: 3}", "")
    endless, ending = bench.folder / "endless.yaml", bench.folder / "ending.yaml"
    endless.write_text(text.replace("epochs: 5", "epochs: 100000000"))
    run, arguments = bench.fresh(), ["train", endless, "--run-dir"]
    for _ in range(10):
        before = checkpoint.all_of(run)[:1]
        child = bench.start(*arguments, run)
        while checkpoint.all_of(run)[:1] == before:
            time.sleep(0.003)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait()[0] == -signal.SIGKILL
        bench.check_announced(run)
        arguments = ["train", "--resume"]
    epochs = checkpoint.read(checkpoint.newest(run)).facts["epoch"] + 3
    ending.write_text(text.replace("epochs: 5", f"epochs: {epochs}"))
    bench.run("train", "--resume", run, f"training.epochs={epochs}")
    bench.check_complete(run, config=ending)


@pytest.mark.faults
def test_kills_at_random_times_change_nothing(bench):
    chance, kills = random.Random(0), 0
    for _ in range(200):
        run = bench.fresh()
        arguments = ["train", bench.config, "--run-dir", run]
        for _ in range(3):
            child = bench.start(*arguments)
            time.sleep(chance.uniform(0.002, 0.12))
            os.kill(child.pid, signal.SIGKILL)
            kills += child.wait()[0] == -signal.SIGKILL
            if bench.check_announced(run):
                arguments = ["train", "--resume", run]
        bench.complete(run)
        shutil.rmtree(run)
    print(f"{kills} of 600 kills came before the end")
    assert kills > 200


def complete_all(bench, points, runs, ends):
    """Check that each run was killed at its point, and goes on to the same bytes."""
    for point, run, (code, err) in zip(points, runs, ends, strict=True):
        assert code == -signal.SIGKILL, f"{point}: {err}"
        try:
            bench.complete(run)
        except BaseException as error:
            error.add_note(f"killed at {point}, {run}")
            raise


@strace
@pytest.mark.faults
def test_a_kill_at_every_system_call_that_changes_something_changes_nothing(bench):
    whole = bench.fresh()
    points = bench.points(whole, "train", bench.config, "--run-dir", whole)
    assert len(points) > 100
    runs = [bench.fresh() for _ in points]

    def kill(point, run):
        return bench.inject(run, point, KILL, "train", bench.config, "--run-dir", run)

    complete_all(bench, points, runs, bench.together(kill, points, runs))
    print(f"killed at {len(points)} points of a training")


@strace
@pytest.mark.faults
def test_a_kill_at_every_system_call_of_a_resumed_training_changes_nothing(bench):
    whole = bench.fresh()
    points = bench.points(whole, "train", bench.config, "--run-dir", whole)
    saves = [p for p in points if p.call == "rename" and "step-" in p.what]
    cut = bench.fresh()
    bench.inject(cut, saves[1], KILL, "train", bench.config, "--run-dir", cut)
    for name in (".tmp-x", "checkpoints/.tmp-step-00000003.safetensors-01234567"):
        (cut / name).write_text("litter")
    copy = bench.fresh()
    shutil.copytree(cut, copy)
    points = bench.points(copy, "train", "--resume", copy)
    assert len(points) > 80
    runs = [bench.fresh() for _ in points]

    def kill(point, run):
        shutil.copytree(cut, run)
        return bench.inject(run, point, KILL, "train", "--resume", run)

    complete_all(bench, points, runs, bench.together(kill, points, runs))
    print(f"killed at {len(points)} points of a resumed training")
