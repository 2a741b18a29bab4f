"""How the time of a step grows with width, depth, batch, features, and where PyTorch's is equal.

    python benchmarks/scaling.py [--peers PYTHON] [--rounds N]

Each line varies one thing of a network of two hidden layers; see `steps.py` for what a step is.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import Spread, in_turns, ratios, table
from steps import best_by_side, subjects

AXES = {
    "width": [f"32-{n}-{n}-10 x 64" for n in (16, 64, 256, 1024, 2048)],
    "depth": [f"32-{'-'.join(['128'] * n)}-10 x 64" for n in (1, 2, 4, 8, 16)],
    "batch": [f"32-128-128-10 x {n}" for n in (8, 32, 128, 512, 2048)],
    "features": [f"{n}-128-128-10 x 64" for n in (8, 64, 512, 4096)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has PyTorch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="a subject, a round")
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    rows, sentences = [], []
    for axis, networks in AXES.items():
        lead: dict[str, float] = {}
        for network in networks:
            sides = subjects(network, given.peers, cores, given.seconds, ("bpnet", "pytorch"))
            best = best_by_side(in_turns(sides, given.rounds, say=print))
            ours, theirs = best["bpnet"], best.get("pytorch")
            name = axis if network == networks[0] else ""
            row = [name, network, Spread.of(ours).show(), ""]
            if theirs:
                lead[network] = ratios(ours, theirs).middle
                row[-1] = ratios(ours, theirs).show()
            rows.append(row)
        if lead:
            sentences.append(crossing(axis, lead))
    print(table(("varied", "network x batch", "us a step", "PyTorch takes, times"), rows))
    print("", *sentences, sep="\n")


def crossing(axis: str, lead: dict[str, float]) -> str:
    """Say from where on PyTorch is faster along an axis, if it is anywhere."""
    slower = [network for network, ratio in lead.items() if ratio < 1]
    if not slower:
        least = min(lead, key=lambda network: lead[network])
        return f"- {axis}: bpnet is faster at all sizes, least at {least}, {lead[least]:.2f} times"
    return f"- {axis}: PyTorch is faster at {', '.join(slower)}"


if __name__ == "__main__":
    main()
