"""Worker processes: each task fails alone, and nobody outlives the parent."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path

import pytest
from processes import is_alive, soon

from bpnet.search.workers import WorkerDied, Workers


def work(task):
    if task.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if task.get("exit"):
        os._exit(3)
    time.sleep(task.get("sleep", 0))
    return {"pid": os.getpid(), "value": task.get("value"), "shared": len(SHARED)}


SHARED = []


@pytest.fixture
def workers():
    made = []

    def make(count, on_stop=lambda: None):
        made.append(Workers(count, work, on_stop))
        return made[-1]

    yield make
    for pool in made:
        pool.shutdown(wait=False)


def test_tasks_are_carried_out_and_answered(workers):
    pool = workers(2)
    futures = [pool.submit(work, {"value": i}) for i in range(50)]
    assert [future.result()["value"] for future in futures] == list(range(50))
    assert len(pool.pids) <= 2
    assert {future.result()["pid"] for future in futures} <= set(pool.pids)


def test_workers_share_what_the_parent_had(workers):
    SHARED.extend(range(1000))
    try:
        pool = workers(1)
        SHARED.clear()
        assert pool.submit(work, {}).result()["shared"] == 1000
        pool.submit(work, {"kill": True}).exception()
        assert pool.submit(work, {}).result()["shared"] == 1000  # also one that replaces another
    finally:
        SHARED.clear()


def test_a_killed_worker_fails_its_own_task_only(workers):
    pool = workers(2)
    tasks = [{"value": i, "kill": i % 5 == 2, "exit": i % 5 == 4} for i in range(20)]
    futures = [pool.submit(work, task) for task in tasks]
    for task, future in zip(tasks, futures, strict=True):
        if task["kill"] or task["exit"]:
            expected = "killed by SIGKILL" if task["kill"] else "ended with 3"
            with pytest.raises(WorkerDied, match=expected):
                future.result()
        else:
            assert future.result()["value"] == task["value"]


def test_a_killed_nursery_breaks_the_executor_and_hangs_nobody(workers):
    pool = workers(2)
    busy = [pool.submit(work, {"sleep": 60}) for _ in range(3)]
    assert soon(lambda: len(pool.pids) == 2)
    os.kill(pool._nursery, signal.SIGKILL)
    done, left = wait(busy, 20)
    assert not left
    assert all(future.cancelled() or future.exception() is not None for future in done)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(work, {})


def test_shutting_down_at_once_kills_what_runs(workers):
    pool = workers(2)
    busy = [pool.submit(work, {"sleep": 60}) for _ in range(4)]
    assert soon(lambda: len(pool.pids) == 2)
    pids = pool.pids
    pool.shutdown(wait=False)
    assert all(future.done() for future in busy)
    assert soon(lambda: not any(map(is_alive, pids)))


def test_shutting_down_waits_for_what_runs(workers):
    pool = workers(1)
    futures = [pool.submit(work, {"value": i, "sleep": 0.05}) for i in range(3)]
    pool.shutdown(wait=True)
    assert [future.result()["value"] for future in futures] == [0, 1, 2]


def test_workers_ignore_what_the_terminal_sends(workers):
    pool = workers(1)
    pid = pool.submit(work, {}).result()["pid"]
    future = pool.submit(work, {"sleep": 0.3, "value": 5})
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    assert future.result()["value"] == 5


def test_asked_to_stop_a_worker_ends_after_its_task(workers):
    pool = workers(1)
    future = pool.submit(work, {"sleep": 0.3, "value": 5})
    assert soon(lambda: pool.pids)
    (pid,) = pool.pids
    time.sleep(0.1)
    pool.ask_to_stop()
    assert future.result()["value"] == 5
    assert soon(lambda: not is_alive(pid))
    assert pool.submit(work, {}).result()["pid"] != pid


def test_asked_to_stop_they_begin_nothing_that_waits(workers):
    pool = workers(1)
    running = pool.submit(work, {"sleep": 0.3, "value": 1})
    waiting = pool.submit(work, {"sleep": 60})
    assert soon(lambda: pool.pids and running.running())
    time.sleep(0.1)
    pool.ask_to_stop()
    assert running.result()["value"] == 1
    assert soon(lambda: not pool.pids)
    assert not waiting.running()
    assert waiting.cancel()


def test_a_signal_in_the_middle_of_a_submission_may_ask_to_stop(workers):
    pool = workers(1)
    with pool._lock:  # where `submit` is when the handler of the same thread runs
        pool.ask_to_stop()
    assert pool.submit(work, {"value": 2}).result()["value"] == 2


def test_they_carry_out_one_function_of_plain_values(workers):
    pool = workers(1)
    with pytest.raises(TypeError, match="one function"):
        pool.submit(print, {})


ORPHANS = """
import os, sys, time
sys.path[:0] = {folders!r}
from test_workers import work
from bpnet.search.workers import Workers
pool = Workers(2, work)
for _ in range(2):
    pool.submit(work, {{"sleep": 60}})
while len(pool.pids) < 2:
    time.sleep(0.01)
print(pool._nursery, *pool.pids, flush=True)
time.sleep(60)
"""


def test_no_worker_outlives_a_killed_parent():
    here = Path(__file__).parent
    text = ORPHANS.format(folders=[str(here), str(here.parent / "support")])
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 3
        parent.kill()
    assert soon(lambda: not any(map(is_alive, pids)), 5)
