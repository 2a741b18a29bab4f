"""The Python face: `bpnet.train` and what it returns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpnet import session, threads
from bpnet.config import of_run
from bpnet.config.document import Document
from bpnet.config.write import dump, inline
from bpnet.experiment import build
from bpnet.fine_tuning import initialize_from
from bpnet.resuming import prepare
from bpnet.runs import lock, rundir
from bpnet.session import FinishedRun

__all__ = ["FinishedRun", "resume", "train"]


def train(
    config: str | Path | Mapping[str, Any],
    *,
    run_dir: str | Path | None = None,
    runs_root: str | Path = "runs",
    init_from: str | Path | None = None,
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
    init_from
        A run, or a file of one, from whose weights the training starts.
    overrides
        Values over the config's. A double underscore stands for the dot:
        ``training__epochs=20``, ``optimizer__learning_rate=1e-3``, ``seed=1``.

    Raises
    ------
    BpnetError
        Of the kind that fits: `ConfigError`, `DataError`, `DivergedError`, `RunError` and
        `RefusedError` (see `bpnet.errors`).
    """
    if isinstance(config, Mapping):
        document = Document.parse(dump(config))
    else:
        document = Document.read(str(config))
    document = document.override(_assignments(overrides))
    with threads.chosen(document):
        experiment = build(document)
        for warning in experiment.warnings:
            warnings.warn(warning, stacklevel=2)
        if init_from is not None:
            transfer = initialize_from(
                experiment.state.network,
                Path(init_from),
                features=experiment.data.features,
                target=experiment.data.target,
            )
            for warning in transfer.warnings:
                warnings.warn(warning, stacklevel=2)
        with session.begin(
            experiment,
            run_dir=Path(run_dir) if run_dir is not None else None,
            runs_root=Path(runs_root),
            parent=str(init_from) if init_from is not None else None,
        ) as begun:
            for _ in begun.events():
                pass
        return _drawn(begun)


def resume(
    run: str | Path,
    *,
    strict: bool = False,
    wait: bool = False,
    allow_changed_data: bool = False,
    **overrides: Any,
) -> FinishedRun:
    """Go on with a run from its newest checkpoint and return it finished.

    Parameters
    ----------
    run
        The run directory. A run that is finished stays as it is, unless the overrides give it
        more to do.
    strict
        Refuse a damaged newest checkpoint instead of using the one before.
    wait
        Wait until no other process trains it, instead of refusing.
    allow_changed_data
        Go on although the data is not what it was.
    overrides
        Values over the run's config, as in :func:`train`: ``training__epochs=200``.

    Raises
    ------
    BpnetError
        Of the kind that fits: `ConfigError`, `DataError`, `DivergedError`, `RunError` and
        `RefusedError` (see `bpnet.errors`).
    """
    directory = Path(run)
    rundir.open_run(directory)
    if overrides or not (directory / rundir.RESULT).is_file():
        with lock.hold(directory, wait=wait) as doubt:
            facts = rundir.open_run(directory)  # another process may have changed them meanwhile
            document = of_run.current(directory, facts).override(_assignments(overrides))
            with threads.chosen(document, like=rundir.latest_session(facts)):
                begun = prepare(
                    directory,
                    document,
                    strict=strict,
                    allow_changed_data=allow_changed_data,
                    doubt=doubt,
                )
                if begun is not None:
                    for note in begun.notes:
                        warnings.warn(note, stacklevel=2)
                    for _ in begun.events():
                        pass
                    return _drawn(begun)
    return FinishedRun(directory, rundir.read_json(directory / rundir.RESULT))


def _drawn(begun: session.Session) -> FinishedRun:
    """Draw the report if the config always wants one; return the finished run."""
    if begun.experiment.config.report == "always":
        from bpnet.report.drawing import draw

        draw(begun.directory, data=begun.experiment.data)
    return begun.finished()


def _assignments(overrides: Mapping[str, Any]) -> list[str]:
    return [f"{key.replace('__', '.')}={inline(value)}" for key, value in overrides.items()]
