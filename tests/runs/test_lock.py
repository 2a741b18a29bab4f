import json
import os
import socket
import subprocess
import sys
import time

import pytest

from bpnet.errors import RunError
from bpnet.runs import lock

HOLD = """
import sys, time
from pathlib import Path
from bpnet.runs import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_one_process_writes_and_the_next_is_told_who(tmp_path, holder):
    assert lock.is_held(tmp_path)
    with (
        pytest.raises(RunError, match=f"process {holder.pid} on {socket.gethostname()} since 2"),
        lock.hold(tmp_path),
    ):
        raise AssertionError("two writers")
    with pytest.raises(RunError, match="another bpnet writes there"):
        lock.refuse_held(tmp_path)


def test_the_lock_of_a_killed_process_needs_no_cleaning_up(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert not lock.is_held(tmp_path)
    with lock.hold(tmp_path) as doubt:
        assert doubt == ""
        assert json.loads((tmp_path / lock.LOCK).read_text())["pid"] == os.getpid()
        assert lock.is_held(tmp_path)
    assert not lock.is_held(tmp_path)


def test_waiting_takes_the_lock_when_it_is_free(tmp_path, holder):
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("argv[1])", "argv[1]), wait=True"), tmp_path],
        stdout=subprocess.PIPE,
    )
    time.sleep(0.3)
    holder.kill()
    assert waiter.stdout.readline() == b"held\n"
    waiter.kill()
    waiter.wait()
    waiter.stdout.close()


def test_a_lock_file_that_is_removed_meanwhile_is_locked_anew(tmp_path):
    with lock.hold(tmp_path):
        (tmp_path / lock.LOCK).unlink()
        assert not lock.is_held(tmp_path)
        with lock.hold(tmp_path):
            assert lock.is_held(tmp_path)


def test_a_planted_link_is_not_followed(tmp_path):
    from bpnet.errors import RefusedError

    (tmp_path / "victim").write_text("precious")
    (tmp_path / lock.LOCK).symlink_to(tmp_path / "victim")
    with pytest.raises(RefusedError, match="can't lock"), lock.hold(tmp_path):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_file_system_without_sure_locks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_file_system", lambda directory: "nfs4")
    with lock.hold(tmp_path) as doubt:
        assert "file system (nfs4) that does not promise locks" in doubt
