"""``bpnet train``."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bpnet.cli.command import load_document, load_experiment
from bpnet.cli.console import Console, number, seconds
from bpnet.errors import UsageError

if TYPE_CHECKING:
    from bpnet.experiment import Experiment
    from bpnet.session import Session
    from bpnet.training.events import Event
    from bpnet.training.state import TrainingState


def train(
    console: Console,
    config: Annotated[
        str,
        typer.Argument(metavar="CONFIG", help="The config, or - for stdin.", show_default=False),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Values over the config's."),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="The run directory itself; must not exist.")
    ] = None,
    runs_root: Annotated[
        Path | None,
        typer.Option(help="Where NAME-NNN, the run directory, is made.  [default: runs]"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run; default: the config's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same as seed=N.")] = None,
    max_time: Annotated[
        str | None, typer.Option(help="Same as training.max_time=TIME: 90s, 10m, 2h.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="One batch through everything; no run directory.")
    ] = False,
) -> None:
    """Train a network; leave a run directory.

    CONFIG describes data, network and training; the directory's name is the last line of stdout.
    """
    if run_dir is not None and runs_root is not None:
        raise UsageError("give either --run-dir, the directory itself, or --runs-root, its parent")
    values = list(overrides or [])
    for key, value in (("name", name), ("seed", seed), ("training.max_time", max_time)):
        if value is not None:
            values.append(f"{key}={value}")
    experiment = load_experiment(load_document(config, values), console)
    if dry_run:
        _dry_run(experiment, console)
        return

    from bpnet.runs import rundir
    from bpnet.session import Session

    if run_dir is not None:
        directory = rundir.create_exactly(run_dir)
    else:
        directory = rundir.create(runs_root or Path("runs"), experiment.config.name)
    session = Session(experiment, directory)
    _announce(experiment, directory, console)
    with _signals(experiment.state) as received:
        progress = Progress(console, experiment.state)
        with contextlib.closing(session.events()) as events:
            for event in events:
                progress.show(event)
    if received:
        console.warn(
            f"{signal.Signals(received[0]).name}: the state is saved in {directory}/checkpoints"
        )
        raise typer.Exit(128 + received[0])
    _result(session, console)


def _announce(experiment: Experiment, directory: Path, console: Console) -> None:
    data = experiment.data
    rows = ", ".join(f"{len(d.x)} {name}" for name, d in data.datasets.items())
    console.info(
        f"{experiment.config.name}: {rows} rows, {data.inputs_text} -> "
        f"{data.target_text}; {experiment.state.network.arena.size:,} parameters; {directory}"
    )


def _result(session: Session, console: Console) -> None:
    """Print the result table and, as the last line, the run directory."""
    result = session.result
    if console.as_json:
        console.json({"run": str(session.directory), **result})
        return
    if not console.quiet:
        metrics: dict[str, float] = result["metrics"]
        splits = list(dict.fromkeys(key.partition("/")[0] for key in metrics))
        names = list(dict.fromkeys(key.partition("/")[2] for key in metrics))
        rows = [[n, *(number(metrics.get(f"{s}/{n}")) for s in splits)] for n in names]
        assert session.stopped is not None
        console.info(
            f"{session.stopped.message}; the model is that of epoch {result['model_epoch']}; "
            f"{seconds(result['training_s'])} of training"
        )
        console.table(["metric", *splits], rows, right=range(1, len(splits) + 1))
    console.out(str(session.directory))


def _dry_run(experiment: Experiment, console: Console) -> None:
    """Take one step and one evaluation, and keep nothing."""
    losses = experiment.rehearse()
    if console.as_json:
        console.json({"dry_run": True, **losses})
    elif not console.quiet:
        text = " ".join(f"{key}={number(value)}" for key, value in losses.items())
        console.out(f"one batch went through everything: {text}")


@contextlib.contextmanager
def _signals(state: TrainingState) -> Iterator[list[int]]:
    """Let a signal end the training after its batch, and a second one at once."""
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        if received:
            import os

            os._exit(128 + number)
        received.append(number)
        state.stop_request = f"{signal.Signals(number).name} received"

    wanted = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Progress:
    """Shows a training: a live line on a terminal, one plain line an epoch elsewhere."""

    def __init__(self, console: Console, state: TrainingState) -> None:
        from bpnet.training.events import EpochEnd, StepEnd

        self._console = console
        self._state = state
        self._live = console.live
        self._step_end, self._epoch_end = StepEnd, EpochEnd
        self._began = time.monotonic()
        self._began_at = state.samples
        self._last = ""
        self._next = 0.0

    def show(self, event: Event) -> None:
        """Show what an event says."""
        if isinstance(event, self._step_end):
            if self._live and time.monotonic() >= self._next:
                self._next = time.monotonic() + 0.1
                self._console.show_live(self._line(event.epoch, event.loss, event.lr))
        elif isinstance(event, self._epoch_end):
            if self._live:
                name, row = self._state.monitor.name, event.row
                self._last = f"{name} {row[name]:.4g} (best {self._state.monitor.best:.4g})"
            elif not self._console.quiet and not self._console.as_json:
                from bpnet.runs.recorder import plain_line

                self._console.info(plain_line(event.row))

    def _line(self, epoch: int, loss: float, lr: float) -> str:
        state = self._state
        elapsed = max(time.monotonic() - self._began, 1e-9)
        rate = (state.samples - self._began_at) / elapsed
        total = state.control.epochs * len(state.batches.data)
        left = (total - state.samples) / rate if rate else 0.0
        parts = [
            f"epoch {epoch}/{state.control.epochs}",
            f"loss {loss:.4g}",
            self._last,
            f"lr {lr:.3g}",
            f"{rate:,.0f} rows/s",
            f"{seconds(left)} left",
        ]
        return "  ".join(part for part in parts if part)
