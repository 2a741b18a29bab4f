"""One training with its run directory, from the first event to ``result.json``."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpnet import model, replaying
from bpnet.errors import BpnetError, DivergedError
from bpnet.experiment import Experiment
from bpnet.runs import checkpoint, durable, lock, manifest, provenance, rundir
from bpnet.runs.recorder import Recorder
from bpnet.trackers import Tracker, require, trackers
from bpnet.training.evaluate import evaluate
from bpnet.training.events import Event, StepEnd, Stopped
from bpnet.training.fit import fit


@dataclass
class FinishedRun:
    """What a training left.

    Attributes
    ----------
    directory
        The run directory.
    result
        What ``result.json`` holds: status, best epoch, metrics of every split, durations.
    """

    directory: Path
    result: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the model on every split: ``test/accuracy`` and so on."""
        metrics: dict[str, float] = self.result["metrics"]
        return metrics

    def model(self) -> model.Model:
        """Load the trained model."""
        return model.load(self.directory)


@contextlib.contextmanager
def begin(
    experiment: Experiment,
    *,
    run_dir: Path | None = None,
    runs_root: Path | None = None,
    parent: str | None = None,
) -> Iterator[Session]:
    """Make the run directory of a new training, and be its only writer until the end.

    Parameters
    ----------
    experiment
        The training.
    run_dir
        The directory itself; by default ``NAME-NNN`` below `runs_root`.
    runs_root
        Where run directories are made; by default ``runs``.
    parent
        The run whose weights the training starts from, if any; they are kept in the directory,
        so that it says by itself what was trained.

    Raises
    ------
    UsageError
        If something that the config asks for is not installed.
    RunError
        If something is there already, or another process writes there.
    RefusedError
        If the operating system refuses.
    """
    require(experiment.config)
    if run_dir is not None:
        directory = rundir.create_exactly(run_dir)
    else:
        directory = rundir.create(runs_root or Path("runs"), experiment.config.name)
    with lock.hold(directory) as doubt:
        if run_dir is not None and (directory / rundir.RUN).exists():
            rundir.refuse_taken(directory)  # another process was faster, and has ended
        rundir.sweep(directory)
        facts = {
            "id": secrets.token_hex(8),
            "status": "running",
            "stop_reason": None,
            "start": provenance.now(),
            "end": None,
            "command": provenance.command_line(),
            "seed": experiment.config.seed,
            **provenance.environment(),
            "shards": experiment.state.batches.shards,
            "git_commit": provenance.git_commit(experiment.folder),
            "data": experiment.data.sources,
            "parameters": experiment.state.network.arena.size,
            "parent": parent,
            "resumed": [],
        }
        durable.write(directory / rundir.CONFIG, experiment.document.data)
        durable.write(directory / rundir.RESOLVED, experiment.resolved())
        if parent is not None:
            checkpoint.save_weights(experiment.state.network, directory / rundir.INITIAL)
        durable.write(directory / rundir.RUN, rundir.to_json(facts))
        yield Session(experiment, directory, facts, notes=[doubt] if doubt else [])


class Session:
    """Carries out one training in one run directory.

    Iterate over :meth:`events` to the end; then `result` is there, unless the training was
    interrupted or failed. :func:`begin` and `bpnet.resuming.resume` make sessions.

    Attributes
    ----------
    experiment, directory
        The training and its run directory.
    result
        What ``result.json`` holds, once the training is over.
    stopped
        The event that ended it.
    save_requested
        Set from outside to save after the step that runs, and go on.
    notes
        What the user should know about this session before it starts.
    """

    def __init__(
        self,
        experiment: Experiment,
        directory: Path,
        facts: dict[str, Any],
        *,
        mark: Mapping[str, Any] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.experiment = experiment
        self.directory = directory
        self.result: dict[str, Any] = {}
        self.stopped: Stopped | None = None
        self.save_requested = False
        self.notes = list(notes)
        self._began = time.perf_counter()
        self._facts = facts
        self._mark = mark
        self._over = False
        self._trackers: list[Tracker] = []

    def events(self) -> Generator[Event, None, None]:
        """Train; yield every event after it has been written down.

        Raises
        ------
        DivergedError
            If the training diverged; ``run.json`` says so.
        """
        recorder: Recorder | None = None
        try:
            recorder = self._recorder()
            for event in fit(self.experiment.state):
                recorder.watch(event)
                if self.save_requested and isinstance(event, StepEnd):
                    self.save_requested = False
                    recorder.save()
                if isinstance(event, Stopped):
                    self.stopped = event
                    self._finish(recorder, event)
                yield event
        except DivergedError as error:
            assert recorder is not None
            raise DivergedError(self._keep_divergence(recorder, error)) from error
        except BaseException as error:
            if not self._over:
                status, reason = _ending(error)
                self.result = {}
                with contextlib.suppress(BpnetError):  # the first failure is the one to report
                    self._end(recorder, status, reason)
            raise
        finally:
            self._close(recorder)

    def _close(self, recorder: Recorder | None) -> None:
        """Close every file that is written to; closing twice is fine."""
        with contextlib.ExitStack() as closing:
            for tracker in self._trackers:
                closing.callback(tracker.close)
            if recorder is not None:
                closing.callback(recorder.close)

    def _recorder(self) -> Recorder:
        state, options = self.experiment.state, self.experiment.config.checkpoint
        recorder = Recorder(state, self.directory, options, self._facts["id"], self._mark)
        if self._facts["resumed"]:
            recorder.note("resumed", step=state.step, epoch=state.epoch)
        try:
            self._trackers = trackers(
                self.experiment.config, state, self.directory, self._facts["id"]
            )
        except BaseException:
            recorder.close()
            raise
        recorder.listeners += [tracker.hear for tracker in self._trackers]
        return recorder

    def _keep_divergence(self, recorder: Recorder, error: DivergedError) -> str:
        """Write down where the training diverged; return the message, with what to do next.

        A disk that is full now is not what ended the training, so it does not hide what did.
        """
        bundle, refused = None, ""
        try:
            recorder.note("diverged", message=str(error))
            if self.experiment.state.best_theta is not None:
                checkpoint.save_best(self.experiment.state, self.directory)
            bundle = replaying.save(self.experiment, self.directory)
        except BpnetError as failure:
            refused = f"; the step could not be kept for bpnet replay: {failure}"
        with contextlib.suppress(BpnetError):
            self._end(recorder, "diverged", str(error))
        if bundle is None:
            return f"{error}{refused}"
        replay = f"bpnet replay {shlex.quote(str(self.directory))}"
        return f"{error}; look at the step with: {replay}"

    def _finish(self, recorder: Recorder, event: Stopped) -> None:
        path = recorder.save()
        if event.reason == "interrupted":
            self._end(recorder, "interrupted", event.message)
            return
        self._write_model()
        state = self.experiment.state
        status = "done" if event.reason == "finished" else "stopped"
        self.result = {
            "status": status,
            "stop_reason": event.reason,
            "stop_message": event.message,
            "epochs": state.epoch,
            "steps": state.step,
            "monitor": state.monitor.name,
            "best_epoch": state.monitor.best_epoch,
            "best": state.monitor.best,
            "model_epoch": state.monitor.best_epoch if self._restored else state.epoch,
            "metrics": self._metrics,
            "training_s": round(state.elapsed, 6),
            "total_s": round(time.perf_counter() - self._began, 6),
            "checkpoint": str(path.relative_to(self.directory)),
            "model": rundir.MODEL,
        }
        for tracker in self._trackers:
            tracker.conclude(self._metrics, state.epoch)
            if tracker.trouble:
                recorder.note("tracker_failed", message=tracker.trouble)
        self._end(recorder, status, event.message)

    def _write_model(self) -> None:
        """Write the model of the best (or last) weights and score it on every split."""
        experiment, state = self.experiment, self.experiment.state
        self._restored = state.exchange_best()
        self._metrics: dict[str, float] = {}
        for split, dataset in experiment.data.datasets.items():
            scores = evaluate(
                *(state.network, state.loss, dataset, state.metrics, state.target),
                state.replicas(),
            ).scores
            self._metrics |= {f"{split}/{name}": value for name, value in scores.items()}
        model.save(self.directory / rundir.MODEL, experiment)
        state.exchange_best()

    def _end(self, recorder: Recorder | None, status: str, reason: str) -> None:
        """Close the books: ``run.json``, then the manifest, then ``result.json`` if it is over."""
        self._close(recorder)
        self._facts |= {"status": status, "stop_reason": reason, "end": provenance.now()}
        durable.write(self.directory / rundir.RUN, rundir.to_json(self._facts))
        result = rundir.to_json(self.result).encode() if self.result else None
        coming = {} if result is None else {rundir.RESULT: result}
        manifest.write(self.directory, coming)
        if result is not None:
            durable.write(self.directory / rundir.RESULT, result)
        self._over = True

    def finished(self) -> FinishedRun:
        """Return what the training left, once it is over."""
        return FinishedRun(self.directory, self.result)


def _ending(error: BaseException) -> tuple[str, str]:
    """Return the status and the reason of a training that an exception ended."""
    if isinstance(error, GeneratorExit):
        return "interrupted", "whoever watched ended it"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "interrupted from the keyboard"
    return "failed", f"{type(error).__name__}: {error}"
