"""Checkpoints: the whole training state in one file each."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from bpnet.errors import OptionError, RefusedError, RunError
from bpnet.options import PositiveInt, Span
from bpnet.runs import durable, rundir, tensors

if TYPE_CHECKING:
    from bpnet.nn.network import Network
    from bpnet.training.state import TrainingState

KIND = "checkpoint"
WEIGHTS = "weights"
DAMAGED = ".damaged"
"""What a checkpoint that can't be used is called from then on."""

_NAME = re.compile(r"step-(\d{8,})\.safetensors")


@dataclass
class CheckpointOptions:
    """When the training state is saved."""

    every: Annotated[
        Span, "how often: 1 epoch, 500 steps, 10 min; steps and epochs no closer than `pause`"
    ] = field(default_factory=lambda: Span(1, "epochs"))
    keep: Annotated[PositiveInt, "how many of the newest are kept, beside the best"] = 2
    pause: Annotated[
        Span, "time between two at least, so that tiny fast epochs don't wait for the disk"
    ] = field(default_factory=lambda: Span(5, "seconds"))

    def __post_init__(self) -> None:
        if not self.every.count:
            raise OptionError("expected a length above 0, received 0", "every")
        if self.pause.unit != "seconds":
            raise OptionError(
                f"expected a time such as '5 s', received {self.pause.to_yaml()}", "pause"
            )


def save(state: TrainingState, directory: Path, facts: Mapping[str, Any]) -> Path:
    """Write ``checkpoints/step-NNNNNNNN.safetensors`` and return its path.

    Parameters
    ----------
    state
        The training.
    directory
        Its run directory.
    facts
        What resuming needs beside the state: ``training``, which training it is part of, and
        ``metrics``, how far its metrics had been written.

    Raises
    ------
    RefusedError
        If the operating system refuses; then the checkpoint does not exist.
    """
    path = path_of(state, directory)
    tensors.write(path, KIND, state.arrays(), {**state.facts(), **facts})
    return path


def path_of(state: TrainingState, directory: Path) -> Path:
    """Return where a training is saved at this moment."""
    return directory / rundir.CHECKPOINTS / f"step-{state.step:08d}.safetensors"


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


def save_weights(network: Network, path: Path) -> None:
    """Write a network's weights and running statistics as they are."""
    arena = network.arena
    facts = {"layout": arena.layout()}
    tensors.write(path, WEIGHTS, {"theta": arena.theta, "state": arena.state}, facts)


def all_of(directory: Path) -> list[Path]:
    """Return the run's checkpoints, the newest (by step, not by clock) first."""
    folder = directory / rundir.CHECKPOINTS
    try:
        with durable.refusals("read", folder):  # Path.glob would find nothing in it instead
            found = list(folder.iterdir())
    except RefusedError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return []
        raise
    return sorted((p for p in found if _NAME.fullmatch(p.name)), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """Return how many steps had been done when a checkpoint was saved, by its name."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def prune(directory: Path, keep: int) -> None:
    """Remove all but the `keep` newest checkpoints."""
    for path in all_of(directory)[keep:]:
        with contextlib.suppress(OSError):
            path.unlink()


def newest(directory: Path) -> Path:
    """Return the newest checkpoint of a run; a training that saves meanwhile does no harm.

    Raises
    ------
    RunError
        If there is none.
    """
    found = all_of(directory)
    if not found:
        raise RunError(f"{directory}: no checkpoint there")
    return found[0]


def read(path: Path) -> tensors.TensorFile:
    """Read and verify a checkpoint that a training is to go on from.

    Raises
    ------
    RunError
        If it is damaged, no checkpoint, or holds numbers that are not finite.
    RefusedError
        If the operating system refuses.
    """
    file = tensors.read(path, KIND)
    for name, array in file.arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise RunError(f"{path}: {name} holds NaN or Inf, so no training can go on from it")
    mark = file.facts.get("metrics")
    if not isinstance(mark, dict) or not isinstance(mark.get("bytes"), int) or mark["bytes"] < 0:
        raise RunError(f"{path}: does not say where the metrics stood")
    return file


@dataclass
class Found:
    """The newest checkpoint of a training that can be used, if there is one.

    Attributes
    ----------
    path, file
        The checkpoint.
    damaged
        Newer ones that can't be used, with the reasons.
    """

    path: Path | None
    file: tensors.TensorFile | None
    damaged: dict[Path, RunError]


def find(directory: Path, training: object) -> Found:
    """Find the newest checkpoint of a run from which its `training` can go on.

    Raises
    ------
    RefusedError
        If the operating system refuses.
    """
    damaged: dict[Path, RunError] = {}
    for path in all_of(directory):
        try:
            file = read(path)
            if file.facts.get("training") != training:
                raise RunError(f"{path}: a checkpoint of another run")
            if file.facts.get("step") != step_of(path):
                raise RunError(f"{path}: not the checkpoint that its name says")
            return Found(path, file, damaged)
        except RunError as error:
            damaged[path] = error
    return Found(None, None, damaged)


def load(state: TrainingState, file: tensors.TensorFile, path: Path) -> None:
    """Put a checkpoint into a training state that was built from the same config.

    Raises
    ------
    RunError
        If it belongs to another training.
    """
    try:
        state.restore(file.arrays, file.facts)
    except (RunError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise RunError(f"{path}: not a checkpoint of this training: {error}") from error


def set_aside(path: Path) -> None:
    """Rename a checkpoint that can't be used, so that it is neither chosen nor counted."""
    with durable.refusals("rename", path):
        path.rename(path.with_name(path.name + DAMAGED))
        durable.sync_folder(path.parent)


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
