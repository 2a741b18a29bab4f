"""Checkpoints: the whole training state in one file each."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bpnet.errors import OptionError, RunError
from bpnet.options import PositiveInt, Span
from bpnet.runs import rundir, tensors

if TYPE_CHECKING:
    from bpnet.nn.network import Network
    from bpnet.training.state import TrainingState

KIND = "checkpoint"
WEIGHTS = "weights"


@dataclass
class CheckpointOptions:
    """When the training state is saved."""

    every: Annotated[
        Span, "how often: 1 epoch, 500 steps, 10 min; but for steps and epochs every 5 s at most"
    ] = field(default_factory=lambda: Span(1, "epochs"))
    keep: Annotated[PositiveInt, "how many of the newest are kept, beside the best"] = 2

    def __post_init__(self) -> None:
        if not self.every.count:
            raise OptionError("expected a length above 0, received 0", "every")


def save(state: TrainingState, directory: Path) -> Path:
    """Write ``checkpoints/step-NNNNNNNN.safetensors`` and return its path.

    Raises
    ------
    RefusedError
        If the operating system refuses; then the checkpoint does not exist.
    """
    path = directory / rundir.CHECKPOINTS / f"step-{state.step:08d}.safetensors"
    tensors.write(path, KIND, state.arrays(), state.facts())
    return path


def save_best(state: TrainingState, directory: Path) -> Path:
    """Write the best weights to ``checkpoints/best.safetensors`` and return its path.

    Only the weights and running statistics: the moments of that epoch are not kept in memory,
    as the training goes on from the newest checkpoint, not from the best.
    """
    assert state.best_theta is not None
    assert state.best_state is not None
    path = directory / rundir.BEST
    facts = {
        "layout": state.network.arena.layout(),
        "epoch": state.monitor.best_epoch,
        "monitor": state.monitor.name,
    }
    tensors.write(path, WEIGHTS, {"theta": state.best_theta, "state": state.best_state}, facts)
    return path


def all_of(directory: Path) -> list[Path]:
    """Return the run's checkpoints, the newest (by step, not by clock) first."""
    pattern = re.compile(r"step-(\d{8,})\.safetensors")
    folder = directory / rundir.CHECKPOINTS
    found = [(pattern.fullmatch(path.name), path) for path in folder.glob("step-*.safetensors")]
    return [p for m, p in sorted(found, key=lambda pair: int(pair[0][1]) if pair[0] else -1) if m][
        ::-1
    ]


def prune(directory: Path, keep: int) -> None:
    """Remove all but the `keep` newest checkpoints."""
    for path in all_of(directory)[keep:]:
        with contextlib.suppress(OSError):
            path.unlink()


def load(state: TrainingState, path: Path) -> None:
    """Put a checkpoint into a training state that was built from the same config.

    Raises
    ------
    RunError
        If the file is damaged or belongs to another training.
    """
    file = tensors.read(path, KIND)
    try:
        state.restore(file.arrays, file.facts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not a checkpoint of this training: {error}") from error


def load_weights(network: Network, path: Path) -> None:
    """Put only the weights of a checkpoint (a numbered one, or the best) into a network.

    Raises
    ------
    RunError
        If the file is damaged or belongs to another network.
    """
    file = tensors.read(path, KIND, WEIGHTS)
    arena = network.arena
    theta, saved = file.arrays.get("theta"), file.arrays.get("state")
    if (
        file.facts.get("layout") != arena.layout()
        or theta is None
        or saved is None
        or theta.shape != arena.theta.shape
        or saved.shape != arena.state.shape
    ):
        raise RunError(f"{path}: its parameters are not those of this run's network")
    arena.theta[:] = theta
    arena.state[:] = saved
