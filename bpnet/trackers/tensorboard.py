"""TensorBoard: a file of events in the run directory, written without TensorFlow.

``tensorboard --logdir runs`` shows all runs side by side.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bpnet.config.schema import Config, emit_config
from bpnet.nn.arena import Array
from bpnet.runs import durable
from bpnet.trackers import records
from bpnet.training.events import EpochEnd, Event
from bpnet.training.state import TrainingState

FILE = "events.out.tfevents.0000000000.bpnet"
"""Its name in a run directory: TensorBoard looks for names with ``tfevents``."""


class TensorBoard:
    """Writes metrics, and histograms of weights and gradients, at the end of each epoch.

    A training that goes on first cuts off what was written after its checkpoint.

    Parameters
    ----------
    config, state, directory
        The training and its run directory.
    """

    def __init__(self, config: Config, state: TrainingState, directory: Path) -> None:
        self.state = state
        self.trouble = ""
        self._histograms = config.logging.histograms
        path = directory / FILE
        kept = _kept(path, state.epoch)
        if path.exists() and path.stat().st_size != len(kept):
            durable.write(path, kept)
        self._file = durable.LineFile(path)
        if not kept:
            now = time.time()
            shown = "\n".join(f"    {line}" for line in emit_config(config).splitlines())
            self._write(records.version_event(now))
            self._write(records.event(now, state.epoch, [records.text("config", shown)]))

    def hear(self, event: Event) -> None:
        if isinstance(event, EpochEnd):
            values = [
                records.scalar(name, float(value))
                for name, value in event.row.items()
                if isinstance(value, int | float) and name not in ("epoch", "best")
            ]
            if self._histograms:
                values += [records.histogram(tag, array) for tag, array in tensors(self.state)]
            self._write(records.event(time.time(), event.epoch, values))

    def conclude(self, metrics: dict[str, float], epoch: int) -> None:
        values = [records.scalar(f"model/{name}", value) for name, value in metrics.items()]
        self._write(records.event(time.time(), epoch, values))

    def close(self) -> None:
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.extend(records.record(data))


def _kept(path: Path, epoch: int) -> bytes:
    """Return what a file holds of the epochs up to this one."""
    if not path.is_file() or not epoch:
        return b""
    data, end = durable.read(path), 0
    for place, content in records.records(data):
        if records.step_of(content) > epoch:
            break
        end = place
    return data[:end]


def tensors(state: TrainingState) -> Iterator[tuple[str, Array]]:
    """Yield weights, and gradients of the last step as the optimizer saw them, by their names."""
    for param in state.network.arena.params.values():
        yield f"weights/{param.name}", param.value
    for param in state.network.arena.params.values():
        if not param.frozen:
            yield f"gradients/{param.name}", param.grad
