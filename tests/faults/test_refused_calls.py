"""Whatever the operating system refuses: one clear error, nothing lost, and going on works."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from bpnet.runs import rundir

strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
CALLS = ("openat", "write", "pwrite64", "ftruncate", "fsync", "rename", "unlink", "mkdir", "close")


def check_error(text, point=""):
    errors = [line for line in text.splitlines() if line.startswith("bpnet: error: ")]
    assert len(errors) == 1, f"{point}: {text}"
    assert "Traceback" not in text, text
    assert "bug in bpnet" not in text, text


# Quick ones, without strace


@pytest.mark.parametrize("limit", [300, 1500, 3000])
def test_a_limit_on_the_size_of_files_is_a_clear_error(bench, limit):
    run = bench.fresh()
    arguments = ["train", bench.config, "--run-dir", run]
    text = bench.run(*arguments, code=8, limits={"RLIMIT_FSIZE": limit}.items())
    check_error(text)
    assert "file too large" in text.lower()
    bench.complete(run)


def test_a_full_disk_under_stdout_leaves_the_run_whole(bench):
    run = bench.fresh()
    text = bench.run("train", bench.config, "--run-dir", run, "-q", code=8, out="/dev/full")
    check_error(text)
    bench.check_complete(run)


def test_a_full_disk_under_stderr_leaves_the_run_whole(bench):
    run = bench.fresh()
    code, _ = bench.start("train", bench.config, "--run-dir", run, err="/dev/full").wait()
    assert code in (0, 8)
    bench.complete(run)


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_a_run_directory_that_goes_away_ends_the_training_and_is_not_made_again(bench, how):
    run, elsewhere = bench.fresh(), bench.fresh()
    arguments = ["training.epochs=100000", "early_stopping.patience=100000", "-q"]
    child = bench.start("train", bench.config, "--run-dir", run, *arguments)
    while not list(run.glob("checkpoints/step-*.safetensors")):
        time.sleep(0.005)
    moved = run.rename(elsewhere)
    if how == "removed":
        shutil.rmtree(moved)
    code, text = child.wait()
    assert code == 8
    check_error(text)
    assert "does not exist (any more)" in text
    assert not run.exists()
    if how == "renamed":
        assert bench.check_announced(moved)
        bench.run("train", "--resume", moved, "training.epochs=100000", "training.max_time=1s")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_without_permission_is_refused_before_the_training(bench):
    root = bench.fresh()
    root.mkdir(mode=0o500)
    check_error(bench.run("train", bench.config, "--run-dir", root / "x", code=8))
    assert not list(root.iterdir())


def test_a_run_directory_below_a_file_is_refused_before_the_training(bench):
    place = bench.fresh()
    place.write_text("mine")
    check_error(bench.run("train", bench.config, "--run-dir", place / "x", code=8))
    assert place.read_text() == "mine"


def test_a_disk_that_fills_up_is_a_clear_error_and_space_mends_it(bench):
    mount = bench.fresh()
    mount.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=40k", "none", str(mount)]
    if shutil.which("mount") is None or subprocess.run(made, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        run = mount / "run"
        text = bench.run("train", bench.config, "--run-dir", run, code=8)
        check_error(text)
        assert "disk is full" in text
        larger = ["mount", "-o", "remount,size=4m", str(mount)]
        subprocess.run(larger, check=True)
        bench.complete(run)
    finally:
        subprocess.run(["umount", str(mount)], check=True)


# Every call


def harmless(point):
    """Say whether a refused call costs nothing: an old or unfinished file that stays."""
    return point.call == "unlink" and ("step-" in point.what or ".tmp-" in point.what)


def looks(point):
    """Say whether a call may be one that only asks what kind of file a checkpoint is."""
    return point.call == "openat" and point.what.startswith("checkpoints/step-")


def check_every(bench, error, arguments_of, prepare, points, more):
    runs = [bench.fresh() for _ in points]

    def refuse(point, run):
        prepare(run)
        return bench.inject(run, point, f"error={error}", *arguments_of(run), more=more)

    answers = bench.together(refuse, points, runs)
    for point, run, (code, err) in zip(points, runs, answers, strict=True):
        try:
            assert "Traceback" not in err
            if harmless(point):
                assert code == 0 or more
            elif code != 0 or not (point.call == "close" or looks(point)):
                assert code == 8, f"exit {code}\n{err}"
            if code and not (more and point.call == "write"):  # then nothing can be said either
                check_error(err)
            if ".tmp-" in point.what and code == 0:
                rundir.sweep(run)  # as the next start would
            bench.complete(run, spare=2 if harmless(point) else 0)
        except BaseException as wrong:
            wrong.add_note(f"{error}{more} at {point}, {run}")
            raise
        shutil.rmtree(run)


@strace
@pytest.mark.faults
@pytest.mark.parametrize("more", ["", "+"], ids=["once", "from then on"])
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_every_refused_call_of_a_training_is_a_clear_error(bench, error, more):
    def arguments(run):
        return ["train", bench.config, "--run-dir", run]

    whole = bench.fresh()
    points = bench.points(whole, *arguments(whole), calls=CALLS)
    assert len(points) > 150
    check_every(bench, error, arguments, lambda run: None, points, more)
    print(f"{error}{more} at {len(points)} calls of a training")


@strace
@pytest.mark.faults
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_every_refused_call_of_a_resumed_training_is_a_clear_error(bench, error):
    def arguments(run):
        return ["train", "--resume", run]

    whole = bench.fresh()
    points = bench.points(whole, "train", bench.config, "--run-dir", whole)
    saves = [p for p in points if p.call == "rename" and "step-" in p.what]
    cut, copy = bench.fresh(), bench.fresh()
    begin = ["train", bench.config, "--run-dir", cut]
    assert bench.inject(cut, saves[1], "signal=SIGKILL", *begin)[0] == -signal.SIGKILL
    shutil.copytree(cut, copy)
    points = bench.points(copy, *arguments(copy), calls=CALLS)
    check_every(bench, error, arguments, lambda run: shutil.copytree(cut, run), points, "")
    print(f"{error} at {len(points)} calls of a resumed training")
