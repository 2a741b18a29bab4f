"""One trial, as a worker carries it out: a normal run that may pause, be given up, or fail.

Tasks and outcomes are plain values, so that any executor can carry them between processes.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bpnet import resuming, session
from bpnet.config.document import Document
from bpnet.errors import BpnetError, ConfigError, DivergedError, RefusedError, RunError
from bpnet.experiment import build
from bpnet.runs import durable, lock, manifest, metrics_log, rundir
from bpnet.search import sharing
from bpnet.search.task import Outcome, Task
from bpnet.search.watch import Watch
from bpnet.training.events import EpochEnd, StepEnd

PATIENCE = 60.0
"""Seconds to wait for another process that still holds a trial's directory."""


_stop_requested = threading.Event()


def request_stop() -> None:
    """Let the trials of this process save their state and end after their step."""
    _stop_requested.set()


def carry_out(task: Mapping[str, Any]) -> dict[str, Any]:
    """Train a trial, or go on with it; return its `Outcome` as plain values."""
    began = time.perf_counter()
    watch = Watch(Task(**task))
    try:
        with _limited(watch.task.memory_limit), _writing(watch.task):
            outcome = _train(watch)
    except RefusedError as error:
        outcome = Outcome("refused", "system", str(error))
    except ConfigError as error:  # without the lines of the file, which every trial shares
        reason = "; ".join(problem.partition("\n")[0] for problem in error.problems)
        outcome = Outcome("failed", "config", reason)
    except DivergedError as error:
        outcome = Outcome("failed", "diverged", str(error))
    except MemoryError:
        outcome = Outcome("failed", "memory", "out of memory")
    except BpnetError as error:
        outcome = Outcome("failed", "config" if error.exit_code == 2 else "data", str(error))
    except Exception as error:  # a bug must not end the other trials
        outcome = Outcome("failed", "crash", f"{type(error).__name__}: {error}")
    outcome.reason = _anywhere(outcome.reason, watch.task)
    outcome.curve = outcome.curve or watch.curve
    outcome.epochs = outcome.epochs or len(outcome.curve)
    outcome.seconds = outcome.seconds or time.perf_counter() - began
    return asdict(outcome)


def _anywhere(reason: str, task: Task) -> str:
    """Return a reason that is the same wherever the search and the config are."""
    run = Path(task.directory)
    named = reason.replace(task.directory, f"{run.parent.name}/{run.name}")
    return named.replace(task.name, Path(task.name).name) if task.name else named


def _train(watch: Watch) -> Outcome:
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


def _follow(begun: session.Session, watch: Watch) -> Outcome:
    """Train to the end, to a pause, or to the epoch in which the trial turns out hopeless."""
    state, task = begun.experiment.state, watch.task
    watch.keeps_best = state.control.keep_best
    if state.epoch:
        for row in metrics_log.read(begun.directory)[: state.epoch]:
            if hopeless := watch.see(row):
                return Outcome("pruned", task.metric, hopeless, _last(watch))
        if watch.is_enough:
            return Outcome("paused", score=_last(watch))
    hopeless = late = ""
    with contextlib.closing(begun.events()) as events:
        for event in events:
            if isinstance(event, EpochEnd):
                if hopeless := hopeless or watch.see(event.row):
                    state.stop_request = hopeless
                elif watch.is_enough and state.epoch < state.control.epochs:
                    state.stop_request = f"waits after epoch {state.epoch} for the other trials"
            elif isinstance(event, StepEnd):
                if task.time_limit is not None and state.elapsed > task.time_limit:
                    late = f"took longer than {task.time_limit:g} s, its limit"
                    state.stop_request = late
                if _stop_requested.is_set():
                    state.stop_request = "the search was interrupted"
    if hopeless:
        return Outcome("pruned", task.metric, hopeless, _last(watch))
    if late and not begun.result:
        return Outcome("failed", "time", late)
    if begun.result:
        return _finished(begun.directory, watch)
    if watch.is_enough:
        return Outcome("paused", score=_last(watch))
    return Outcome("interrupted")


def _last(watch: Watch) -> float | None:
    return watch.curve[-1] if watch.curve else None


def _finished(directory: Path, watch: Watch) -> Outcome:
    """Return the outcome of a run that is over, from its files."""
    result = rundir.read_json(directory / rundir.RESULT)
    metrics = result.get("metrics")
    if not isinstance(metrics, dict) or not isinstance(result.get("epochs"), int):
        raise RunError(f"{directory / rundir.RESULT}: damaged")
    watch.curve.clear()
    for row in metrics_log.read(directory):
        if hopeless := watch.see(row):
            return Outcome("pruned", watch.task.metric, hopeless, _last(watch))
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
