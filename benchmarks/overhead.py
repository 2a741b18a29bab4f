"""What everything around a step costs: the whole loop against forward, loss, backward, update.

    python benchmarks/overhead.py [--rounds N]

The bare loop gathers batches and calls the engine; the whole loop adds the gradient's norm, the
checks for divergence, sums, events and schedule (`fit`), and then the run directory (`session`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import Spread, Subject, in_turns, ratios, table
from steps import Work, built

NETWORKS = ("64-64-32-10 x 32", "64-256-128-10 x 64", "784-512-256-10 x 128")


def measure(network: str, kind: str) -> float:
    """Return microseconds a step of one way to train, over about a second."""
    experiment = built(Work.parse(network))
    state = experiment.state
    steps = state.batches.steps

    def bare(epochs: int) -> None:
        from bpnet.nn.layers.base import Pass

        net, loss, batches, passing = state.network, state.loss, state.batches, Pass(train=True)
        for epoch in range(epochs):
            order = batches.order(epoch)
            for i in range(steps):
                (rows,) = batches.group(order, i)
                batch = batches.gather(rows)
                loss.forward(net.forward(batch.x, passing), batch.target, batch.weight)
                net.backward(loss.backward())
                state.optimizer.step(1e-5)

    def fit(epochs: int) -> None:
        from bpnet.training.fit import fit as train

        state.epoch, state.control.epochs = 0, epochs
        for _ in train(state):
            pass

    def session(epochs: int) -> None:
        from bpnet import session as sessions

        state.epoch, state.control.epochs = 0, epochs
        with (
            tempfile.TemporaryDirectory() as folder,
            sessions.begin(experiment, run_dir=Path(folder) / "run") as begun,
        ):
            for _ in begun.events():
                pass

    run = {"bare loop": bare, "fit": fit, "session": session}[kind]
    run(2)
    began = time.perf_counter()
    run(20)
    epochs = max(20, round(20 / (time.perf_counter() - began)))
    began = time.perf_counter()
    run(epochs)
    return (time.perf_counter() - began) / epochs / steps * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(measure(*given.measure))
        return
    lines = []
    for network in NETWORKS:
        figures = in_turns(
            [
                Subject(kind, [sys.executable, __file__, "--measure", network, kind], threads=1)
                for kind in ("bare loop", "fit", "session")
            ],
            given.rounds,
            say=print,
        )
        times = {kind: [run["value"] for run in runs] for kind, runs in figures.items()}
        for kind, values in times.items():
            name = network if kind == "bare loop" else ""
            share = ratios(times["bare loop"], values).show()
            lines.append([name, kind, Spread.of(values).show(), share])
    print(table(("network x batch", "one thread", "us a step", "times the bare loop"), lines))


if __name__ == "__main__":
    main()
