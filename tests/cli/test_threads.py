"""Threads that share the steps of a wide network, as users meet them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bpnet.nn.layers import LAYERS
from bpnet.nn.network import Network
from bpnet.runs import checkpoint, tensors
from bpnet.threads import blas
from bpnet.threads.choice import TOGETHER

WIDE = """\
threads: 2
data: {train: builtin:iris, target: species, validation: 0.2, test: 0.1}
model:
  layers:
    - {type: dense, units: 420}
    - relu
    - {type: dropout, rate: 0.2}
    - {type: dense, units: 420}
    - relu
    - {type: dense, units: auto}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 1e-3}
training: {epochs: 3, batch_size: 48}
checkpoint: {pause: 0s, keep: 10}
"""
FREE = dict.fromkeys(["OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"], "")

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="needs two cores, as resuming never exceeds them"
)


@pytest.fixture
def run(bpnet, config, tmp_path):
    bpnet("train", config(WIDE), "--run-dir", "run", "-q", env=FREE)
    return tmp_path / "run"


def facts(directory):
    return json.loads((directory / "run.json").read_text())


def ends(directory):
    file = checkpoint.read(checkpoint.newest(directory))
    return {name: array.tobytes() for name, array in file.arrays.items()}


def test_a_run_that_two_threads_share_is_resumed_and_reproduced_to_the_byte(bpnet, run, tmp_path):
    assert [facts(run)[name] for name in ("threads", "team", "shards")] == [2, 2, 2]
    bpnet("train", "c.yaml", "--run-dir", "short", "-q", "training.epochs=1", env=FREE)
    done = bpnet("train", "--resume", "short", "training.epochs=3", env=FREE)
    assert "bit-exact" not in done.err
    assert ends(tmp_path / "short") == ends(run)
    bpnet("reproduce", run, env=FREE)
    bpnet("train", "c.yaml", "--run-dir", "again", "-q", env=FREE)
    assert ends(tmp_path / "again") == ends(run)


def test_one_thread_gives_other_last_bits_which_is_said(bpnet, run, tmp_path):
    bpnet("train", "c.yaml", "threads=1", "--run-dir", "one", "-q", env=FREE)
    assert facts(tmp_path / "one")["team"] == 1
    assert ends(tmp_path / "one") != ends(run)
    done = bpnet("train", "--resume", run, "training.epochs=4", "threads=1", env=FREE)
    assert "not bit-exact from here on: threads 2 -> 1, team 2 -> 1" in done.err


def test_a_divergence_of_shared_steps_is_replayed_to_the_last_bit(bpnet, config, tmp_path):
    config(WIDE)
    bpnet(
        *("train", "c.yaml", "--run-dir", "wild", "optimizer.type=sgd"),
        *("optimizer.learning_rate=1e4", "training.epochs=30"),
        env=FREE,
        code=4,
    )
    file = tensors.read(tmp_path / "wild/diverged.safetensors", "divergence")
    assert file.facts["shards"] == 2
    replayed = bpnet("replay", "wild", "--json", env=FREE).json()
    assert replayed["changed"] == []
    assert replayed["differences"] == []


def test_what_the_user_set_for_all_programs_is_left_alone(bpnet, config, tmp_path):
    config(WIDE.replace("threads: 2\n", ""))
    one = {**FREE, "OPENBLAS_NUM_THREADS": "1"}
    bpnet("train", "c.yaml", "--run-dir", "run", "-q", "training.epochs=1", env=one)
    assert (facts(tmp_path / "run")["threads"], facts(tmp_path / "run")["team"]) == (1, 1)


def test_layers_that_look_at_the_whole_batch_leave_threads_to_the_products(bpnet, config, tmp_path):
    config(WIDE.replace("    - {type: dropout, rate: 0.2}\n", "    - batch_norm\n"))
    bpnet("train", "c.yaml", "--run-dir", "run", "-q", "training.epochs=1", env=FREE)
    assert (facts(tmp_path / "run")["threads"], facts(tmp_path / "run")["team"]) == (2, 1)


def test_the_layers_named_so_are_those_with_running_statistics():
    found = []
    for name, layer in LAYERS.items():
        try:
            network = Network([layer()], (3,))
        except TypeError:  # it has options that must be given: dense, residual
            continue
        if network.arena.states:
            found.append(name)
    assert tuple(found) == TOGETHER


@pytest.mark.parametrize(
    ("threads", "batch", "layers", "expected"),
    [
        (8, 96, "[{type: dense, units: 99}]", (6, 1)),  # at least 16 rows each
        (8, 31, "[{type: dense, units: 99}]", (1, 2)),  # and products at most the cores
        (8, "full", "[{type: dense, units: 99}]", (8, 1)),
        (8, 96, "[{type: residual, layers: [batch_norm]}]", (1, 2)),
        ("auto", 128, "[{type: dense, units: 255}, relu, {type: dense, units: 255}]", (1, 1)),
        ("auto", 128, "[{type: dense, units: 256}, relu, {type: dense, units: 9}]", (2, 1)),
        (
            "auto",
            128,
            "[{type: dense, units: 150}" + ", {type: dense, units: 150}" * 5 + "]",
            (2, 1),
        ),
    ],
)
def test_a_team_has_as_many_threads_as_its_batches_feed(threads, batch, layers, expected):
    text = f"threads: {threads}\nmodel: {{layers: {layers}}}\ntraining: {{batch_size: {batch}}}"
    code = (
        "import os, sys\nfrom bpnet.threads import team\nfrom bpnet import threads\n"
        "from bpnet.config.document import Document\nthreads.choice._cores = lambda: 2\n"
        "threads.choose(Document.parse(sys.argv[1]))\n"
        "print(team.size(), os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {k: v for k, v in os.environ.items() if k not in FREE}
    done = subprocess.run(
        [sys.executable, "-c", code, text], capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == [str(number) for number in expected], done.stderr


def test_many_inputs_make_a_network_wide(bpnet, config, tmp_path):
    rows = np.random.default_rng(0).standard_normal((200, 2000)).astype("f4")
    np.savez(tmp_path / "d.npz", x=rows, y=np.arange(200) % 2)
    layers = "[{type: dense, units: 64}, {type: dense, units: auto}]"
    config(f"{{data: {{train: d.npz}}, model: {{layers: {layers}}}, loss: cross_entropy}}")
    bpnet(
        *("train", "c.yaml", "--run-dir", "run", "-q"),
        *("training.epochs=1", "training.batch_size=128"),
        env=FREE,
    )
    assert facts(tmp_path / "run")["shards"] == facts(tmp_path / "run")["team"] > 1


@pytest.mark.skipif(blas.threads() is None, reason="this library can't be told")
def test_python_has_the_threads_of_the_command_and_then_its_own_again(run, tmp_path):
    code = """
import numpy
import bpnet
from bpnet.threads import blas, team
before = blas.threads()
done = bpnet.train("c.yaml", run_dir="python", training__epochs=1)
print(blas.threads() == before, team.size(), done.directory)
done = bpnet.resume("python", training__epochs=3)
print(blas.threads() == before, team.size(), done.directory)
try:
    bpnet.train("c.yaml", run_dir="no", loss="nothing")
except bpnet.errors.ConfigError:
    print(blas.threads() == before, team.size(), "no")
"""
    environment = {k: v for k, v in os.environ.items() if k not in FREE}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.stdout == "True 1 python\nTrue 1 python\nTrue 1 no\n", done.stderr
    assert "bit-exact" not in done.stderr
    assert [facts(tmp_path / "python")[name] for name in ("threads", "team")] == [2, 2]
    assert ends(tmp_path / "python") == ends(run)


def test_a_run_goes_on_with_the_threads_it_had_whosever_they_were(bpnet, config, tmp_path):
    config(WIDE)
    ours = "import bpnet.cli\nfrom bpnet.threads import choice\n"
    ours += "choice.TOGETHER = ('dense',)\nbpnet.cli.run()"  # as before there were teams
    subprocess.run(
        [sys.executable, "-c", ours, "train", "c.yaml", "--run-dir", "old", "-q"],
        env={k: v for k, v in os.environ.items() if k not in FREE},
        cwd=tmp_path,
        check=False,
    )
    assert [facts(tmp_path / "old")[name] for name in ("threads", "team")] == [2, 1]
    done = bpnet("train", "--resume", "old", "training.epochs=4", env=FREE)
    assert "bit-exact" not in done.err
