"""Writes down what a training tells: metrics, events, log and checkpoints."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpnet.runs import checkpoint, durable, rundir
from bpnet.runs.provenance import now
from bpnet.training.events import EpochEnd, Event, Improved, LearningRateDropped, StepEnd, Stopped

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState

PAUSE = 5.0
"""Seconds between two checkpoints at least, so that tiny fast epochs don't wait for the disk."""


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
    """

    def __init__(
        self, state: TrainingState, directory: Path, options: checkpoint.CheckpointOptions
    ) -> None:
        self.state = state
        self.directory = directory
        self.options = options
        self.saved: Path | None = None
        self._metrics = durable.LineFile(directory / rundir.METRICS)
        self._csv = durable.LineFile(directory / rundir.METRICS_CSV)
        self._events = durable.LineFile(directory / rundir.EVENTS)
        self._log = durable.LineFile(directory / rundir.LOG)
        self._saved_at = time.monotonic()
        self._saved_step = state.step
        self._saved_epoch = state.epoch
        self._best_is_saved = True

    def watch(self, event: Event) -> None:
        """Write down one event, and save the state if it is time."""
        if isinstance(event, StepEnd):
            if self.options.every.unit != "epochs" and self._due():
                self.save()
        elif isinstance(event, EpochEnd):
            self._write_row(event.row)
            if self.options.every.unit == "epochs" and self._due():
                self.save()
        elif isinstance(event, Improved):
            self._best_is_saved = False
            self.note("improved", epoch=event.epoch, metric=event.metric, value=event.value)
        elif isinstance(event, LearningRateDropped):
            self.note("learning_rate", epoch=event.epoch, before=event.before, after=event.after)
        elif isinstance(event, Stopped):
            self.note("stopped", reason=event.reason, message=event.message)
            self._log.append(f"stopped: {event.message}")

    def save(self) -> None:
        """Save the state and the best weights; then remove what is older than needed."""
        state = self.state
        self._metrics.sync()
        path = checkpoint.save(state, self.directory)
        if not self._best_is_saved and state.best_theta is not None:
            checkpoint.save_best(state, self.directory)
            self._best_is_saved = True
        self.saved = path
        self._saved_step, self._saved_epoch = state.step, state.epoch
        self._saved_at = time.monotonic()
        self.note("saved", step=state.step, epoch=state.epoch, file=path.name)
        checkpoint.prune(self.directory, self.options.keep)

    def note(self, kind: str, **details: Any) -> None:
        """Append a line to events.jsonl."""
        self._events.append(rundir.to_json_line({"time": now(), "event": kind, **details}))

    def close(self) -> None:
        """Make all lines durable and close the files."""
        for file in (self._metrics, self._csv, self._events, self._log):
            file.sync()
            file.close()

    def _due(self) -> bool:
        every, state = self.options.every, self.state
        elapsed = time.monotonic() - self._saved_at
        if every.unit == "seconds":
            return elapsed >= every.count
        if elapsed < PAUSE:
            return False
        if every.unit == "steps":
            return state.step - self._saved_step >= every.count
        return state.epoch - self._saved_epoch >= every.count

    def _write_row(self, row: dict[str, Any]) -> None:
        self._metrics.append(rundir.to_json_line(row))
        if self._csv.size == 0:
            self._csv.append(",".join(row))
        cells = rundir.finite(list(row.values()))
        assert isinstance(cells, list)
        self._csv.append(",".join("" if cell is None else str(cell) for cell in cells))
        self._log.append(plain_line(row))
