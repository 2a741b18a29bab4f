"""What a run directory tells of a training; nothing in it changes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.config import of_run
from bpnet.config.document import Document
from bpnet.errors import BpnetError, DataError, DivergedError, RunError
from bpnet.experiment import Experiment, build
from bpnet.fine_tuning import initialize_from
from bpnet.insight.doctor.evidence import Evidence
from bpnet.insight.doctor.looking import Updates, look
from bpnet.insight.doctor.probe import judge, measure_base
from bpnet.insight.untouched import untouched
from bpnet.nn.layers.base import Pass
from bpnet.optim.schedules import SCHEDULES
from bpnet.runs import checkpoint, metrics_log, rundir, tensors
from bpnet.training.events import StepEnd
from bpnet.training.fit import learn

if TYPE_CHECKING:
    from bpnet.training.state import TrainingState

STEPS = 10
"""Steps that are taken, and taken back, to measure updates."""


def document_of(directory: Path) -> Document:
    """Return the config of a run.

    Raises
    ------
    RunError
        If the directory is no run, or damaged.
    """
    return of_run.current(directory, rundir.open_run(directory))


def initial_weights(directory: Path) -> Path | None:
    """Return the file of weights that a run started from, if it was fine-tuned."""
    path = directory / rundir.INITIAL
    return path if path.is_file() else None


def recall_run(directory: Path, document: Document | None = None) -> Evidence:
    """Gather what a run directory tells: its metrics, its weights, and both again on its data.

    Nothing in the directory changes, whatever its status. What is missing or damaged is named in
    `Evidence.gaps`.

    Parameters
    ----------
    directory
        The run directory.
    document
        Its config, with the new places of data that has moved; by default as it is.

    Raises
    ------
    RunError
        If the directory is no run, or its config is damaged.
    """
    facts = rundir.open_run(directory)
    status = str(facts.get("status"))
    seen = Evidence(complete=status in ("done", "stopped"))
    if status == "running":
        seen.gaps.append("the training is not over: it is judged as it stands")
    if status in ("diverged", "failed"):
        seen.diverged = str(facts.get("stop_reason") or status) if status == "diverged" else ""
    try:
        seen.rows = metrics_log.read(directory)
    except BpnetError as error:
        seen.gaps.append(f"no metrics: {error}")
    else:
        if not seen.rows and status in ("done", "stopped"):
            seen.gaps.append(f"no metrics: {directory / rundir.METRICS} has no line to be read")
    last: dict[str, Any] = seen.rows[-1] if seen.rows else {}
    seen.steps = int(last.get("step") or 0)
    seen.seconds = sum(seen.curve("time_s"))
    seen.rate = max(seen.curve("lr"), default=math.nan)
    try:
        experiment = build(document or of_run.current(directory, facts))
    except RunError:
        raise
    except BpnetError as error:
        seen.gaps.append(
            f"only the metrics could be judged, as its data and network can't be made: {error}"
            + ("; if it has moved, say where it is: data.train=PATH" if _is_gone(error) else "")
        )
        return seen
    state = experiment.state
    seen.planned = state.control.epochs * state.batches.steps
    known = [file["sha256"] for file in facts.get("data", [])]
    if known and [file["sha256"] for file in experiment.data.sources] != known:
        seen.gaps.append("its data has changed since: statistics are of the data as it is now")
    seen.experiment = experiment
    if not _load_start(directory, state, seen):
        return seen
    seen.start = look(state)
    measure_base(seen)
    if _load_newest(directory, facts, experiment, seen):
        seen.end = look(state)
        judge(seen)
        _measure_updates(state, seen)
    return seen


def _is_gone(error: BpnetError) -> bool:
    return isinstance(error, DataError) and "no such file" in error.message


def _load_start(directory: Path, state: TrainingState, seen: Evidence) -> bool:
    path = initial_weights(directory)
    if path is not None:
        try:
            checkpoint.load_weights(state.network, path)
        except BpnetError as error:
            seen.gaps.append(f"the weights that it started from can't be read: {error}")
            return False
    return True


def _load_newest(
    directory: Path, facts: dict[str, Any], experiment: Experiment, seen: Evidence
) -> bool:
    """Put the newest weights there are into the network; say whether there are any."""
    state, tries = experiment.state, []
    try:
        paths = checkpoint.all_of(directory)
    except BpnetError as error:
        paths = []
        tries.append(str(error))
    for path in paths:
        try:
            file = checkpoint.read(path)
            checkpoint.load(state, file, path)
            seen.steps = max(seen.steps, state.step)
            break
        except BpnetError as error:
            try:
                checkpoint.load_weights(state.network, path)
                break
            except BpnetError:
                tries.append(str(error))
    else:
        if not seen.diverged and not _load_model(directory, state, tries, seen):
            return False
    if seen.diverged:
        _load_divergence(directory, state, seen)
    return True


def _load_model(directory: Path, state: TrainingState, tries: list[str], seen: Evidence) -> bool:
    """Put the weights of the model, if the run has one, into the network."""
    tries = tries or ["there is no checkpoint to look at"]
    if not (directory / rundir.MODEL).is_file():
        seen.gaps.append("; ".join(tries))
        return False
    try:
        initialize_from(state.network, directory / rundir.MODEL)
    except BpnetError as error:
        seen.gaps.append("; ".join([*tries, str(error)]))
        return False
    seen.gaps.append("; ".join([*tries, "so the end is that of the model, its best epoch"]))
    return True


def _load_divergence(directory: Path, state: TrainingState, seen: Evidence) -> None:
    """Put the weights before the step at which a run diverged into the network."""
    arena = state.network.arena
    try:
        file = tensors.read(directory / rundir.DIVERGED, "divergence")
        theta, saved = file.arrays["theta"], file.arrays["state"]
        if theta.shape != arena.theta.shape or saved.shape != arena.state.shape:
            raise RunError(f"{directory / rundir.DIVERGED}: not of this network")
        seen.steps = int(file.facts["step"]) - 1
        arena.theta[:], arena.state[:] = theta, saved
    except (BpnetError, KeyError, TypeError, ValueError) as error:
        seen.gaps.append(f"the weights before the divergence can't be read: {error}")


def _measure_updates(state: TrainingState, seen: Evidence) -> None:
    """Take some steps with the usual learning rate of the run, and take them back."""
    rates = seen.curve("lr")
    rate = float(np.median(rates)) if rates else state.optimizer.learning_rate
    if not rate > 0:
        return
    updates = Updates(state)
    with untouched(state):
        schedule = SCHEDULES["constant"]()
        schedule.build(rate, STEPS, STEPS)
        state.schedule = schedule
        state.position = 0
        step, done = Pass(train=True, rng=state.dropout), StepEnd()
        order = state.batches.order(state.epoch)
        try:
            for _ in range(min(STEPS, state.batches.steps)):
                updates.before()
                learn(state, order, step, done)
                updates.after()
        except DivergedError:
            pass  # that is in the facts already, or will be
    seen.updates = updates.medians()
