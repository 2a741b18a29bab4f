"""Predict the rows of a pipe: rows a second and memory, against scikit-learn behind pandas.

    python benchmarks/prediction.py [--peers PYTHON] [--rounds N] [--rows N] [--case NAME]...

A network with layers of 64 and 32 units is trained on 2,000 rows; then ``cat rows | predict`` is
timed from its start to its end, for as many rows as asked and for four times as many. From the two
come rows a second with the start (all that is imported) and from then on, by the clock and by the
processor's time, which others on the machine disturb less, and the peaks of memory, which should
be one. The peer reads chunks with pandas, standardizes and encodes them,
predicts with MLPClassifier and writes with pandas; its start has its training in it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from measuring import HERE, Spread, Subject, in_turns, ratios


@dataclass(frozen=True)
class Case:
    """Rows of one kind, and what is asked about them.

    Attributes
    ----------
    numbers, categories
        How many columns of each.
    loss
        What the network learns: one of three classes, yes or no, or a number.
    form
        csv or jsonl, of rows and predictions.
    probabilities
        Whether every class gets a column.
    """

    numbers: int = 20
    categories: int = 0
    loss: str = "cross_entropy"
    form: str = "csv"
    probabilities: bool = False


CASES = {
    "20 numbers, 3 classes": Case(),
    "20 numbers, a number": Case(loss="mse"),
    "15 numbers, 5 categories, yes or no": Case(15, 5, "binary_cross_entropy"),
    "20 numbers, all probabilities": Case(probabilities=True),
    "20 numbers, JSON Lines": Case(form="jsonl"),
}
PEERS = {"bpnet": (), "scikit-learn": ("sklearn", "pandas")}
"""The sides, and the modules that each needs."""

TRAINING_ROWS = 2000
DIFFERENT_ROWS = 20_000
"""The rows of the pipe are these, again and again."""

CHUNK = 16_384
"""Rows that the peer takes at a time."""

CONFIG = """\
data: {{train: train.csv, target: target}}
model:
  layers:
    - {{type: dense, units: 64}}
    - {{type: relu}}
    - {{type: dense, units: 32}}
    - {{type: relu}}
    - {{type: dense, units: auto}}
loss: {loss}
training: {{epochs: 5}}
"""


# The files: a run, the peer's model, and rows.


def rows(case: Case, count: int) -> Iterator[dict[str, float | str]]:
    draw = random.Random(count)
    for _ in range(count):
        row: dict[str, float | str] = {
            f"x{i}": round(draw.gauss(0, 1 + i), 4) for i in range(case.numbers)
        }
        for i in range(case.categories):
            row[f"c{i}"] = f"{'abcde'[i]}{draw.randrange(4 + 4 * i)}"
        yield row


def target(case: Case, row: dict[str, float | str]) -> str:
    score = float(row["x0"]) * float(row["x1"]) + float(row["x2"])
    if case.loss == "mse":
        return f"{score:.4f}"
    if case.loss == "cross_entropy":
        return "low" if score < -2 else "high" if score > 2 else "middle"
    return "yes" if score > 0 else "no"


def prepare(case: Case, folder: Path, count: int) -> None:
    """Write the rows, and train the network."""
    training = list(rows(case, TRAINING_ROWS))
    names = list(training[0])
    with (folder / "train.csv").open("w") as file:
        file.write(",".join([*names, "target"]) + "\n")
        for row in training:
            file.write(",".join([*map(str, row.values()), target(case, row)]) + "\n")
    (folder / "config.yaml").write_text(CONFIG.format(loss=case.loss))
    command = [sys.executable, "-m", "bpnet", "train", "config.yaml", "-q", "--run-dir", "run"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    lines = [
        json.dumps(row) if case.form == "jsonl" else ",".join(map(str, row.values()))
        for row in rows(case, DIFFERENT_ROWS)
    ]
    (folder / "header").write_text("" if case.form == "jsonl" else ",".join(names) + "\n")
    with (folder / "rows").open("w") as file:
        for start in range(0, count, DIFFERENT_ROWS):
            file.write("".join(f"{line}\n" for line in lines[: count - start]))


def train_peer(folder: Path) -> Any:
    """Fit scikit-learn's network on the same rows; that takes it some tenths of a second."""
    import warnings

    import pandas
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = pandas.read_csv(folder / "train.csv")
    y = table.pop("target")
    prepare = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    network = MLPRegressor if y.dtype.kind == "f" else MLPClassifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, which matters to nobody here
        made = network(hidden_layer_sizes=(64, 32), max_iter=5)
        return make_pipeline(prepare, made).fit(table, y)


def predict_as_peer(folder: Path, form: str, *, probabilities: bool) -> None:
    """Do what ``bpnet predict`` does with pandas and scikit-learn."""
    import pandas

    model = train_peer(folder)
    classes = getattr(model, "classes_", None)
    if form == "jsonl":
        chunks = pandas.read_json(sys.stdin, lines=True, chunksize=CHUNK)
    else:
        chunks = pandas.read_csv(sys.stdin, chunksize=CHUNK)
    for i, chunk in enumerate(chunks):
        if classes is None:
            made = pandas.DataFrame({"prediction": model.predict(chunk)})
        else:
            chances = model.predict_proba(chunk)
            best = classes[chances.argmax(axis=1)]
            made = pandas.DataFrame({"prediction": best, "probability": chances.max(axis=1)})
            if probabilities:
                for k, name in enumerate(classes):
                    made[f"probability_{name}"] = chances[:, k]
        if form == "jsonl":
            made.to_json(sys.stdout, orient="records", lines=True)
        else:
            made.to_csv(sys.stdout, index=False, header=not i)


# The measuring: a pipe with `cat` at its other end.


def piped(command: list[str], folder: Path, repeats: int) -> tuple[float, float, float]:
    """Return the seconds of ``cat header rows rows ... | command``, of processor too, and MB."""
    began = time.perf_counter()
    cat = subprocess.Popen(
        ["cat", "header", *["rows"] * repeats], cwd=folder, stdout=subprocess.PIPE
    )
    process = subprocess.Popen(command, cwd=folder, stdin=cat.stdout, stdout=subprocess.DEVNULL)
    assert cat.stdout is not None
    cat.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if cat.wait() or process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    megabytes = used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return seconds, used.ru_utime + used.ru_stime, megabytes


def measure(side: str, case: Case, folder: Path, count: int) -> dict[str, float]:
    """Predict `count` rows, and four times as many; return rows a second and the peaks."""
    options = ["--probabilities"] if case.probabilities else []
    if side == "bpnet":
        command = [sys.executable, "-m", "bpnet", "predict", "run", "-", *options]
    else:
        command = [sys.executable, str(Path(__file__).resolve()), "--as-peer", case.form, *options]
    seconds, cpu, megabytes = piped(command, folder, 1)
    longer, more_cpu, more_megabytes = piped(command, folder, 4)
    return {
        "whole": count / seconds,
        "rate": 3 * count / (longer - seconds),
        "cpu": 3 * count / (more_cpu - cpu),
        "megabytes": megabytes,
        "megabytes of 4 times": more_megabytes,
    }


def compare(name: str, interpreter: str, *, rounds: int, count: int) -> list[list[str]]:
    """Measure one case; return a row a side."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(CASES[name], folder, count)
        subjects = []
        for side, needs in PEERS.items():
            runs = interpreter if needs else sys.executable
            command = [runs, str(Path(__file__).resolve()), "--measure", side, "--case", name]
            command += ["--rows", str(count)]
            subjects.append(Subject(side, command, needs, 1, runs, folder))
        figures = in_turns(subjects, rounds, say=print)
    made = []
    for side, found in figures.items():
        spreads = {key: Spread.of([run[key] for run in found]) for key in found[0]}
        times = ratios([run["cpu"] for run in found], [run["cpu"] for run in figures["bpnet"]])
        cells = [spreads[key].show() for key in ("whole", "rate", "cpu")]
        cells += [times.show(), f"{spreads['megabytes'].middle:.0f}"]
        cells.append(f"{spreads['megabytes of 4 times'].middle:.0f}")
        made.append([name if side == "bpnet" else "", side, *cells])
    return made


HEADER = (
    *("rows", "by", "rows/s with start", "rows/s from then on", "a second of processor"),
    *("bpnet's times this", "MB", "MB, 4 times the rows"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=500_000, help="in the shorter pipe")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--measure", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--as-peer", choices=["csv", "jsonl"], help=argparse.SUPPRESS)
    parser.add_argument("--probabilities", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.as_peer:
        predict_as_peer(Path(), given.as_peer, probabilities=given.probabilities)
    elif given.measure:
        print(json.dumps(measure(given.measure, CASES[given.case[0]], Path(), given.rows)))
    else:
        print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|")
        for name in given.case or CASES:
            for row in compare(name, given.peers, rounds=given.rounds, count=given.rows):
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
