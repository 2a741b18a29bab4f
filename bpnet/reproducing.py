"""Training a run again from its directory alone, to see that the same weights come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bpnet import model, resuming
from bpnet.config import of_run
from bpnet.config.changes import differences
from bpnet.config.schema import bind_config, plain_config
from bpnet.errors import RunError
from bpnet.experiment import Experiment, build
from bpnet.nn.arena import Array
from bpnet.runs import checkpoint, durable, metrics_log, provenance, rundir
from bpnet.runs.tensors import TensorFile
from bpnet.training.events import EpochEnd, Event, StepEnd
from bpnet.training.fit import fit


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stretch of training with one config, from a step (and the epochs completed then) on."""

    config: int
    step: int
    epoch: int


class Reproduction:
    """Trains a run again, in memory, up to its newest checkpoint.

    Iterate over :meth:`events` to the end; then `differences` and `reasons` are there.

    Attributes
    ----------
    directory
        The run directory; nothing in it changes.
    goal
        The checkpoint that is trained for.
    step, epoch
        Where it stands.
    compared
        What was compared, in words.
    differences
        What differs; empty if every byte is the same.
    reasons
        What has changed since, of that on which the bytes depend: data, versions, machine.

    Raises
    ------
    RunError
        If the directory is no run, or holds nothing to compare with.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._facts = rundir.open_run(directory)
        found = checkpoint.find(directory, self._facts.get("id"))
        if found.path is None or found.file is None:
            reasons = "; ".join(map(str, found.damaged.values()))
            raise RunError(reasons or f"{directory}: no checkpoint to compare with")
        self.goal, self._file = found.path, found.file
        try:
            self.step, self.epoch = int(self._file.facts["step"]), int(self._file.facts["epoch"])
            self._stages = _stages(self._facts, self.step)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{directory}: damaged: {error}") from error
        self.compared: list[str] = []
        self.differences: list[str] = []
        self.reasons: list[str] = []

    def events(self) -> Iterator[Event]:
        """Train; then compare.

        Raises
        ------
        DataError
            If the data is missing.
        DivergedError
            If the training diverges before it comes to the checkpoint.
        """
        rows: list[dict[str, Any]] = []
        experiment = self._start()
        ends = [(stage.step, stage.epoch) for stage in self._stages[1:]]
        for i, end in enumerate([*ends, (self.step, self.epoch)]):
            if i:
                experiment = self._go_on(experiment, self._stages[i - 1], self._stages[i])
            for event in _until(experiment, end):
                if isinstance(event, EpochEnd):
                    rows.append(event.row)
                yield event
        self._explain(experiment)
        self._compare_state(experiment)
        self._compare_metrics(rows)
        self._compare_model(experiment)

    def _build(self, config: int) -> Experiment:
        experiment = build(of_run.original(self.directory, self._facts, config))
        experiment.state.control.time_limit = None  # the step at which it struck is known
        return experiment

    def _start(self) -> Experiment:
        experiment = self._build(self._stages[0].config)
        resuming.take_initial_weights(experiment, self.directory)
        return experiment

    def _go_on(self, before: Experiment, old: _Stage, new: _Stage) -> Experiment:
        """Hand the training over to the config that a resume gave it."""
        was, becomes = (
            plain_config(bind_config(of_run.original(self.directory, self._facts, stage.config)))
            for stage in (old, new)
        )
        after = self._build(new.config)
        arrays = {name: array.copy() for name, array in before.state.arrays().items()}
        kept = TensorFile(checkpoint.KIND, arrays, before.state.facts())
        resuming.take_over(after, kept, self.goal, list(differences(was, becomes)))
        return after

    def _explain(self, experiment: Experiment) -> None:
        """Collect what has changed of that on which the bytes depend."""
        known = {file["sha256"] for file in self._facts["data"]}
        for file in experiment.data.sources:
            if file["sha256"] not in known:
                self.reasons.append(f"data {file['path']} has changed")
        if any(entry["data"] != self._facts["data"] for entry in self._facts["resumed"]):
            hashes = [[f["sha256"] for f in entry["data"]] for entry in self._facts["resumed"]]
            if any(set(found) != known for found in hashes):
                self.reasons.append("the data changed during the run (--allow-changed-data)")
        present = provenance.environment()
        for entry in (self._facts, *self._facts["resumed"]):
            for reason in provenance.differences(entry, present):
                if reason not in self.reasons:
                    self.reasons.append(reason)

    def _compare_state(self, experiment: Experiment) -> None:
        arrays = experiment.state.arrays()
        for name in sorted(arrays.keys() | self._file.arrays.keys()):
            difference = _difference(arrays.get(name), self._file.arrays.get(name))
            if difference:
                self.differences.append(f"{self.goal.name}: {name}: {difference}")
        facts = experiment.state.facts()
        self.differences += [
            f"{self.goal.name}: {name}: {self._file.facts.get(name)!r} there, {value!r} here"
            for name, value in facts.items()
            if name != "elapsed" and self._file.facts.get(name) != value
        ]
        self.compared.append(f"{len(arrays)} arrays and the progress in {self.goal.name}")

    def _compare_metrics(self, rows: list[dict[str, Any]]) -> None:
        there = [_timeless(row) for row in metrics_log.read(self.directory)]
        here = [_timeless(rundir.finite(row)) for row in rows]  # type: ignore[arg-type]
        there = there[: len(here)] if len(there) > len(here) else there
        wrong = [row["epoch"] for row, other in zip(here, there, strict=False) if row != other]
        if wrong:
            self.differences.append(f"{rundir.METRICS}: from epoch {wrong[0]} on")
        elif len(there) < len(here):
            self.differences.append(f"{rundir.METRICS}: {len(here) - len(there)} rows are missing")
        self.compared.append(f"{len(here)} rows of {rundir.METRICS}")

    def _compare_model(self, experiment: Experiment) -> None:
        path, result = self.directory / rundir.MODEL, self.directory / rundir.RESULT
        if not result.is_file():
            return
        if rundir.read_json(result).get("checkpoint") != f"{rundir.CHECKPOINTS}/{self.goal.name}":
            return  # the model is of another moment: newer checkpoints are damaged
        experiment.state.use_best()
        if model.encode(experiment) != durable.read(path):
            self.differences.append(f"{rundir.MODEL}: other bytes")
        self.compared.append(rundir.MODEL)


def _stages(facts: Mapping[str, Any], goal: int) -> list[_Stage]:
    """Return the stretches of training that led to a run's step `goal`.

    A resume from an older checkpoint (the newer one was damaged) takes back what came after it.
    """
    stages = [_Stage(0, 0, 0)]
    for number, entry in enumerate(facts["resumed"], 1):
        step, epoch = int(entry["step"]), int(entry["epoch"])
        while len(stages) > 1 and stages[-1].step > step:
            stages.pop()
        stages.append(_Stage(number, step, epoch))
    while stages[-1].step > goal:  # newer checkpoints are damaged
        stages.pop()
    return stages


def _until(experiment: Experiment, end: tuple[int, int]) -> Iterator[Event]:
    """Train until so many steps are done and so many epochs completed."""
    state = experiment.state
    if (state.step, state.epoch) == end:
        return
    for event in fit(state):
        yield event
        if isinstance(event, StepEnd | EpochEnd) and (state.step, state.epoch) == end:
            return


def _difference(here: Array | None, there: Array | None) -> str:
    if here is None or there is None:
        return "only there" if here is None else "only here"
    if here.shape != there.shape or here.dtype != there.dtype:
        return f"{there.shape} {there.dtype} there, {here.shape} {here.dtype} here"
    if here.tobytes() == there.tobytes():
        return ""
    with np.errstate(all="ignore"):
        apart = np.abs(here.astype(np.float64) - there.astype(np.float64))
    return f"{np.count_nonzero(apart)} of {here.size} numbers differ, by up to {apart.max():.3g}"


def _timeless(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "time_s"}
