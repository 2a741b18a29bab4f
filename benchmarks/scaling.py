"""How a step's time grows with width, depth, batch, features, rows; where PyTorch's is equal.

    python benchmarks/scaling.py [--peers PYTHON] [--rounds N]

Each line varies one thing of a network of two hidden layers; see `steps.py` for what a step is. On
paper a step has some 15 calls of NumPy per layer, 3 multiplications per weight and row (2 in the
first layer, whose inputs need no gradient), and passes over all parameters that don't depend on the
batch. So the time starts flat, as calls cost the same however little they do, and then grows with
the multiplications, which "ns each" shows. The rows of the data only decide how much of them the
processor's cache holds when a batch is gathered; PyTorch is not compared there, as its batch is
ready in memory.
"""

from __future__ import annotations

import argparse
import os
import sys
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import Spread, in_turns, ratios
from steps import Work, best_by_side, subjects

AXES = {
    "width": [f"32-{n}-{n}-10 x 64" for n in (16, 64, 256, 1024, 2048)],
    "depth": [f"32-{'-'.join(['128'] * n)}-10 x 64" for n in (1, 2, 4, 8, 16)],
    "batch": [f"32-128-128-10 x {n}" for n in (8, 32, 128, 512, 2048)],
    "features": [f"{n}-128-128-10 x 64" for n in (8, 64, 512, 4096)],
    "rows": [f"32-128-128-10 x 64 of {n}" for n in (1_000, 30_000, 1_000_000)],
}

HEADER = ("varied", "network x batch", "us a step", "ns each", "PyTorch takes, times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has PyTorch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="a subject, a round")
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    sentences = []
    print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|")
    for axis, networks in AXES.items():
        lead: dict[str, float] = {}
        for network in networks:
            named = ("bpnet",) if axis == "rows" else ("bpnet", "pytorch")
            sides = subjects(network, given.peers, cores, given.seconds, named)
            best = best_by_side(in_turns(sides, given.rounds, say=lambda told: None))
            ours, theirs = best["bpnet"], best.get("pytorch")
            each = Spread.of(ours).middle * 1000 / multiplications(Work.parse(network))
            name = axis if network == networks[0] else ""
            row = [name, network, Spread.of(ours).show(), f"{each:.3f}", ""]
            if theirs:
                lead[network] = ratios(ours, theirs).middle
                row[-1] = ratios(ours, theirs).show()
            print("| " + " | ".join(row) + " |", flush=True)
        if lead:
            sentences.append(crossing(axis, lead))
    print("", *sentences, sep="\n")


def multiplications(work: Work) -> int:
    """Count those of a step's matrix products."""
    weights = [inputs * units for inputs, units in pairwise(work.sizes)]
    return work.batch * (3 * sum(weights) - weights[0])


def crossing(axis: str, lead: dict[str, float]) -> str:
    """Say from where on PyTorch is faster along an axis, if it is anywhere."""
    slower = [network for network, ratio in lead.items() if ratio < 1]
    if not slower:
        least = min(lead, key=lambda network: lead[network])
        return f"- {axis}: bpnet is faster at all sizes, least at {least}, {lead[least]:.2f} times"
    return f"- {axis}: PyTorch is faster at {', '.join(slower)}"


if __name__ == "__main__":
    main()
