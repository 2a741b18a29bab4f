import errno
import os
import stat

import pytest

from bpnet.errors import RefusedError, RunError
from bpnet.runs import durable


def test_a_written_file_holds_all_of_the_data_and_nothing_else_is_left(tmp_path):
    durable.write(tmp_path / "a.bin", b"x" * 100_000)
    assert (tmp_path / "a.bin").read_bytes() == b"x" * 100_000
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_written_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        durable.write(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_refused_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, call, code):
    durable.write(tmp_path / "a", b"old")

    def refuse(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(RefusedError, match="can't write"):
        durable.write(tmp_path / "a", b"new")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_pipe_is_written_to_and_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        durable.write(pipe, "text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_short_writes_are_completed(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    durable.write(tmp_path / "a", b"0123456789" * 10)
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == b"0123456789" * 10


def test_reading_a_missing_file_or_a_folder_says_so(tmp_path):
    with pytest.raises(RunError, match="no such file"):
        durable.read(tmp_path / "a")
    with pytest.raises(RunError, match="not a file"):
        durable.read(tmp_path)


def test_a_line_that_the_disk_refuses_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = durable.LineFile(tmp_path / "lines")
    file.append("one")
    real = os.write
    calls = []

    def half(descriptor, data):
        calls.append(1)
        if len(calls) == 1:
            return real(descriptor, data[:2])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(RefusedError, match="disk is full"):
        file.append("two")
    monkeypatch.undo()
    assert (tmp_path / "lines").read_text() == "one\n"
    file.append("three")
    file.close()
    assert (tmp_path / "lines").read_text() == "one\nthree\n"


def test_what_is_postponed_is_made_durable_all_at_once(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", calls.append)
    with durable.postponed():
        durable.write(tmp_path / "a", "text")
        file = durable.LineFile(tmp_path / "lines")
        file.append("one")
        file.close()
    assert not calls
    durable.synchronize(tmp_path)
    assert (tmp_path / "a").read_text() == "text"
    durable.write(tmp_path / "b", "text")
    assert len(calls) == 2  # the file and its folder, as ever


def test_a_folder_that_is_gone_can_not_be_made_durable(tmp_path):
    with pytest.raises(RefusedError, match="can't make durable"):
        durable.synchronize(tmp_path / "gone")
