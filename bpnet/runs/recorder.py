"""Writes down what a training tells: metrics, events, log and checkpoints."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpnet.runs import checkpoint, durable, rundir
from bpnet.runs.metrics_log import MetricsLog, mend
from bpnet.runs.provenance import now
from bpnet.training.events import EpochEnd, Event, Improved, LearningRateDropped, StepEnd, Stopped
from bpnet.training.guard import check_finite

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState


def plain_line(row: dict[str, Any]) -> str:
    """Return a row of metrics as people and log files read it: ``epoch=12 train/loss=0.3112``."""
    parts = []
    for name, value in row.items():
        if name in ("samples", "best"):
            continue
        if isinstance(value, float):
            value = f"{value:.2f}" if name == "time_s" else f"{value:.6g}"
        parts.append(f"{name}={value}")
    return " ".join(parts) + (" best" if row.get("best") else "")


class Recorder:
    """Follows one training and keeps its run directory up to date.

    Parameters
    ----------
    state
        The training.
    directory
        Its run directory.
    options
        When to save and how much to keep.
    training
        Which training it is, for its checkpoints.
    mark
        Where the metrics end that are kept, when a training goes on.

    Attributes
    ----------
    listeners
        Whoever else is told of every event, once it is written down; single steps left out.

    Raises
    ------
    RefusedError
        If the operating system refuses; then nothing stays open.
    """

    def __init__(
        self,
        state: TrainingState,
        directory: Path,
        options: checkpoint.CheckpointOptions,
        training: str,
        mark: Mapping[str, Any] | None = None,
    ) -> None:
        self.state = state
        self.directory = directory
        self.options = options
        self.listeners: list[Callable[[Event], None]] = []
        with contextlib.ExitStack() as opened:
            self.metrics = opened.enter_context(contextlib.closing(MetricsLog(directory, mark)))
            self._events = self._open(rundir.EVENTS, opened)
            self._log = self._open(rundir.LOG, opened)
            with durable.refusals("write", directory):
                durable.sync_folder(directory)  # their names last as long as what is announced
            self._opened = opened.pop_all()
        self._training = training
        self._saved = (state.step, state.epoch, state.position)
        self._saved_at = time.monotonic()
        self._best_epoch: int | None = None

    def watch(self, event: Event) -> None:
        """Write down one event, and save the state if it is time."""
        if isinstance(event, StepEnd):
            if self.options.every.unit != "epochs" and self._due():
                self.save()
            return
        if isinstance(event, EpochEnd):
            self.metrics.append(event.row)
            self._log.append(plain_line(event.row))
            if self.options.every.unit == "epochs" and self._due():
                self.save()
        elif isinstance(event, Improved):
            self.note("improved", epoch=event.epoch, metric=event.metric, value=event.value)
        elif isinstance(event, LearningRateDropped):
            self.note("learning_rate", epoch=event.epoch, before=event.before, after=event.after)
        elif isinstance(event, Stopped):
            self.note("stopped", reason=event.reason, message=event.message)
            self._log.append(f"stopped: {event.message}")
        for listener in self.listeners:
            listener(event)

    def save(self) -> Path:
        """Save the state and the best weights; then remove what is older than needed.

        Raises
        ------
        DivergedError
            If the state holds NaN or Inf; then nothing is saved.
        RefusedError
            If the operating system refuses.
        """
        state = self.state
        path = checkpoint.path_of(state, self.directory)
        here = (state.step, state.epoch, state.position)
        if here != self._saved:
            check_finite(state)
            facts = {"training": self._training, "metrics": self.metrics.mark()}
            checkpoint.save(state, self.directory, facts)
            self._saved = here
            self._saved_at = time.monotonic()
            self.note("saved", step=state.step, epoch=state.epoch, file=path.name)
        if state.best_theta is not None and self._best_epoch != state.monitor.best_epoch:
            checkpoint.save_best(state, self.directory)
            self._best_epoch = state.monitor.best_epoch
        checkpoint.prune(self.directory, self.options.keep)
        return path

    def note(self, kind: str, **details: Any) -> None:
        """Append a line to events.jsonl."""
        self._events.append(rundir.to_json_line({"time": now(), "event": kind, **details}))

    def close(self) -> None:
        """Make all lines durable and close the files, each of them even if one fails."""
        self._opened.close()

    def _open(self, name: str, opened: contextlib.ExitStack) -> durable.LineFile:
        mend(self.directory / name)
        file = durable.LineFile(self.directory / name)
        return opened.enter_context(contextlib.closing(file))

    def _due(self) -> bool:
        every, state = self.options.every, self.state
        elapsed = time.monotonic() - self._saved_at
        if every.unit == "seconds":
            return elapsed >= every.count
        if elapsed < self.options.pause.count:
            return False
        step, epoch, _ = self._saved
        if every.unit == "steps":
            return state.step - step >= every.count
        return state.epoch - epoch >= every.count
