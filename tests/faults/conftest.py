"""A training small enough to be ended at every single system call, and what it must come to."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

import bpnet
from bpnet.runs import checkpoint

CONFIG = """\
data:
  train: builtin:iris
  target: species
model:
  layers:
    - {type: dense, units: 8}
    - {type: batch_norm}
    - {type: tanh}
    - {type: dropout, rate: 0.2}
    - {type: dense, units: auto}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
training: {epochs: 5, batch_size: 64}
early_stopping: {patience: 3}
checkpoint: {every: 3 steps, pause: 0s}
"""

# Everything is imported once; each command line is then a process of its own within milliseconds.
NURSERY = """
import json, os, resource, signal, sys
import bpnet.api, bpnet.cli, bpnet.cli.train, bpnet.resuming, bpnet.session
for name in "check evaluate verify".split():
    __import__("bpnet.cli." + name)
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        print(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        os.chdir(order["folder"])
        for number, name in enumerate(["/dev/null", *order["streams"]]):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
            os.dup2(os.open(name, flags, 0o666), number)
        os.closerange(3, 64)
        for name, value in order["limits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        for name in ("SIGHUP", "SIGTERM"):  # whatever the tests were started by
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in order["ignored"]:
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        code = 70
        try:
            code = bpnet.cli.run(order["arguments"])
            sys.stdout.flush()
        except SystemExit as end:
            code = end.code
        except BaseException:
            import traceback
            sys.stderr.write(traceback.format_exc())
        sys.stderr.flush()
        os._exit(code)
    print(pid, flush=True)
"""

CHANGES = (
    *("openat", "write", "pwrite64", "ftruncate", "truncate", "fsync", "fdatasync"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat"),
)
_CALL = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+|\?)")


@dataclass(frozen=True)
class Point:
    """The `number`-th call of its name in a command; `what` says which, without what varies."""

    call: str
    number: int
    what: str

    def __str__(self):
        return f"{self.call} {self.number}: {self.what}"


@dataclass
class Child:
    nursery: subprocess.Popen
    pid: int
    streams: list[Path]
    ended: bool = False

    def wait(self):
        """Return the exit code, negative for a signal, and what went to stderr."""
        self.ended = True
        code = order(self.nursery, {"wait": self.pid})
        err = self.streams[1]
        return code, err.read_text(errors="replace") if err.is_file() else ""


def order(nursery, what):
    nursery.stdin.write(json.dumps(what) + "\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


def without_times(row):
    return {k: v for k, v in row.items() if k not in ("time_s", "training_s", "total_s")}


class Bench:
    """Runs command lines in a folder, and knows what the training must come to."""

    def __init__(self, folder, nursery):
        self.folder = folder
        self.config = folder / "c.yaml"
        self.config.write_text(CONFIG)
        self._nursery = nursery
        self._names = 0
        self.expected = {}
        self._still = folder / "still"  # a folder that changes is listed again by Python's imports
        self._still.mkdir()

    def fresh(self):
        """Return the path of a run directory that does not exist yet."""
        self._names += 1
        return self.folder / f"run{self._names:05d}"

    def start(self, *arguments, out=None, err=None, limits=(), ignored=()):
        self._names += 1
        names = (out, f"out{self._names}"), (err, f"err{self._names}")
        streams = [Path(given or self.folder / name) for given, name in names]
        pid = order(
            self._nursery,
            {
                "arguments": list(map(str, arguments)),
                "folder": str(self.folder),
                "streams": list(map(str, streams)),
                "limits": dict(limits),
                "ignored": list(ignored),
            },
        )
        return Child(self._nursery, pid, streams)

    def run(self, *arguments, code=0, **options):
        """Run a command line in a process of its own; return what it wrote to stderr."""
        ended, text = self.start(*arguments, **options).wait()
        assert ended == code, f"{arguments}: exit {ended}\n{text}"
        assert "Traceback" not in text
        return text

    def process(self, *arguments, before=(), **options):
        """Return the start of a command line as users start it."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
        environment |= {"OPENBLAS_NUM_THREADS": "1"}
        environment |= options.pop("env", {})
        python = [sys.executable, *options.pop("flags", ())]
        return subprocess.Popen(
            [*before, *python, "-m", "bpnet", *map(str, arguments)],
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            | {"cwd": self._still, "env": environment}
            | options,
        )

    def traced(self, log, chosen, *arguments):
        """Run a command under strace; return its exit code and stderr.

        Its code is a copy that nobody changes, so that it makes the same calls every time.
        """
        code = self.folder / "code"
        if not code.exists():
            shutil.copytree(Path(bpnet.__file__).parent, code / "bpnet")
            subprocess.run([sys.executable, "-m", "compileall", "-q", code], check=True)
        strace = ["strace", "-f", "-o", str(log), "-e", "signal=none", *chosen]
        environment = {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
        process = self.process(*arguments, before=strace, env=environment)
        _, err = process.communicate(timeout=60)
        return process.returncode, err.decode()

    def points(self, run, *arguments, calls=CHANGES):
        """Return every one of these calls that a command makes in a run directory."""
        log = self.folder / f"{run.name}.all"
        chosen = ["-e", f"trace={','.join(dict.fromkeys((*calls, 'openat')))}"]
        code, err = self.traced(log, chosen, *arguments)
        assert code == 0, err
        return [p for p in _points(log, run) if p.call in calls]

    def inject(self, run, point, what, *arguments, more=""):
        """Run a command with a fault at one point; return its exit code and stderr."""
        log = self.folder / f"{run.name}.log"
        chosen = ["-e", f"trace={point.call},openat"]
        chosen += ["-e", f"inject={point.call}:{what}:when={point.number}{more}"]
        code, err = self.traced(log, chosen, *arguments)
        hit = [p for p in _points(log, run) if (p.call, p.number) == (point.call, point.number)]
        assert hit == [point], f"{point} was not reached, but {hit}"
        return code, err

    def together(self, function, *rows):
        """Call a function for each row, two at a time; yield what it returns."""
        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(function, *rows)

    def outcome(self, run):
        """Return all that a training comes to, without what may differ (times, its identity)."""
        checkpoints = checkpoint.all_of(run)
        final = checkpoint.read(checkpoints[0])
        varying = ("elapsed", "training", "metrics")
        columns, *cells = [
            line.split(",") for line in (run / "metrics.csv").read_text().splitlines()
        ]
        lines = (run / "metrics.jsonl").read_text().splitlines()
        return {
            "model": (run / "model.safetensors").read_bytes(),
            "best": (run / "checkpoints/best.safetensors").read_bytes(),
            "metrics": [without_times(json.loads(line)) for line in lines],
            "cells": [without_times(dict(zip(columns, row, strict=True))) for row in cells],
            "names": [path.name for path in checkpoints[:1]],
            "arrays": {name: array.tobytes() for name, array in final.arrays.items()},
            "facts": {k: v for k, v in final.facts.items() if k not in varying},
            "result": without_times(json.loads((run / "result.json").read_text())),
        }

    def check_announced(self, run):
        """Check that what a cut-off run has told of is there and whole; say if it has begun."""
        if not (run / "run.json").is_file():
            return False
        self.run("verify", run)
        for name in ("events.jsonl", "metrics.jsonl"):
            if (run / name).is_file():
                assert "\0" not in (run / name).read_text()
        saved = [event["file"] for event in self.events(run) if event["event"] == "saved"]
        if saved:
            newest = checkpoint.newest(run)
            assert newest.name >= max(saved)
            checkpoint.read(run / "checkpoints" / max(saved))
        return True

    def events(self, run):
        path = run / "events.jsonl"
        text = path.read_text() if path.is_file() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def complete(self, run, *, config=None, spare=0):
        """Go on with a run that was cut off, or start it; return what went to stderr."""
        if self.check_announced(run):
            text = self.run("train", "--resume", run)
        else:
            text = self.run("train", config or self.config, "--run-dir", run)
        assert "damaged" not in text
        self.check_complete(run, config=config, spare=spare)
        return text

    def check_complete(self, run, *, config=None, spare=0):
        """Check that a run has ended as if nothing had happened, and is tidy.

        Up to `spare` old checkpoints may be left beside the two that are kept.
        """
        config = config or self.config
        if config not in self.expected:
            whole = self.fresh()
            self.run("train", config, "--run-dir", whole)
            self.expected[config] = self.outcome(whole)
        found = self.outcome(run)
        for part, expected in self.expected[config].items():
            assert found[part] == expected, part
        names = {path.name for path in run.rglob("*")}
        assert not [n for n in names if n.startswith(".tmp-") or n.endswith(".damaged")]
        assert 2 <= len([n for n in names if n.startswith("step-")]) <= 2 + spare
        self.run("verify", run)


def _points(log, run):
    """Yield the calls in a log that concern a run directory."""
    counted, inside = {}, set()
    for line in log.read_text(errors="replace").splitlines():
        match = _CALL.match(line) or re.match(r"\d+ +(\w+)\((.*)()", line)
        if match is None or "+++" in line:
            continue
        call, text, result = match.groups()
        counted[call] = counted.get(call, 0) + 1
        first = text.split(",")[0].strip(") ")
        ours = str(run) in text or (first.isdigit() and int(first) in inside)
        if call == "openat" and result.isdigit():
            (inside.add if ours else inside.discard)(int(result))
        if call == "close" and first.isdigit():
            inside.discard(int(first))
        if ours:
            paths = re.findall(rf'"{re.escape(str(run))}/?([^"]*)"', text)  # a rename has two
            what = paths[-1] or "." if paths else f"of file {first}"
            what = re.sub(r"(?<=tmp-)[0-9a-f]{16}$", "", what)
            yield Point(call, counted[call], what)


@pytest.fixture(scope="session")
def nursery():
    process = subprocess.Popen(
        [sys.executable, "-c", NURSERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "NO_COLOR": "1"},
    )
    yield process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.fixture(scope="module")
def bench(nursery, tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"), nursery)
