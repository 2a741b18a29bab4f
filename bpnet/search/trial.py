"""One trial, as a worker carries it out: a normal run that may pause, be given up, or fail.

Tasks and outcomes are plain values, so that any executor can carry them between processes.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from bpnet import resuming, session
from bpnet.config.document import Document
from bpnet.errors import BpnetError, ConfigError, DivergedError, RefusedError, RunError
from bpnet.experiment import build
from bpnet.runs import durable, lock, manifest, metrics_log, rundir
from bpnet.search import sharing
from bpnet.training.events import EpochEnd, StepEnd

State = Literal["waiting", "asked", "paused", "done", "pruned", "failed", "interrupted", "refused"]

PATIENCE = 60.0
"""Seconds to wait for another process that still holds a trial's directory."""


@dataclass
class Task:
    """What a worker needs to know of a trial.

    Attributes
    ----------
    text, name, assignments
        The config, its file, and the overrides: those given, and those of the trial.
    directory
        The run directory.
    metric, mode
        What is compared, and whether less (``min``) or more (``max``) is better.
    threads
        Of matrix products, the same in every process: the last bit of a sum depends on it.
    until
        The epoch after which the trial pauses; None trains to the end.
    bounds
        For each epoch the worst score so far that may go on; None: any.
    stalled
        Epochs without an improvement after which a trial worse than `to_beat` is given up.
    to_beat
        The best score of the trials that this one is compared with.
    time_limit, memory_limit
        Seconds and bytes; None: any.
    synchronized
        Whether whoever asks makes durable, before anybody is told, what the trial has written.
    """

    text: str
    name: str
    assignments: list[str]
    directory: str
    metric: str
    mode: Literal["min", "max"]
    threads: int = 1
    until: int | None = None
    bounds: list[float | None] = field(default_factory=list)
    stalled: int | None = None
    to_beat: float | None = None
    time_limit: float | None = None
    memory_limit: int | None = None
    synchronized: bool = False


@dataclass
class Outcome:
    """What became of a trial.

    Attributes
    ----------
    state, cause, reason
        How it ended; for a failure in one word, and what to tell the user.
    score
        The metric of its model; None if there is none.
    metrics
        All metrics of its model on training and validation rows.
    curve
        For each epoch the score of the model that would be kept if it ended there.
    epochs
        How many were trained.
    seconds
        How long that took.
    """

    state: State
    cause: str = ""
    reason: str = ""
    score: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    curve: list[float | None] = field(default_factory=list)
    epochs: int = 0
    seconds: float = 0.0


_stop_requested = threading.Event()


def request_stop() -> None:
    """Let the trials of this process save their state and end after their step."""
    _stop_requested.set()


def carry_out(task: Mapping[str, Any]) -> dict[str, Any]:
    """Train a trial, or go on with it; return its `Outcome` as plain values."""
    began = time.perf_counter()
    watch = _Watch(Task(**task))
    try:
        with _limited(watch.task.memory_limit), _writing(watch.task):
            outcome = _train(watch)
    except RefusedError as error:
        outcome = Outcome("refused", "system", str(error))
    except DivergedError as error:
        outcome = Outcome("failed", "diverged", str(error))
    except MemoryError:
        outcome = Outcome("failed", "memory", "out of memory")
    except BpnetError as error:
        outcome = Outcome("failed", "config" if error.exit_code == 2 else "data", str(error))
    except Exception as error:  # a bug must not end the other trials
        outcome = Outcome("failed", "crash", f"{type(error).__name__}: {error}")
    outcome.curve = outcome.curve or watch.curve
    outcome.epochs = outcome.epochs or len(outcome.curve)
    outcome.seconds = outcome.seconds or time.perf_counter() - began
    return asdict(outcome)


class _Watch:
    """Follows the epochs of a trial and sees when it is to end."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.curve: list[float | None] = []
        self.keeps_best = True
        self._best: float | None = None
        self._best_epoch = 0

    def better(self, score: float, than: float) -> bool:
        return score < than if self.task.mode == "min" else score > than

    def see(self, row: Mapping[str, Any]) -> str:
        """Take the row of an epoch; return why the trial is hopeless, or nothing."""
        score = row.get(self.task.metric)
        if not isinstance(score, int | float) or not math.isfinite(score):
            score = None
        epoch = len(self.curve) + 1
        if row.get("best") or not self.keeps_best or not self.curve:
            self.curve.append(score)
        else:
            self.curve.append(self.curve[-1])
        kept = self.curve[-1]
        if kept is not None and (self._best is None or self.better(kept, self._best)):
            self._best, self._best_epoch = kept, epoch
        return self._behind(epoch) or self._stalled(epoch)

    def _behind(self, epoch: int) -> str:
        bounds, metric = self.task.bounds, self.task.metric
        bound = bounds[epoch - 1] if epoch <= len(bounds) else None
        if bound is None or (self._best is not None and not self.better(bound, self._best)):
            return ""
        best = "none" if self._best is None else f"{self._best:.6g}"
        return (
            f"median: after epoch {epoch} its best {metric} was {best}, and that of the earlier "
            f"trials {bound:.6g}"
        )

    def _stalled(self, epoch: int) -> str:
        limit, goal = self.task.stalled, self.task.to_beat
        if limit is None or goal is None or epoch - self._best_epoch < limit:
            return ""
        if self._best is not None and not self.better(goal, self._best):
            return ""
        best = "none" if self._best is None else f"{self._best:.6g}"
        return (
            f"patience: no better {self.task.metric} than {best} for {limit} epochs, and an "
            f"earlier trial reached {goal:.6g}"
        )

    @property
    def is_enough(self) -> bool:
        """Whether the trial has come to the epoch after which it pauses."""
        return self.task.until is not None and len(self.curve) >= self.task.until


def _train(watch: _Watch) -> Outcome:
    task = watch.task
    directory = Path(task.directory)
    document = Document.parse(task.text, task.name).override(task.assignments).without({"search"})
    if not _is_free(directory):
        return Outcome("interrupted")
    if (directory / rundir.RESULT).is_file():
        try:
            if all(verdict.sound for verdict in manifest.verify(directory)):
                return _finished(directory, watch)
        except RunError:
            pass
        shutil.rmtree(directory)  # damaged, and nobody was told of it
    with _opened(directory, document) as begun:
        if begun is None:
            return _finished(directory, watch)
        return _follow(begun, watch)


@contextlib.contextmanager
def _opened(directory: Path, document: Document) -> Iterator[session.Session | None]:
    """Go on with the run in a directory, or start it; None if it is finished."""
    if (directory / rundir.RUN).is_file():
        (directory / rundir.CHECKPOINTS).mkdir(exist_ok=True)
        with lock.hold(directory):
            try:
                begun = resuming.prepare(directory, document, data_for=sharing.data_for)
                if begun is not None:
                    _check_rows(begun)
            except (RunError, ConfigError):
                begun = None
                unusable = True
            else:
                unusable = False
            if not unusable:
                yield begun
                return
    experiment = build(document, sharing.data_for)
    if directory.exists():  # a start that was cut off, or damaged: nobody was told of it
        shutil.rmtree(directory)
    with session.begin(experiment, run_dir=directory) as started:
        yield started


def _check_rows(begun: session.Session) -> None:
    """Refuse to go on where epochs are missing from the metrics, as after a power cut."""
    epochs = [row.get("epoch") for row in metrics_log.read(begun.directory)]
    completed = begun.experiment.state.epoch
    if epochs[:completed] != list(range(1, completed + 1)):
        raise RunError(f"{begun.directory}: its metrics lack epochs")


def _follow(begun: session.Session, watch: _Watch) -> Outcome:
    """Train to the end, to a pause, or to the epoch in which the trial turns out hopeless."""
    state, task = begun.experiment.state, watch.task
    watch.keeps_best = state.control.keep_best
    if state.epoch:
        for row in metrics_log.read(begun.directory)[: state.epoch]:
            if hopeless := watch.see(row):
                return Outcome("pruned", task.metric, hopeless, _last(watch))
        if watch.is_enough:
            return Outcome("paused", score=_last(watch))
    with contextlib.closing(begun.events()) as events:
        for event in events:
            if isinstance(event, EpochEnd):
                if hopeless := watch.see(event.row):
                    return Outcome("pruned", task.metric, hopeless, _last(watch))
                if watch.is_enough and state.epoch < state.control.epochs:
                    state.stop_request = f"waits after epoch {state.epoch} for the other trials"
            elif isinstance(event, StepEnd):
                if _stop_requested.is_set():
                    state.stop_request = "the search was interrupted"
                if task.time_limit is not None and state.elapsed > task.time_limit:
                    reason = f"took longer than {task.time_limit:g} s, its limit"
                    return Outcome("failed", "time", reason)
    if begun.result:
        return _finished(begun.directory, watch)
    if watch.is_enough:
        return Outcome("paused", score=_last(watch))
    return Outcome("interrupted")


def _last(watch: _Watch) -> float | None:
    return watch.curve[-1] if watch.curve else None


def _finished(directory: Path, watch: _Watch) -> Outcome:
    """Return the outcome of a run that is over, from its files."""
    result = rundir.read_json(directory / rundir.RESULT)
    metrics = result.get("metrics")
    if not isinstance(metrics, dict) or not isinstance(result.get("epochs"), int):
        raise RunError(f"{directory / rundir.RESULT}: damaged")
    watch.curve.clear()
    for row in metrics_log.read(directory):
        watch.see(row)
    score = metrics.get(watch.task.metric)
    seen = {name: value for name, value in metrics.items() if not name.startswith("test/")}
    if score is None:
        reason = f"{watch.task.metric} is no finite number"
        return Outcome("failed", "diverged", reason, metrics=seen, epochs=result["epochs"])
    seconds = float(result.get("total_s") or 0.0)
    return Outcome("done", "", "", score, seen, epochs=result["epochs"], seconds=seconds)


def _is_free(directory: Path) -> bool:
    """Wait until a process that was killed with this trial has let go; say whether it has."""
    until = time.monotonic() + PATIENCE
    while lock.is_held(directory):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _writing(task: Task) -> contextlib.AbstractContextManager[None]:
    return durable.postponed() if task.synchronized else contextlib.nullcontext()


@contextlib.contextmanager
def _limited(memory: int | None) -> Iterator[None]:
    """Allow so many bytes more than this process has now."""
    if memory is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    allowed = pages * os.sysconf("SC_PAGE_SIZE") + memory
    if before[1] != resource.RLIM_INFINITY:
        allowed = min(allowed, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (allowed, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
