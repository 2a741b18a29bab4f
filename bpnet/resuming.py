"""Going on with a run: from its newest checkpoint, with the same data, to the same bytes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bpnet.config import of_run
from bpnet.config.changes import Change, differences
from bpnet.config.document import Document
from bpnet.config.schema import bind_config, plain_config
from bpnet.errors import ConfigError, DataError, OptionError, RunError
from bpnet.experiment import DataFor, Experiment, build, with_absolute_paths
from bpnet.runs import checkpoint, durable, manifest, metrics_log, provenance, rundir
from bpnet.runs.tensors import TensorFile
from bpnet.session import Session
from bpnet.training.state import TrainingState

_NOTHING = {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}


def prepare(
    directory: Path,
    document: Document,
    *,
    strict: bool = False,
    allow_changed_data: bool = False,
    doubt: str = "",
    data_for: DataFor | None = None,
) -> Session | None:
    """Make the session that goes on with a run; None if the run is finished.

    Until all is checked, nothing in the directory changes.

    Parameters
    ----------
    directory
        The run directory; the caller holds its lock.
    document
        The config to go on with: that of the run (`of_run.current`) with overrides, or another
        one that is compared with it.
    strict
        Refuse a damaged newest checkpoint instead of using the one before.
    allow_changed_data
        Go on although the data is not what it was.
    doubt
        What `lock.hold` said.
    data_for
        What prepares the data, if not `bpnet.experiment.build` itself.

    Raises
    ------
    ConfigError
        If the config differs in what a run can't go on with.
    DataError
        If the data has changed.
    RunError
        If the run or all of its checkpoints are damaged.
    RefusedError
        If the operating system refuses.
    """
    facts = rundir.open_run(directory)
    if not {"id", "resumed", "data"} <= facts.keys():
        raise RunError(f"{directory / rundir.RUN}: damaged, or written by something else")
    experiment = _build(document, data_for)
    changes = _changes(directory, facts, experiment)
    then = rundir.latest_session(facts)
    data_changed = _check_data(then["data"], experiment.data.sources, allow_changed_data)
    found = _newest(directory, facts, strict)
    _continue_from(found, experiment, directory, changes, data_changed)
    if (directory / rundir.RESULT).is_file() and not _goes_on(experiment.state):
        return None
    notes = [doubt] if doubt else []
    notes += [f"changed from here on: {change}" for change in changes if change.weight != "free"]
    if data_changed:
        notes.append(f"{data_changed}: preprocessing and split are worked out anew")
    if found.path is None:
        notes.append(f"{directory}: no checkpoint yet, so the training starts from the beginning")
    notes += _losses(found, experiment.state)
    off = provenance.differences(then, provenance.environment())
    if off:
        notes.append(f"not bit-exact from here on: {', '.join(off)}")
    mark = _NOTHING if found.file is None else found.file.facts["metrics"]
    if not metrics_log.is_intact(directory, mark):
        where = "the beginning" if found.path is None else found.path.name
        notes.append(
            f"{directory / rundir.METRICS}: not what it was at {where} (damaged or edited); "
            "its whole lines are kept"
        )
    facts |= {"status": "running", "stop_reason": None, "end": None}
    facts["resumed"].append(
        {
            "start": provenance.now(),
            "command": provenance.command_line(),
            "from": found.path.name if found.path is not None else None,
            "step": experiment.state.step,
            "epoch": experiment.state.epoch,
            "changes": of_run.record(changes),
            "data": experiment.data.sources,
            **provenance.environment(),
        }
    )
    _reopen(directory, facts, experiment, found)
    return Session(experiment, directory, facts, mark=mark, notes=notes)


def _build(document: Document, data_for: DataFor | None) -> Experiment:
    try:
        return build(document, data_for)
    except DataError as error:
        if "no such file" not in error.message:
            raise
        hint = "if the file has moved, say where it is: data.train=PATH"
        raise DataError(f"{error.message}; {hint}", error.source, error.line) from error


def _newest(directory: Path, facts: Mapping[str, Any], strict: bool) -> checkpoint.Found:
    found = checkpoint.find(directory, facts["id"])
    if strict and found.damaged:
        raise next(iter(found.damaged.values()))
    if found.path is None and found.damaged:
        reasons = "\n  ".join(map(str, found.damaged.values()))
        raise RunError(
            f"{directory}: none of its checkpoints can be used, and nothing was changed; train "
            f"anew, if you like from its best weights with --init-from:\n  {reasons}"
        )
    return found


def _losses(found: checkpoint.Found, state: TrainingState) -> list[str]:
    """Say what the damage of the newest checkpoints costs."""
    if not found.damaged:
        return []
    lost = max(map(checkpoint.step_of, found.damaged)) - state.step
    epochs = lost / state.batches.steps
    return [
        *(f"{error}; the one before is used" for error in found.damaged.values()),
        f"{lost} steps ({epochs:.3g} epochs) are lost and trained again, from step {state.step} on",
    ]


def _continue_from(
    found: checkpoint.Found,
    experiment: Experiment,
    directory: Path,
    changes: Sequence[Change],
    data_changed: str,
) -> None:
    """Put the training where the checkpoint stands, or where the run began."""
    if found.path is None or found.file is None:
        take_initial_weights(experiment, directory)
        return
    try:
        take_over(experiment, found.file, found.path, changes)
    except RunError as error:
        if not data_changed:
            raise
        raise DataError(
            f"{data_changed}, and its columns or classes do not fit the network any more; "
            f"start a new run, if you like with --init-from {directory}"
        ) from error
    if data_changed:
        _restart_epoch(experiment.state)


def take_initial_weights(experiment: Experiment, directory: Path) -> None:
    """Start from the weights that a run was given, if it was given any.

    Raises
    ------
    RunError
        If they are damaged.
    """
    if (directory / rundir.INITIAL).is_file():
        checkpoint.load_weights(experiment.state.network, directory / rundir.INITIAL)


def _changes(directory: Path, facts: Mapping[str, Any], experiment: Experiment) -> list[Change]:
    """Return what differs from the run's config; refuse what a run can't go on with."""
    before = plain_config(bind_config(of_run.current(directory, facts)))
    after = plain_config(with_absolute_paths(experiment.config, experiment.folder))
    changes = [change for change in differences(before, after) if change.path != ("name",)]
    refused = [
        OptionError(
            f"a run can't go on with another value ({change}); start a new one, if you like "
            f"from these weights with --init-from {directory}",
            *change.path,
        )
        for change in changes
        if change.weight == "fixed"
    ]
    if refused:
        raise experiment.document.error(*refused)
    return changes


def _check_data(before: list[dict[str, Any]], after: list[dict[str, Any]], allowed: bool) -> str:
    """Return which files are not what they were; refuse them unless that is allowed."""
    was = [file["sha256"] for file in before]  # in the order of their parts
    if was == [file["sha256"] for file in after]:
        return ""
    changed = [file for file in after if file["sha256"] not in was] or after
    names = ", ".join(str(file["path"]) for file in changed) or "the data"
    if not allowed:
        rows = " and ".join(f"{sum(file['rows'] for file in files)}" for files in (before, after))
        raise DataError(
            f"changed since the run began (rows then and now: {rows}), so going on would not be "
            "the same training; restore it, or give --allow-changed-data",
            names,
        )
    return f"{names} changed since the run began"


def take_over(
    experiment: Experiment, file: TensorFile, path: Path, changes: Sequence[Change]
) -> None:
    """Put a checkpoint into a training whose config differs from its own by `changes`.

    Raises
    ------
    ConfigError
        If the config does not fit what has been trained already.
    RunError
        If the checkpoint, `path`, belongs to another training.
    """
    state = experiment.state
    watched, mode = file.facts.get("watches"), file.facts.get("mode", state.monitor.mode)
    if (watched, mode) != (state.monitor.name, state.monitor.mode):
        raise _misfit(
            experiment,
            f"the run watches {watched} ({_AIM.get(mode, mode)}), and can't go on with "
            f"{state.monitor.name} ({_AIM[state.monitor.mode]})",
            "early_stopping",
            "monitor" if watched != state.monitor.name else "mode",
        )
    if any(change.path == ("schedule",) for change in changes):  # another type starts afresh
        file = replace(file, facts={**file.facts, "schedule": state.schedule.state()})
    checkpoint.load(state, file, path)
    if state.control.keep_best and state.best_theta is None:
        # The best epoch's weights were not kept so far: the best of those that come is.
        state.monitor.best, state.monitor.best_epoch = math.nan, 0
    _check_bounds(experiment, changes)


_AIM = {"min": "less is better", "max": "more is better"}


def _check_bounds(experiment: Experiment, changes: Sequence[Change]) -> None:
    """Refuse less training than there has been already."""
    state = experiment.state
    limit = state.control.time_limit
    limited = any(change.path == ("training", "max_time") for change in changes)
    if limited and limit is not None and state.elapsed >= limit:
        raise _misfit(
            experiment,
            f"the run has trained for {state.elapsed:.3g} s already; give more than that",
            "training",
            "max_time",
        )
    begun = state.epoch + (state.position > 0)
    if begun > state.control.epochs:
        raise _misfit(
            experiment,
            f"the run is in epoch {begun} already; give that many or more"
            if state.position
            else f"the run has completed {state.epoch} epochs already; give that many or more",
            "training",
            "epochs",
        )


def _misfit(experiment: Experiment, message: str, *path: str) -> ConfigError:
    return experiment.document.error(OptionError(message, *path))


def _restart_epoch(state: TrainingState) -> None:
    """Begin the epoch again: the rows that it had come to are not the same any more."""
    state.position = 0
    state.loss_sum = state.weight_sum = state.norm_sum = 0.0


def _goes_on(state: TrainingState) -> bool:
    """Say whether there is anything left to train."""
    limit = state.control.time_limit
    return (
        state.epoch < state.control.epochs
        and not state.monitor.exhausted
        and (limit is None or state.elapsed < limit)
    )


def _reopen(
    directory: Path, facts: Mapping[str, Any], experiment: Experiment, found: checkpoint.Found
) -> None:
    """Make the directory one of a running training again; killed anywhere here, it stays whole."""
    rundir.sweep(directory)
    for name in (rundir.RESULT, manifest.MANIFEST):
        with durable.refusals("remove", directory / name):
            (directory / name).unlink(missing_ok=True)
    durable.write(directory / rundir.RUN, rundir.to_json(facts))
    durable.write(directory / rundir.RESOLVED, experiment.resolved())
    for path in found.damaged:
        checkpoint.set_aside(path)
