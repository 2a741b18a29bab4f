"""Whole processes, from the shell's point of view: training on digits, and the quick commands.

    python benchmarks/processes.py [--peers PYTHON] [--rounds N]

bpnet trains with its run directory, metrics, checkpoints, evaluation and model, from a config of
ten lines; the peers are bare scripts (see `peers/`) that keep nothing.
"""

from __future__ import annotations

import argparse
import compileall
import gzip
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import HERE, Spread, Subject, in_turns, ratios, table

EPOCHS = 50
CONFIG = """\
data: {train: builtin:digits, target: digit, validation: 0.22, test: 0}
model:
  layers:
    - {type: dense, units: 64}
    - relu
    - {type: dense, units: 32}
    - relu
    - {type: dense, units: auto}
loss: cross_entropy
training: {epochs: 50, batch_size: 32}
report: never
"""
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "bpnet --help": ["-m", "bpnet", "--help"],
    "bpnet: completion of 'bpnet tr'": ["-m", "bpnet"],
    "bpnet check digits.yaml": ["-m", "bpnet", "check", "digits.yaml"],
    "bpnet train digits.yaml, 1 epoch": [
        *("-m", "bpnet", "train", "digits.yaml", "-q", "training.epochs=1"),
    ],
}


def whole(folder: Path, interpreter: str) -> list[Subject]:
    """Return the trainings."""
    ours = [sys.executable, "-m", "bpnet", "train", "digits.yaml", "-q"]
    subjects = [Subject("bpnet train", ours, ["numpy"], folder=folder, whole=True)]
    for peer, needs in (
        ("scikit-learn", ["sklearn"]),
        ("PyTorch", ["torch"]),
        ("JAX", ["jax", "optax"]),
        ("Keras", ["keras", "jax"]),
    ):
        script = HERE / "peers" / f"digits_{peer.lower().replace('-', '_')}.py"
        command = [interpreter, str(script), "digits.npz", str(EPOCHS)]
        subjects.append(
            Subject(peer, command, needs, interpreter=interpreter, folder=folder, whole=True)
        )
    return subjects


def quick(folder: Path) -> list[Subject]:
    """Return the commands that people wait for."""
    completion = {"_BPNET_COMPLETE": "complete_bash", "COMP_WORDS": "bpnet tr", "COMP_CWORD": "1"}
    return [
        Subject(
            name,
            [sys.executable, *arguments],
            folder=folder,
            whole=True,
            environment=completion if "completion" in name else {},
        )
        for name, arguments in COMMANDS.items()
    ]


def prepare(folder: Path) -> None:
    """Write the config, and the data for the peers; compile bpnet as an installation does."""
    import numpy as np

    compileall.compile_dir(HERE.parent / "bpnet", quiet=1)
    (folder / "digits.yaml").write_text(CONFIG)
    with gzip.open(HERE.parent / "bpnet/data/builtin/digits.csv.gz", "rt") as file:
        columns = next(file).strip().split(",")
        numbers = np.loadtxt(file, np.float32, delimiter=",")
    target = columns.index("digit")
    x, y = np.delete(numbers, target, 1), numbers[:, target].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
    np.savez(folder / "digits.npz", x=x[order], y=y[order])


def report(subjects: list[Subject], rounds: int) -> list[list[str]]:
    """Measure processes in turns; return a row each, compared with the first."""
    figures = in_turns(subjects, rounds, say=print)
    ours = [run["seconds"] for run in next(iter(figures.values()))]
    return [
        [
            name,
            Spread.of([run["seconds"] * 1000 for run in runs]).show(),
            ratios(ours, [run["seconds"] for run in runs]).show(),
            Spread.of([run["peak_mb"] for run in runs]).show(),
        ]
        for name, runs in figures.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prepare", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        prepare(Path(given.prepare))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: a child's peak of memory starts with its parent's.
        subprocess.run([sys.executable, __file__, "--prepare", name], check=True)
        trainings = report(whole(folder, given.peers), given.rounds)
        print(table(("digits, 50 epochs", "ms", "times bpnet's", "peak MB"), trainings), "\n")
        commands = report(quick(folder), given.rounds)
        print(table(("command", "ms", "times Python's start", "peak MB"), commands))


if __name__ == "__main__":
    main()
