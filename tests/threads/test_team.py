import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from bpnet.threads.team import Team, team


def test_everybody_gets_a_piece_of_their_own_at_the_same_time():
    four, meeting, seen = Team(4), threading.Barrier(4, timeout=30), []

    def work(number):
        meeting.wait()  # nobody passes before all are there
        seen.append((number, threading.get_ident()))

    for _ in range(3):
        seen.clear()
        four.run(work)
        assert sorted(number for number, _ in seen) == [0, 1, 2, 3]
        assert len({thread for _, thread in seen}) == 4
        assert dict(seen)[0] == threading.get_ident()


@pytest.mark.parametrize("failing", [{0}, {1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}])
def test_the_first_error_comes_once_all_are_over(failing):
    three, over = Team(3), []

    def work(number):
        try:
            if number in failing:
                raise ValueError(number)
        finally:
            over.append(number)

    with pytest.raises(ValueError, match=str(min(failing))):
        three.run(work)
    assert sorted(over) == [0, 1, 2]
    over.clear()
    failing.clear()
    three.run(work)
    assert sorted(over) == [0, 1, 2]


def test_work_within_work_is_done_one_after_the_other():
    two, seen = Team(2), []

    def outer(number):
        if number == 0:
            two.run(seen.append)

    two.run(outer)
    assert seen == [0, 1]


def test_the_error_state_is_the_caller_s():
    two = Team(2)

    def overflow(number):
        np.array([1e308]) * np.array([10.0])

    with np.errstate(over="ignore"):
        two.run(overflow)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        two.run(overflow)


def test_an_interrupt_waits_for_everybody_and_then_arrives():
    code = """
import _thread, threading, time
from bpnet.threads.team import Team
over = []
def work(number):
    if number:
        _thread.interrupt_main()
        time.sleep(0.3)
        over.append(number)
try:
    Team(2).run(work)
except KeyboardInterrupt:
    print("interrupted", over)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "interrupted [1]\n"


def test_an_alarm_waits_for_everybody_and_then_arrives():
    code = """
import signal, time
from bpnet.threads.team import Team
def ring(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, ring)
two, over = Team(2), []
def work(number):
    if number:
        time.sleep(0.3)
        over.append(number)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    two.run(work)
except TimeoutError:
    print("rang", over)
two.run(work)
print(over)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "rang [1]\n[1, 1]\n"


def test_there_is_one_team_of_a_size_and_none_of_one_thread():
    assert team(1) is None
    assert team(3) is team(3)
    assert team(3) is not team(2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_team_of_its_own():
    code = """
import os
from bpnet.threads.team import team
seen = []
parents = team(2)
parents.run(seen.append)
child = os.fork()
if child == 0:
    mine = []
    parents.run(mine.append)
    team(2).run(mine.append)
    os._exit(0 if sorted(mine) == [0, 0, 1, 1] else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sorted(seen))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "0 [0, 1]\n"
