"""The Python face: `bpnet.train` and what it returns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpnet.config.document import Document
from bpnet.config.write import dump, inline
from bpnet.experiment import build
from bpnet.runs import rundir
from bpnet.session import FinishedRun, Session

__all__ = ["FinishedRun", "train"]


def train(
    config: str | Path | Mapping[str, Any],
    *,
    run_dir: str | Path | None = None,
    runs_root: str | Path = "runs",
    **overrides: Any,
) -> FinishedRun:
    """Train the network that a config describes and return the finished run.

    Parameters
    ----------
    config
        Path of a YAML file, or the same as nested dictionaries.
    run_dir
        The run directory itself, which must not exist; by default ``runs_root/NAME-NNN``.
    runs_root
        Where run directories are made.
    overrides
        Values over the config's. A double underscore stands for the dot:
        ``training__epochs=20``, ``optimizer__learning_rate=1e-3``, ``seed=1``.

    Raises
    ------
    BpnetError
        Of the kind that fits: `ConfigError`, `DataError`, `DivergedError`, `RunError` and
        `RefusedError` (see `bpnet.errors`).
    """
    assignments = [f"{key.replace('__', '.')}={inline(value)}" for key, value in overrides.items()]
    if isinstance(config, Mapping):
        document = Document.parse(dump(config))
    else:
        document = Document.read(str(config))
    experiment = build(document.override(assignments))
    for warning in experiment.warnings:
        warnings.warn(warning, stacklevel=2)
    if run_dir is not None:
        directory = rundir.create_exactly(Path(run_dir))
    else:
        directory = rundir.create(Path(runs_root), experiment.config.name)
    session = Session(experiment, directory)
    for _ in session.events():
        pass
    return session.finished()
