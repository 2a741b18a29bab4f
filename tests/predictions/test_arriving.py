import io
import os
import select

import pytest

from bpnet.predictions import Arriving
from bpnet.predictions.arriving import PIPE


@pytest.fixture
def pipe():
    """Return the end that is read, as a binary file, and the descriptor of the other end."""
    outward, inward = os.pipe()
    with open(outward, "rb") as stream:
        yield stream, inward
    os.close(inward)


def test_what_has_arrived_is_handed_out_without_waiting_for_more(pipe):
    stream, inward = pipe
    arriving = Arriving(stream)
    for text in (b"a,b\n1,", b"2\n", b"3,4\n"):
        os.write(inward, text)
        assert arriving.read(1 << 20) == text


def test_the_first_bytes_can_be_looked_at_before_they_are_read(pipe):
    stream, inward = pipe
    arriving = Arriving(stream)
    os.write(inward, b"x" * 100 + b"y")
    assert arriving.start() == arriving.start() == b"x" * 64
    assert arriving.read(10) == b"x" * 10
    assert arriving.read(1 << 20) == b"x" * 90 + b"y"


def test_of_what_waits_a_block_as_large_as_asked_for_is_read(pipe):
    stream, inward = pipe
    arriving = Arriving(stream)
    try:
        for _ in range(100):
            os.set_blocking(inward, False)
            os.write(inward, b"z" * 4096)
    except BlockingIOError:
        pytest.skip("the pipe holds less than 400 KB here")
    assert len(arriving.read(300_000)) == 300_000
    assert len(arriving.read(PIPE)) == 109_600


def test_an_end_stays_the_end_even_on_a_terminal():
    outward, inward = os.openpty()
    with open(inward, "rb") as stream:
        arriving = Arriving(stream)
        os.write(outward, b"a\n\x04")  # Ctrl-D
        assert arriving.read(100) == b"a\n"
        assert arriving.read(100) == b""
        os.write(outward, b"b\n")
        assert arriving.read(100) == b""
    os.close(outward)


def test_a_pipe_that_may_not_wait_is_waited_for(pipe, monkeypatch):
    stream, inward = pipe
    os.set_blocking(stream.fileno(), False)
    arriving, real = Arriving(stream), select.select

    def write_then_select(*arguments):
        if len(arguments) == 3:
            os.write(inward, b"late\n")
        return real(*arguments)

    monkeypatch.setattr(select, "select", write_then_select)
    assert arriving.read(100) == b"late\n"


def test_what_came_before_a_failure_is_handed_out_before_it(pipe, monkeypatch):
    stream, inward = pipe
    arriving, real, calls = Arriving(stream), os.read, []

    def fail_after_one_byte(descriptor, size):
        calls.append(size)
        if len(calls) > 1:
            raise OSError(5, "broken")
        return real(descriptor, 1)

    monkeypatch.setattr(os, "read", fail_after_one_byte)
    os.write(inward, b"ab")
    assert arriving.read(100) == b"a"
    with pytest.raises(OSError, match="broken"):
        arriving.read(100)


def test_bytes_in_memory_are_a_stream_too():
    arriving = Arriving(io.BytesIO(b"abc"))
    assert arriving.start() == b"abc"
    assert [arriving.read(2), arriving.read(2), arriving.read(2)] == [b"ab", b"c", b""]
