"""The command line as users run it: a process, with a folder of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bpnet.cli import run


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()

    def json(self):
        return json.loads(self.out)


@pytest.fixture
def bpnet(tmp_path):
    """Return a function that runs a command line in `tmp_path`."""

    def start(*arguments, stdin="", code=0, env=(), cwd=tmp_path):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
        environment |= {"NO_COLOR": "1", "OPENBLAS_NUM_THREADS": "1", **dict(env)}
        done = subprocess.run(
            [sys.executable, "-m", "bpnet", *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=cwd,
            env=environment,
            timeout=120,
            check=False,
        )
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in result.err, result.err
        if code is not None:
            assert result.code == code, f"exit {result.code}\n{result.out}\n{result.err}"
        return result

    return start


@pytest.fixture
def inside(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command line in this process, in `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        capsys.readouterr()
        ended = run([str(argument) for argument in arguments])
        done = Result(ended, *capsys.readouterr())
        assert ended == code, f"exit {ended}\n{done.out}\n{done.err}"
        return done

    return call


@pytest.fixture
def config(tmp_path):
    """Return a function that writes a small config and returns its name."""

    def write(text="", name="c.yaml"):
        (tmp_path / name).write_text(text or SMALL)
        return name

    return write


SMALL = """\
data:
  train: builtin:iris
  target: species
model:
  layers:
    - {type: dense, units: 8}
    - {type: tanh}
    - {type: dense, units: auto}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 5}
"""


@pytest.fixture
def trained(bpnet, config, tmp_path):
    """Return the directory of a small finished run."""
    return Path(tmp_path / bpnet("train", config(), "-q").lines[-1])
