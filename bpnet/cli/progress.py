"""A training on the console: what it is announced with, its progress, its result."""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import TYPE_CHECKING

import typer

from bpnet.cli.console import Console, number, seconds
from bpnet.cli.report import draw_if_due
from bpnet.cli.signals import Signals
from bpnet.errors import DivergedError

if TYPE_CHECKING:
    from bpnet.session import Session
    from bpnet.training.events import Event
    from bpnet.training.state import TrainingState


def carry_out(session: Session, console: Console, signals: Signals) -> None:
    """Train, show it, and leave with the code of the signal that ended it, if one did."""
    for note in session.notes:
        console.warn(note)
    _announce(session, console)
    signals.session = session
    progress = Progress(console, session.experiment.state)
    with contextlib.closing(session.events()) as events:
        try:
            for event in events:
                progress.show(event)
        except DivergedError:
            console.clear_live()
            draw_if_due(session, console, signals)
            raise
    if session.result:
        _result(session, console, signals)
        return
    assert signals.received is not None
    console.warn(
        f"{signals.received.name}: the state is saved; go on with: bpnet train --resume "
        f"{shlex.quote(str(session.directory))}"
    )
    raise typer.Exit(128 + signals.received)


def _announce(session: Session, console: Console) -> None:
    experiment, state = session.experiment, session.experiment.state
    data = experiment.data
    rows = ", ".join(f"{len(d.x)} {name}" for name, d in data.datasets.items())
    from_here = f"; from step {state.step} (epoch {state.epoch + 1})" if state.step else ""
    console.info(
        f"{experiment.config.name}: {rows} rows, {data.inputs_text} -> "
        f"{data.target_text}; {state.network.arena.size:,} parameters; {session.directory}"
        f"{from_here}"
    )


def _result(session: Session, console: Console, signals: Signals) -> None:
    """Print the result table, draw the report and print, as the last line, the run directory."""
    result = session.result
    if console.as_json:
        draw_if_due(session, console, signals)
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
    draw_if_due(session, console, signals)
    console.out(str(session.directory))


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
