"""The network of a run, as its model has it, or a checkpoint where there is no model yet."""

from __future__ import annotations

from pathlib import Path

from bpnet import model
from bpnet.config import of_run
from bpnet.experiment import build
from bpnet.model import Model
from bpnet.runs import checkpoint, rundir


def load(run: Path, weights: str = "best") -> tuple[Model, str]:
    """Return the network of a run or a model file, and what is to be said of it.

    A run that was interrupted, or diverged, has no model; then its data is prepared again, and the
    weights are those of a checkpoint.

    Parameters
    ----------
    run
        A run directory, or a ``model.safetensors``.
    weights
        ``best`` for those of the model, ``last`` for the newest checkpoint, or a checkpoint's path.

    Raises
    ------
    RunError
        If there are no weights, or they are damaged or foreign.
    DataError
        If the run has no model, and its data is no longer there.
    """
    unfinished = run.is_dir() and not (run / rundir.MODEL).is_file()
    if unfinished:
        facts = rundir.open_run(run)
    path = _checkpoint(run, weights, unfinished=unfinished)
    if path is None:
        return model.load(run), ""
    note = ""
    if unfinished:
        found = _of_its_data(run)
        note = f"the training is {facts.get('status')}; these are the weights of {path.name}"
    else:
        found = model.load(run)
    found.use_checkpoint(path)
    return found, note


def _checkpoint(run: Path, weights: str, *, unfinished: bool) -> Path | None:
    """Return the checkpoint that holds the weights; None if those are in the model."""
    if weights == "last":
        return checkpoint.newest(run)
    if weights != "best":
        return Path(weights)
    if not unfinished:
        return None
    best = run / rundir.BEST
    numbered = checkpoint.all_of(run)
    return best if best.is_file() else numbered[0] if numbered else None


def _of_its_data(run: Path) -> Model:
    """Return the network of a run, as it would start, with what its data is prepared by."""
    experiment = build(of_run.current(run, rundir.open_run(run)))
    data, state = experiment.data, experiment.state
    return Model(experiment.config, state.network, state.loss, data.features, data.target)
