"""Removing runs: only what bpnet made, only what nobody uses, never what a link leads to."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpnet.collection.searches import TRIALS, is_search, trial_folders
from bpnet.collection.summary import looks_like_run
from bpnet.errors import RunError, UsageError
from bpnet.runs import durable, lock, rundir


@dataclass(frozen=True, slots=True)
class Removal:
    """What is going to be removed.

    Attributes
    ----------
    directory
        The directory of a run or a search.
    files, bytes
        How much that is.
    trials
        How many trainings are in it, of a search.
    """

    directory: Path
    files: int
    bytes: int
    trials: int = 0


def plan(directories: Sequence[Path]) -> list[Removal]:
    """Look at what is to be removed; refuse all if one must stay.

    Raises
    ------
    RunError
        If one is no run, or is in use.
    UsageError
        If one is a link, the current folder, a trial, or there twice.
    """
    planned = []
    seen: set[Path] = set()
    for directory in directories:
        _refuse(directory)
        place = directory.resolve()
        if place in seen:
            raise UsageError(f"{directory} is there twice")
        seen.add(place)
        for used in _locked_places(directory):
            lock.refuse_held(used)
        sizes = list(_sizes(directory))
        planned.append(Removal(directory, len(sizes), sum(sizes), len(trial_folders(directory))))
    return planned


def _refuse(directory: Path) -> None:
    if directory.is_symlink():
        raise UsageError(f"{directory}: a link, which is not followed; name the directory itself")
    if not directory.is_dir():
        raise RunError(f"{directory}: no such run directory; bpnet runs list shows those there are")
    if not is_search(directory) and not _is_run(directory):
        raise RunError(f"{directory}: not a run directory of bpnet, so it stays")
    place = directory.resolve()
    if Path.cwd().resolve().is_relative_to(place):
        raise UsageError(f"{directory}: you are in it; go somewhere else first")
    if place.parent.name == TRIALS and is_search(place.parent.parent):
        search = directory.parent.parent
        raise UsageError(f"{directory}: a trial; the search {search} can be removed as a whole")


def _is_run(directory: Path) -> bool:
    """Say whether bpnet made a directory: by its ``run.json``, or else by its other files."""
    path = directory / rundir.RUN
    with contextlib.suppress(RunError, ValueError):
        facts = json.loads(durable.read(path, limit=1 << 26))
        if isinstance(facts, dict) and {"id", "status", "seed"} <= facts.keys():
            return True
    return looks_like_run(directory) and (directory / rundir.CHECKPOINTS).is_dir()


def _locked_places(directory: Path) -> Iterator[Path]:
    yield directory
    yield from trial_folders(directory)


def _sizes(directory: Path) -> Iterator[int]:
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.lstat(os.path.join(folder, name)).st_size


def remove(removal: Removal) -> None:
    """Remove a directory with all that is in it.

    It first loses its name, so that no half of a run is ever found under it.

    Raises
    ------
    RunError
        If a process has begun to write there.
    RefusedError
        If the operating system refuses.
    """
    directory = removal.directory
    with contextlib.ExitStack() as held:
        for place in _locked_places(directory):
            held.enter_context(lock.hold(place))
        gone = directory.resolve().parent / f"{durable.TEMPORARY}{secrets.token_hex(8)}"
        with durable.refusals("remove", directory):
            os.rename(directory, gone)
            shutil.rmtree(gone)  # which removes links, and follows none
            durable.sync_folder(gone.parent)
