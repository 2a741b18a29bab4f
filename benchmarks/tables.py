"""Read a CSV of a million rows and ten columns: bpnet, pandas, polars, side by side.

    python benchmarks/tables.py [--rows N] [--rounds N] [--peers PYTHON] [KIND ...]

For each kind of table it prints the time and the peak of the memory above that of the imported
library, each as its median with the smallest and the largest, and how many times those of each
reader bpnet's are. Every reading is a process of its own, and the readers take turns; what is
timed is the call that turns a path into columns. The files are made in a temporary folder:
`TMPDIR` says where.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import Spread, Subject, in_turns, machine, ratios, table, versions

READERS = {
    "bpnet": """
from bpnet.data.sources import read_source
def read(path):
    from pathlib import Path
    return read_source(path, Path())
""",
    "pandas": """
from pandas import read_csv as read
""",
    "polars": """
from polars import read_csv as read
""",
}
"""What each reader imports before the clock starts, and how it reads."""

TIMED = """
import json, resource, sys, time
def peak():
    try:
        with open("/proc/self/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
    except OSError:
        scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
before = peak()
cpu, began = time.process_time(), time.perf_counter()
table = read(sys.argv[1])
seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": peak() - before}))
"""

WORDS = ["red", "green", "blue", "dark red", "light green", "navy", "black", "white", "grey"]


def short(draw: random.Random) -> list[str]:
    return [f"{draw.uniform(-100, 100):.4f}" for _ in range(10)]


def exact(draw: random.Random) -> list[str]:
    return [repr(draw.gauss(0, 1)) for _ in range(10)]


def integers(draw: random.Random) -> list[str]:
    return [str(draw.randrange(10 ** (1 + i // 2))) for i in range(10)]


def mixed(draw: random.Random) -> list[str]:
    numbers = [
        f"{draw.uniform(0, 100):.2f}",
        f"{draw.gauss(0, 1):.6f}",
        repr(draw.gauss(0, 1)),
        str(draw.randrange(1000)),
        str(draw.randrange(2)),
    ]
    gaps = f"{draw.uniform(0, 10):.3f}" if draw.random() < 0.8 else ""
    levels = [draw.choice(WORDS), draw.choice("abc"), f"shop {draw.randrange(50)}"]
    return [*numbers, gaps, *levels, f'"{draw.choice(WORDS)}, number {draw.randrange(10**6)}"']


TABLES: dict[str, Callable[[random.Random], list[str]]] = {
    "short": short,
    "exact": exact,
    "integers": integers,
    "mixed": mixed,
}
"""One row of each kind of table: numbers like 3.1415, numbers of 17 digits, whole numbers, and
numbers, gaps, categories and quoted texts."""


FIGURES = {"seconds": "seconds", "cpu": "CPU seconds", "megabytes": "MB"}
"""What is measured; CPU seconds are those of all threads."""


def write(path: Path, kind: str, rows: int) -> None:
    draw, row = random.Random(0), TABLES[kind]
    with path.open("w") as file:
        file.write(",".join(f"c{i}" for i in range(10)) + "\n")
        for _ in range(rows):
            file.write(",".join(row(draw)) + "\n")


def subjects(path: Path, peers: str) -> list[Subject]:
    """Return the readers, each to read the file in a process of its own."""
    return [
        Subject(
            reader,
            [interpreter, "-c", imported + TIMED, str(path)],
            needs=[reader],
            interpreter=interpreter,
        )
        for reader, imported in READERS.items()
        for interpreter in [sys.executable if reader == "bpnet" else peers]
    ]


def measure(
    kind: str, rows: int, rounds: int, peers: str, say: Callable[[str], None]
) -> dict[str, list[dict[str, float]]]:
    """Return the seconds and megabytes of every reader in every round."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{kind}.csv"
        write(path, kind, rows)
        path.read_bytes()  # from here on it is in the system's cache
        return in_turns(subjects(path, peers), rounds, say=say)


def report(kind: str, found: dict[str, list[dict[str, float]]]) -> list[list[str]]:
    """Return the lines of the table: every figure, and how many times it bpnet's is."""
    lines = []
    for reader, runs in found.items():
        line = [kind, reader]
        for figure in FIGURES:
            theirs = [run[figure] for run in runs]
            ours = [run[figure] for run in found["bpnet"]]
            line += [Spread.of(theirs).show(), ratios(theirs, ours).show()]
        lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(TABLES))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    options = parser.parse_args()
    said: dict[str, None] = {}  # once each
    lines = []
    for kind in options.kinds or TABLES:
        found = measure(kind, options.rows, options.rounds, options.peers, said.setdefault)
        lines += report(kind, found)
    for line in said:
        print(line)
    header = ["table", "reader"]
    for figure in FIGURES.values():
        header += [figure, "bpnet / it"]
    print(f"{options.rows:,} rows; {machine()}; {versions(options.peers, list(READERS))}\n")
    print(table(header, lines))


if __name__ == "__main__":
    main()
