"""All benchmarks, one after the other, into one page.

    python benchmarks [--peers PYTHON] [--rounds N] [-o PAGE] [NAME ...]

Names are those of the files here: steps, scaling, overhead, processes, tables, prediction, search,
layers; all by default, which takes about an hour. Peers (PyTorch, JAX, scikit-learn, Keras, pandas,
polars) are optional; those that `--peers` doesn't have are skipped by name.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import HERE, machine, versions

ALL = ("steps", "scaling", "overhead", "processes", "tables", "prediction", "search", "layers")
WITHOUT_PEERS = ("overhead", "layers", "search")
PACKAGES = ("numpy", "numba", "torch", "jax", "optax", "scikit-learn", "keras", "pandas", "polars")


def rounds(text: str) -> int:
    """Return a number of rounds, at least one."""
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--rounds", type=rounds, help="how often each subject runs")
    parser.add_argument("-o", "--output", type=Path, help="the page; by default it is printed")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(ALL))
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(ALL)}")
    if shutil.which(given.peers) is None:
        parser.error(f"--peers {given.peers}: no such program")
    if given.output and (given.output.is_dir() or not given.output.parent.is_dir()):
        parser.error(f"-o {given.output}: expected a file in a folder that is there")
    page = [
        "# Measured",
        f"{machine()}. bpnet with {versions(sys.executable, PACKAGES[:2])}; peers: "
        f"{versions(given.peers, PACKAGES)}.",
    ]
    settings = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("OPENBLAS_")]
    if settings:
        page.append(f"The environment holds {', '.join(settings)}.")
    page.append("Median (smallest - largest) over the rounds; ratios within a round.")
    for name in given.names or ALL:
        print(f"{name} ...", file=sys.stderr, flush=True)
        command = [sys.executable, str(HERE / f"{name}.py")]
        if name not in WITHOUT_PEERS:
            command += ["--peers", given.peers]
        if given.rounds and name != "layers":
            command += ["--rounds", str(given.rounds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        text = done.stdout.strip()
        if done.returncode:
            text += f"\n\n{name} failed with exit code {done.returncode}."
        page += [f"## {name}", f"```\n{text}\n```" if name in ("layers", "search") else text]
        if given.output:  # again after each, so that what was measured stays if the rest is not
            given.output.write_text("\n\n".join(page) + "\n")
    if not given.output:
        print("\n\n".join(page))


if __name__ == "__main__":
    main()
