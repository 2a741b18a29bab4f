"""`bpnet predict RUN -` between two pipes, as in ``tail -f rows.csv | bpnet predict RUN -``."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.9, 3.0, 4.2, 1.5]]


@contextmanager
def predicting(run, *options):
    """Start a prediction with both ends in our hands; whoever waits too long is ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bpnet", "predict", str(run), "-", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    guard = threading.Timer(100, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()


def send(process, text):
    process.stdin.write(text)
    process.stdin.flush()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_every_row_is_answered_before_the_next_one_comes(bpnet, trained, form):
    def line(row):
        if form == "csv":
            return ",".join(map(str, row)) + "\n"
        return json.dumps(dict(zip(NAMES, row, strict=True))) + "\n"

    answers = []
    with predicting(trained) as process:
        if form == "csv":
            send(process, ",".join(NAMES) + "\n")
        for row in ROWS:
            send(process, line(row))
            if form == "csv" and not answers:
                answers.append(process.stdout.readline())
            answers.append(process.stdout.readline())
        process.stdin.close()
        assert process.wait(60) == 0
        assert process.stdout.read() == ""
    header = ",".join(NAMES) + "\n" if form == "csv" else ""
    together = bpnet("predict", trained, "-", stdin=header + "".join(map(line, ROWS)))
    assert "".join(answers) == together.out


def test_a_row_is_answered_when_its_last_byte_is_there(trained):
    with predicting(trained) as process:
        for part in (",".join(NAMES), "\n5.1,3.5,", "1.4,0", ".2\n"):
            send(process, part)
        assert process.stdout.readline() == "prediction,probability\n"
        assert process.stdout.readline().startswith("setosa,")
        send(process, "6.3,3.3,6.0,2.5")  # without a line end, the end of the stream is one
        process.stdin.close()
        assert process.stdout.readline().startswith("virginica,")


def test_a_pipe_and_a_file_give_the_same_bytes(bpnet, trained, tmp_path):
    rows = [
        f"{4 + i % 37 / 10},{2 + i % 23 / 10},{1 + i % 53 / 10},{i % 25 / 10}"
        for i in range(30_000)
    ]
    text = "\n".join([",".join(NAMES), *rows]) + "\n"
    (tmp_path / "rows.csv").write_text(text)
    expected = bpnet("predict", trained, "rows.csv", "--probabilities").out
    assert len(expected.splitlines()) == 30_001
    assert bpnet("predict", trained, "-", "--probabilities", stdin=text).out == expected
