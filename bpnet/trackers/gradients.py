"""How long the gradient of each layer was, epoch by epoch: ``gradients.jsonl``.

It tells whether gradients vanish or explode on their way down, and when they began to. Lengths
are those of the epoch's last step, as the optimizer took them: after clipping, and with the
penalties. They are read from where they lie anyway, once an epoch; no step does more for it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from bpnet.errors import RunError
from bpnet.nn.arena import Array
from bpnet.runs import durable, rundir
from bpnet.training.events import EpochEnd, Event
from bpnet.training.state import TrainingState


class GradientLog:
    """Writes a line at the end of each epoch: ``{"epoch": 3, "layers": {"dense_1": 0.0123}}``.

    A training that goes on first cuts off what was written after its checkpoint, so the file of
    a resumed training is that of one without a pause. It is not forced to the disk before each
    checkpoint, as the metrics are: what a power failure takes of it is missing afterwards.

    Parameters
    ----------
    state, directory
        The training and its run directory.
    """

    def __init__(self, state: TrainingState, directory: Path) -> None:
        self.trouble = ""
        arena = state.network.arena
        layers: dict[str, list[Array]] = {name: [] for name, _, _ in state.network.walk()}
        for name, param in arena.params.items():
            if not param.frozen:
                layers.setdefault(name.rpartition(".")[0], []).append(param.grad.reshape(-1))
        # What is written of each layer's name, made once: an epoch may take a millisecond.
        self._layers = [(f"{json.dumps(name)}: ", parts) for name, parts in layers.items() if parts]
        path = directory / rundir.GRADIENTS
        kept = _kept(path, state.epoch)
        if path.exists() and path.stat().st_size != len(kept):
            durable.write(path, kept)
        self._file = durable.LineFile(path)

    def hear(self, event: Event) -> None:
        if not isinstance(event, EpochEnd):
            return
        told = []
        with np.errstate(over="ignore", invalid="ignore"):
            for name, parts in self._layers:
                squares = 0.0
                for part in parts:
                    squares += float(part.dot(part))
                told.append(name + (f"{squares**0.5:.6g}" if squares < math.inf else "null"))
        self._file.append(f'{{"epoch": {event.epoch}, "layers": {{{", ".join(told)}}}}}')

    def conclude(self, metrics: dict[str, float], epoch: int) -> None:
        pass

    def close(self) -> None:
        self._file.close()


def _kept(path: Path, epoch: int) -> bytes:
    """Return the whole lines of a file of the epochs up to this one."""
    if not path.is_file() or not epoch:
        return b""
    kept = []
    for line in durable.read(path).splitlines(keepends=True):
        try:
            row = rundir.parse_json(line, path)
        except RunError:
            break
        if not (line.endswith(b"\n") and isinstance(row.get("epoch"), int)) or row["epoch"] > epoch:
            break
        kept.append(line)
    return b"".join(kept)
