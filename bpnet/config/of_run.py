"""The config of a run: as it was at the start, and as it is after every change since.

``config.resolved.yaml`` holds the newest; ``run.json`` holds what each resume changed, with the
values before and after. A process that was killed between writing the two leaves nothing open:
setting the later values once more changes nothing, setting the earlier ones leads back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bpnet.config.changes import Change
from bpnet.config.document import Document
from bpnet.config.write import inline
from bpnet.errors import ConfigError, RunError, UsageError
from bpnet.runs import durable, rundir


def current(directory: Path, facts: Mapping[str, Any]) -> Document:
    """Return the config with which a run would go on.

    Parameters
    ----------
    directory
        The run directory.
    facts
        Its ``run.json``.

    Raises
    ------
    RunError
        If a file is missing or damaged.
    """
    stages = recorded(directory, facts)
    return _apply(directory, [(key, after) for stage in stages for key, _, after in stage])


def original(directory: Path, facts: Mapping[str, Any], stage: int = 0) -> Document:
    """Return the config that a run had until its resume number `stage` (from 0).

    What no number depends on is as it is now: data that has moved is found where it lies.

    Raises
    ------
    RunError
        If a file is missing or damaged.
    """
    stages = recorded(directory, facts)
    forwards = [(key, after) for changes in stages for key, _, after in changes]
    back = [
        (key, before)
        for changes in stages[stage:][::-1]
        for key, before, after in changes[::-1]
        if Change.named(key, before, after).weight != "free"
    ]
    return _apply(directory, forwards + back)


def record(changes: Iterable[Change]) -> list[list[Any]]:
    """Return changes as ``run.json`` keeps them: key, value before, value after."""
    return [[change.key, change.before, change.after] for change in changes]


def recorded(directory: Path, facts: Mapping[str, Any]) -> list[list[tuple[str, Any, Any]]]:
    """Return what each resume of a run changed.

    Raises
    ------
    RunError
        If ``run.json`` is damaged.
    """
    try:
        return [list(_triples(entry["changes"])) for entry in facts["resumed"]]
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{directory / rundir.RUN}: damaged: its 'resumed' is no history") from None


def _triples(changes: Sequence[Any]) -> Iterator[tuple[str, Any, Any]]:
    for key, before, after in changes:
        if not isinstance(key, str) or "=" in key:
            raise ValueError(key)
        yield key, before, after


def _apply(directory: Path, values: Iterable[tuple[str, Any]]) -> Document:
    path = directory / rundir.RESOLVED
    try:
        document = Document.parse(durable.read(path, limit=1 << 26), str(path))
        return document.override(f"{key}={inline(value)}" for key, value in values)
    except (ConfigError, UsageError, TypeError) as error:
        raise RunError(f"{path}: damaged, so the run can't go on: {error}") from error
