"""The directory of one run: made exclusively, never overwritten."""

from __future__ import annotations

import contextlib
import json
import math
import re
from pathlib import Path
from typing import Any

from bpnet.errors import RunError
from bpnet.runs import durable, lock

CONFIG = "config.yaml"
RESOLVED = "config.resolved.yaml"
RUN = "run.json"
METRICS = "metrics.jsonl"
METRICS_CSV = "metrics.csv"
EVENTS = "events.jsonl"
GRADIENTS = "gradients.jsonl"
LOG = "log.txt"
CHECKPOINTS = "checkpoints"
BEST = "checkpoints/best.safetensors"
MODEL = "model.safetensors"
RESULT = "result.json"
INITIAL = "initial.safetensors"
DIVERGED = "diverged.safetensors"
REPORT = "report.html"
PLOTS = "plots"
SEARCH = "search.sqlite"
"""What makes a directory one of a search."""

CUT_OFF = "cut off"
"""The status of a run whose process ended without a word: killed, or the power failed."""

KINDS = ("checkpoint", "weights", "model", "divergence")
"""What the tensor files of a run may be."""


def create(root: Path, name: str) -> Path:
    """Make ``root/name-001``, or the first free number after it, and return it.

    Raises
    ------
    RefusedError
        If the operating system refuses.
    """
    with durable.refusals("make a run directory in", root):
        root.mkdir(parents=True, exist_ok=True)
        number = _highest_number(root, name) + 1
        while True:
            directory = root / f"{name}-{number:03d}"
            try:
                directory.mkdir()
            except FileExistsError:  # another process took the number
                number += 1
                continue
            _furnish(directory)
            return directory


def create_exactly(directory: Path) -> Path:
    """Make `directory` itself, or take one that is empty or holds a start that was cut off.

    Raises
    ------
    RunError
        If something is there already.
    RefusedError
        If the operating system refuses.
    """
    with durable.refusals("make the run directory", directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.mkdir()
        except FileExistsError:
            lock.refuse_held(directory)
            refuse_taken(directory)
        _furnish(directory)
    return directory


def _furnish(directory: Path) -> None:
    (directory / CHECKPOINTS).mkdir(exist_ok=True)
    for folder in (directory, directory.parent):
        durable.sync_folder(folder)


def refuse_taken(directory: Path) -> None:
    """Refuse a directory that holds more than a start leaves that ended before ``run.json``.

    Raises
    ------
    RunError
        If so.
    """
    if not directory.is_symlink() and directory.is_dir():
        entries = list(directory.iterdir())
        names = {path.name for path in entries}
        ours = lock.LOCK in names or names <= {CHECKPOINTS}  # made before the lock
        if ours and all(map(_is_start, entries)):
            return
    raise RunError(
        f"{directory}: there already, and never overwritten; "
        "choose another --run-dir or remove it first"
    )


def _is_start(path: Path) -> bool:
    if path.name == CHECKPOINTS:
        return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
    begun = (CONFIG, RESOLVED, INITIAL, lock.LOCK)
    return path.is_file() and (path.name in begun or path.name.startswith(durable.TEMPORARY))


def sweep(directory: Path) -> None:
    """Remove the unfinished files that a killed process left; only the lock's holder may."""
    for folder in (directory, directory / CHECKPOINTS):
        for path in folder.glob(f"{durable.TEMPORARY}*"):
            with contextlib.suppress(OSError):
                path.unlink()


def _highest_number(root: Path, name: str) -> int:
    pattern = re.compile(re.escape(name) + r"-(\d{3,})")
    matches = (pattern.fullmatch(entry.name) for entry in root.iterdir())
    return max((int(match[1]) for match in matches if match), default=0)


def to_json(value: object) -> str:
    """Return indented JSON for people and scripts; a number that JSON lacks becomes null."""
    return json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_json_line(value: object) -> str:
    """Return one line of JSON; a number that JSON lacks becomes null."""
    return json.dumps(finite(value), ensure_ascii=False, allow_nan=False)


def finite(value: object) -> object:
    """Return `value` with None for every NaN and infinity in it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    RunError
        If the file is missing or holds none.
    """
    return parse_json(durable.read(path, limit=1 << 26), path)


def parse_json(text: bytes, path: Path) -> dict[str, Any]:
    """Parse a JSON object; `path` names the file in errors.

    Raises
    ------
    RunError
        If it is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: expected a JSON object")
    return value


def open_run(directory: Path) -> dict[str, Any]:
    """Check that `directory` is a run and return its ``run.json``.

    Raises
    ------
    RunError
        If it is none.
    """
    if not directory.is_dir():
        raise RunError(f"{directory}: no such run directory; `ls runs` shows those there are")
    if not (directory / RUN).is_file():
        if (directory / SEARCH).is_file():
            raise RunError(
                f"{directory}: a search, no single run; bpnet runs best {directory} names its best "
                "run, bpnet runs show and bpnet report tell of the whole"
            )
        raise RunError(f"{directory}: not a run directory of bpnet ({RUN} is missing)")
    facts = read_json(directory / RUN)
    if not _is_sound(facts):
        raise RunError(f"{directory / RUN}: damaged, or written by something else")
    return facts


def standing(directory: Path, facts: dict[str, Any]) -> str:
    """Return what became of a run, from its ``run.json``: the status there, or `CUT_OFF`."""
    status = str(facts.get("status", ""))
    return CUT_OFF if status == "running" and not lock.is_held(directory) else status


def latest_session(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a run's newest session (environment, data) from its ``run.json``."""
    newest: dict[str, Any] = facts["resumed"][-1] if facts.get("resumed") else facts
    return newest


def _is_sound(facts: dict[str, Any]) -> bool:
    """Say whether the parts of a ``run.json`` that are read again have their types."""
    resumed = facts.get("resumed", [])
    if not isinstance(resumed, list) or not all(isinstance(entry, dict) for entry in resumed):
        return False
    for entry in (facts, *resumed):
        files = entry.get("data", [])
        if not isinstance(files, list) or not isinstance(entry.get("versions", {}), dict):
            return False
        for file in files:
            kinds = {"path": str, "sha256": str, "rows": int}
            if not isinstance(file, dict) or not all(
                isinstance(file.get(name), kind) for name, kind in kinds.items()
            ):
                return False
    return all(
        isinstance(entry.get("step"), int)
        and isinstance(entry.get("epoch"), int)
        and isinstance(entry.get("changes"), list)
        and "data" in entry
        for entry in resumed
    )
