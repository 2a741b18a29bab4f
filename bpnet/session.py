"""One training with its run directory, from the first event to ``result.json``."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpnet import model
from bpnet.errors import DivergedError
from bpnet.experiment import Experiment
from bpnet.runs import checkpoint, durable, provenance, rundir
from bpnet.runs.recorder import Recorder
from bpnet.training.evaluate import evaluate
from bpnet.training.events import Event, Stopped
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


class Session:
    """Carries out one training in one run directory.

    Iterate over :meth:`events` to the end; then `result` is there, unless the training was
    interrupted or failed.
    """

    def __init__(self, experiment: Experiment, directory: Path) -> None:
        self.experiment = experiment
        self.directory = directory
        self.result: dict[str, Any] = {}
        self.stopped: Stopped | None = None
        self._began = time.perf_counter()
        self._facts = {
            "status": "running",
            "stop_reason": None,
            "start": provenance.now(),
            "end": None,
            "command": provenance.command_line(),
            "seed": experiment.config.seed,
            **provenance.environment(),
            "git_commit": provenance.git_commit(experiment.folder),
            "data": experiment.data.sources,
            "parameters": experiment.state.network.arena.size,
            "parent": None,
        }
        durable.write(directory / rundir.CONFIG, experiment.document.data)
        durable.write(directory / rundir.RESOLVED, experiment.resolved())
        self._write_facts()

    def events(self) -> Generator[Event, None, None]:
        """Train; yield every event after it has been written down.

        Raises
        ------
        DivergedError
            If the training diverged; ``run.json`` says so.
        """
        state = self.experiment.state
        recorder = Recorder(state, self.directory, self.experiment.config.checkpoint)
        try:
            for event in fit(state):
                recorder.watch(event)
                if isinstance(event, Stopped):
                    self.stopped = event
                    self._finish(recorder, event)
                yield event
        except DivergedError as error:
            if state.best_theta is not None:
                checkpoint.save_best(state, self.directory)
            recorder.note("diverged", message=str(error))
            self._close("diverged", str(error))
            raise
        except GeneratorExit:
            if self._facts["status"] == "running":
                self._close("stopped", "whoever watched ended it")
            raise
        except BaseException as error:
            if self._facts["status"] == "running":
                self._close("failed", f"{type(error).__name__}: {error}")
            raise
        finally:
            recorder.close()

    def _finish(self, recorder: Recorder, event: Stopped) -> None:
        recorder.save()
        if event.reason == "interrupted":
            self._close("interrupted", event.message)
            return
        self._write_model()
        state = self.experiment.state
        seconds = time.perf_counter() - self._began
        assert recorder.saved is not None
        self._close("done" if event.reason == "finished" else "stopped", event.message)
        self.result = {
            "status": self._facts["status"],
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
            "total_s": round(seconds, 6),
            "checkpoint": str(recorder.saved.relative_to(self.directory)),
            "model": rundir.MODEL,
        }
        durable.write(self.directory / rundir.RESULT, rundir.to_json(self.result))

    def _write_model(self) -> None:
        """Write the model of the best (or last) weights and score it on every split."""
        experiment, state = self.experiment, self.experiment.state
        last = state.network.arena.theta.copy(), state.network.arena.state.copy()
        self._restored = state.use_best()
        self._metrics: dict[str, float] = {}
        for split, dataset in experiment.data.datasets.items():
            scores = evaluate(
                state.network, state.loss, dataset, state.metrics, state.target
            ).scores
            self._metrics |= {f"{split}/{name}": value for name, value in scores.items()}
        model.save(self.directory / rundir.MODEL, experiment)
        state.network.arena.theta[:], state.network.arena.state[:] = last

    def _close(self, status: str, reason: str) -> None:
        self._facts |= {"status": status, "stop_reason": reason, "end": provenance.now()}
        self._write_facts()

    def _write_facts(self) -> None:
        durable.write(self.directory / rundir.RUN, rundir.to_json(self._facts))

    def finished(self) -> FinishedRun:
        """Return what the training left, once it is over."""
        return FinishedRun(self.directory, self.result)
