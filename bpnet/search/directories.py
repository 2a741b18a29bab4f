"""The directory of a search: made, found again, and held by one process at a time."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from bpnet.errors import BpnetError, RunError
from bpnet.runs import durable, lock, rundir
from bpnet.search import store
from bpnet.search.plan import Plan
from bpnet.search.store import STORE, TRIALS
from bpnet.search.study import Study

CONFIG = "config"
"""Under which the store knows where the config is."""


@contextlib.contextmanager
def opened(
    plan: Plan, directory: Path, *, repair: bool = False, wait: bool = False
) -> Iterator[Study]:
    """Be the only one to carry out the search in a directory, which exists.

    Raises
    ------
    RunError
        If another process does, or what is known of the search is damaged.
    RefusedError
        If the operating system refuses.
    """
    with lock.hold(directory, wait=wait) as doubt:
        path = directory / STORE
        notes = [doubt] if doubt else []
        if repair:
            notes += _set_aside(path)
        _sweep(directory)
        with durable.refusals("make", directory / TRIALS):
            (directory / TRIALS).mkdir(exist_ok=True)
        with store.opened(path) as kept:
            if kept.fact(CONFIG) is None:
                kept.set_fact(CONFIG, _place(plan, directory))
            durable.write(directory / rundir.CONFIG, plan.document.data)
            yield Study(plan, directory, kept, notes)


def _set_aside(path: Path) -> list[str]:
    """Rename a damaged store, so that a new one takes up the trials from their directories."""
    if not path.exists():
        return []
    try:
        with store.opened(path):
            return [f"{path}: not damaged, so it is left as it is"]
    except RunError:
        aside = path.with_name(f"{path.name}.damaged")
        with durable.refusals("rename", path):
            path.replace(aside)
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        return [f"{path}: set aside as {aside.name}"]


def _sweep(directory: Path) -> None:
    for path in directory.glob(f"{durable.TEMPORARY}*"):
        with contextlib.suppress(OSError):
            path.unlink()


def _place(plan: Plan, directory: Path) -> str:
    """Return where the config is, seen from the search: both may be moved together."""
    name = plan.document.source.name
    if name.startswith("<"):
        return name
    return os.path.relpath(Path(name).resolve(), directory.resolve())


def find(plan: Plan, root: Path) -> Path | None:
    """Return the newest search of this config below a folder of runs, if there is one."""
    pattern = re.compile(re.escape(plan.config.name) + r"-(\d{3,})")
    try:
        names = [entry.name for entry in root.iterdir()]
    except OSError:
        return None
    matches = sorted((m for m in map(pattern.fullmatch, names) if m), key=lambda m: -int(m[1]))
    for match in matches:
        directory = root / match[0]
        if (directory / STORE).is_file() and _is_of(directory, plan):
            return directory
    return None


def _is_of(directory: Path, plan: Plan) -> bool:
    """Say whether a search is one of this config file; a damaged one is taken for it."""
    try:
        place = store.peek(directory / STORE, CONFIG)
    except BpnetError:
        return True
    return place is None or place == _place(plan, directory)


def create(plan: Plan, root: Path) -> Path:
    """Make the directory of a new search.

    Raises
    ------
    RefusedError
        If the operating system refuses.
    """
    return _unfurnished(rundir.create(root, plan.config.name))


def create_exactly(directory: Path) -> Path:
    """Take a directory for a search: one that holds a search, or a new one.

    Raises
    ------
    RunError
        If something else is there.
    RefusedError
        If the operating system refuses.
    """
    if (directory / STORE).is_file():
        return directory
    if (directory / TRIALS).is_dir() and not (directory / rundir.RUN).exists():
        return directory  # a start that was cut off, or a search whose store is gone
    return _unfurnished(rundir.create_exactly(directory))


def _unfurnished(directory: Path) -> Path:
    with contextlib.suppress(OSError):
        (directory / rundir.CHECKPOINTS).rmdir()
    return directory
